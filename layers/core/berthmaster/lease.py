"""One writer per resource: leases in DynamoDB, held for no longer than an invocation can live."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.clock import Clock
from berthmaster.errors import code_of
from berthmaster.invocation import Invocation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "lease"
LONG_AGO = datetime.fromtimestamp(0, UTC)
KEPT_FOR = timedelta(days=30)
"""How long the item of a lease stays that nobody takes any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to change one resource until `until`.

    considered_at: when a holder last read all of it. resumes_at: when the last holder will continue what it has begun,
    by a message of its own.
    """

    resource: str
    owner: str
    until: datetime
    considered_at: datetime = LONG_AGO
    resumes_at: datetime = LONG_AGO

    def is_in_progress(self, now: datetime) -> bool:
        """Whether an invocation works on the resource, or will continue what was begun."""
        return self.until > now or self.resumes_at > now


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
                Key=_key(resource),
                UpdateExpression="SET #owner = :owner, #until = :until, #expires = :expires",
                ConditionExpression="attribute_not_exists(#until) OR #until < :now OR #owner = :owner",
                ExpressionAttributeNames={"#owner": "owner", "#until": "until", "#expires": "expires"},
                ExpressionAttributeValues={
                    ":owner": {"S": owner},
                    ":until": _number(until),
                    ":now": _number(now),
                    ":expires": {"N": str(int((until + KEPT_FOR).timestamp()))},
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return None
            raise
        return _lease(resource, answer["Attributes"])

    @contextmanager
    def held(self, resource: str, invocation: Invocation, clock: Clock) -> Iterator[bool]:
        """Hold a lease while the block runs; False, and nothing held, if another invocation has it."""
        lease = self.acquire(resource, owner=invocation.id, now=clock.now(), deadline=invocation.deadline)
        if lease is None:
            yield False
            return
        try:
            yield True
        finally:
            self.release(lease, considered_at=None, resumes_at=None)

    def look(self, resource: str) -> Lease | None:
        """The lease as it is, held or not; None if nobody ever took it."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=_key(resource), ConsistentRead=True)
        return _lease(resource, answer["Item"]) if "Item" in answer else None

    def release(self, lease: Lease, *, considered_at: datetime | None, resumes_at: datetime | None) -> None:
        """Give it back with what the next one should know; harmless if another invocation has it by now."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(lease.resource),
                UpdateExpression="SET #until = :over, considered_at = :considered, resumes_at = :resumes",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner", "#until": "until"},
                ExpressionAttributeValues={
                    ":owner": {"S": lease.owner},
                    ":over": _number(LONG_AGO),
                    ":considered": _number(considered_at or lease.considered_at),
                    ":resumes": _number(resumes_at or LONG_AGO),
                },
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise


def _key(resource: str) -> dict[str, Any]:
    return {"pk": {"S": PARTITION}, "sk": {"S": resource}}


def _number(moment: datetime) -> Any:
    return {"N": f"{moment.timestamp():.3f}"}


def _lease(resource: str, item: Mapping[str, Any]) -> Lease:
    def moment(name: str) -> datetime:
        return datetime.fromtimestamp(float(item[name]["N"]), UTC) if name in item else LONG_AGO

    return Lease(
        resource=resource,
        owner=item["owner"]["S"],
        until=moment("until"),
        considered_at=moment("considered_at"),
        resumes_at=moment("resumes_at"),
    )
