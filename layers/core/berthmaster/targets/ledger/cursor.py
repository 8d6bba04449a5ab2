"""Where the next run of the reconciliation continues, in the ledger: a run may end at any moment.

pk cursor   sk reconciliation   tasks, pods: see `plan.rotation.Cursor`
"""

from typing import TYPE_CHECKING, Any

from berthmaster.targets.plan.rotation import Cursor

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Any = {"pk": {"S": "cursor"}, "sk": {"S": "reconciliation"}}


class CursorLedger:
    """The cursor of one account and Region; only the run that holds the lease writes it."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def get(self) -> Cursor:
        """Where to continue; the beginning if no run has begun yet."""
        item: Any = self._dynamodb.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True).get("Item", {})
        return Cursor(**{lane: item[lane]["S"] for lane in ("tasks", "pods") if lane in item})

    def put(self, cursor: Cursor) -> None:
        """Let the next run continue there."""
        item = {**_KEY, "tasks": {"S": cursor.tasks}, "pods": {"S": cursor.pods}}
        self._dynamodb.put_item(TableName=self._table, Item=item)
