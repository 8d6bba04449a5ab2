"""One writer per resource: leases in DynamoDB, held for no longer than an invocation can live."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "lease"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to change one resource until `until`; `considered_at` is when its last holder looked at it."""

    resource: str
    owner: str
    until: datetime
    considered_at: datetime | None


class Leases:
    """Leases of one ledger table (keys `pk`, `sk`).

    An owner is one invocation. A lease outlives its invocation's own deadline only by the margin for clocks that
    differ, so a dead owner can never write after the next one took over.
    """

    MARGIN = timedelta(seconds=10)

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def acquire(self, resource: str, *, owner: str, now: datetime, deadline: datetime) -> Lease | None:
        """Take the lease if it is free, expired or one's own already; None if another holds it."""
        until = deadline + self.MARGIN
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key={"pk": {"S": PARTITION}, "sk": {"S": resource}},
                UpdateExpression="SET #owner = :owner, #until = :until",
                ConditionExpression="attribute_not_exists(#until) OR #until < :now OR #owner = :owner",
                ExpressionAttributeNames={"#owner": "owner", "#until": "until"},
                ExpressionAttributeValues={
                    ":owner": {"S": owner},
                    ":until": {"N": f"{until.timestamp():.3f}"},
                    ":now": {"N": f"{now.timestamp():.3f}"},
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return None
            raise
        considered = answer["Attributes"].get("considered_at", {}).get("N")
        return Lease(
            resource=resource,
            owner=owner,
            until=until,
            considered_at=datetime.fromtimestamp(float(considered), UTC) if considered else None,
        )

    def release(self, lease: Lease, *, considered_at: datetime | None = None) -> None:
        """Give it back, noting when the resource was looked at; harmless if somebody else has it by now."""
        noted = considered_at or lease.considered_at
        values = {":owner": {"S": lease.owner}, ":over": {"N": "0"}}
        expression = "SET #until = :over"
        if noted:
            expression += ", considered_at = :noted"
            values[":noted"] = {"N": f"{noted.timestamp():.3f}"}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"pk": {"S": PARTITION}, "sk": {"S": lease.resource}},
                UpdateExpression=expression,
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner", "#until": "until"},
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
