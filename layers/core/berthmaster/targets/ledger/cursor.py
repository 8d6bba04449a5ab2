"""Where the next run of the reconciliation continues, in the ledger: a run may end at any moment.

pk cursor   sk reconciliation   after: the place of a destination, see `plan.rotation`
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Any = {"pk": {"S": "cursor"}, "sk": {"S": "reconciliation"}}


class CursorLedger:
    """The cursor of one account and Region; only the run that holds the lease writes it."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def get(self) -> str:
        """Where to continue; empty, and so the beginning, if no run has begun yet."""
        item: Any = self._dynamodb.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True).get("Item", {})
        return str(item["after"]["S"]) if "after" in item else ""

    def put(self, cursor: str) -> None:
        """Let the next run continue there."""
        self._dynamodb.put_item(TableName=self._table, Item={**_KEY, "after": {"S": cursor}})
