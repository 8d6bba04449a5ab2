"""Whether the workers of a pipeline may claim files: what they read before each claim.

pk `worker <pipeline>`   sk `control`   claims: whether they may; reason: why not; version: rises with every write

The role of the workers may write into this partition, but none of these attributes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.batch.ledger.heartbeats import partition
from berthmaster.errors import code_of
from berthmaster.items import Conflict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """As workers read it.

    why_not: why they may not claim files, empty if they may; None if there is no item, by which they may not.
    """

    why_not: str | None = None
    version: int = 0


class Controls:
    """The control items of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def get(self, pipeline: str) -> Control:
        """As it is, read consistently."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=_key(pipeline), ConsistentRead=True)
        item = answer.get("Item", {})
        claims, reason = item.get("claims", {}).get("BOOL"), item.get("reason", {}).get("S")
        # What is no such item, whoever has written it, is as if there were none.
        why_not = "" if claims is True else reason if claims is False else None
        return Control(why_not=why_not, version=int(item.get("version", {}).get("N", "0")))

    def save(self, pipeline: str, read: Control, why_not: str) -> None:
        """Write it if nobody has since it was read, else Conflict: what another has found out since then is newer."""
        condition = "version = :read" if read.version else "attribute_not_exists(version)"
        values: Any = {":read": {"N": str(read.version)}} if read.version else {}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    **_key(pipeline),
                    "claims": {"BOOL": not why_not},
                    "reason": {"S": why_not},
                    "version": {"N": str(read.version + 1)},
                },
                ConditionExpression=condition,
                **({"ExpressionAttributeValues": values} if values else {}),
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            raise Conflict(f"the control item of {pipeline} was written by another invocation") from error


def _key(pipeline: str) -> dict[str, Any]:
    return {"pk": {"S": partition(pipeline)}, "sk": {"S": "control"}}
