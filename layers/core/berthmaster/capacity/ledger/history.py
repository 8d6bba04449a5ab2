"""The samples of the last 14 days, in the automation's DynamoDB table.

One item an hour holds all subnets (in parts, if an account has so many that an item would become too large), rewritten
with each sample of the hour. A container keeps what it has read and queries only the newest hours; what it keeps is
always what the table holds.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.capacity.ledger.sample_codec import decode, encode
from berthmaster.capacity.ledger.series import Usage, UsageHistory
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.errors import BerthmasterError, MissingEvidence, code_of
from berthmaster.items import NewerSchema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

PARTITION = "history"
KEPT = timedelta(days=14)
EXPIRES = timedelta(days=15)
SUBNETS_PER_ITEM = 4000
"""Twelve random samples of two numbers and an id take 65 bytes a subnet: 260 KB; DynamoDB's limit is 400."""
_ATTEMPTS = 5


class History:
    """The history of one table (keys `pk`, `sk`; TTL attribute `expires`)."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._usage = UsageHistory()
        self._versions: dict[str, int] = {}
        self._unreadable: dict[str, MissingEvidence] = {}
        self._read_until: datetime | None = None
        self._read_at: datetime | None = None

    def record(self, now: datetime, snapshots: Iterable[VpcSnapshot]) -> None:
        """Store the sample of this minute: one Query and one PutItem, if no other container writes at the same time.

        MissingEvidence if the item of this hour cannot be read: it is not overwritten.
        """
        usage = {
            subnet.id: _usage(snapshot, subnet.id, subnet.used, subnet.prefix_capacity)
            for snapshot in snapshots
            for subnet in snapshot.subnets
        }
        for _ in range(_ATTEMPTS):
            self._refresh(now)
            self._usage.add(_minute(now), usage)
            try:
                self._write_hour(now)
            except _WrittenByAnother:
                continue
            return
        raise BerthmasterError(f"other containers wrote the history of {_hour(now)} {_ATTEMPTS} times in a row")

    def load(self, now: datetime) -> UsageHistory:
        """The samples of the last 14 days, not to be changed; what cannot be read is a gap, see `unreadable`."""
        if self._read_at != now:
            self._refresh(now)
        return self._usage

    @property
    def unreadable(self) -> tuple[MissingEvidence, ...]:
        """What of the history was damaged, or written by a newer version, when it was read last, by item."""
        return tuple(self._unreadable.values())

    def _refresh(self, now: datetime) -> None:
        """Read from the hour before the newest one read: another container may have finished that hour late.

        And from the oldest hour that could not be read: it may have been deleted, or a newer version deployed.
        """
        self._read_at = None
        horizon = _hour_start(now) - KEPT + timedelta(hours=1)
        since = horizon if self._read_until is None else max(horizon, self._read_until - timedelta(hours=1))
        if self._unreadable:
            since = max(horizon, min(since, _hour_of(min(self._unreadable))))
        self._usage = self._usage.between(_minute(horizon), _minute(since))
        self._versions = {}
        self._unreadable = {}
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk >= :since",
            ExpressionAttributeValues={":pk": {"S": PARTITION}, ":since": {"S": _hour(since)}},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                self._take(item)
        self._read_until = _hour_start(now)
        self._read_at = now

    def _take(self, item: "dict[str, AttributeValueTypeDef]") -> None:
        key = item["sk"]["S"]
        try:
            samples = decode(item["samples"]["B"])
            version = int(item["version"]["N"])
        except (KeyError, ValueError, NewerSchema) as error:
            self._unreadable[key] = MissingEvidence(
                f"the history item pk={PARTITION} sk={key} {error}; delete it to do without that hour for good"
            )
            return
        self._usage.merge(samples)
        self._versions[key] = version

    def _write_hour(self, now: datetime) -> None:
        start = _hour_start(now)
        hour = self._usage.between(_minute(start), _minute(start) + 60)
        for part, subnets in enumerate(batched(sorted(hour.used), SUBNETS_PER_ITEM, strict=False)):
            key = f"{_hour(now)}#{part:03}"
            if key in self._unreadable:
                raise self._unreadable[key]
            self._write(key, encode(hour.of(subnets)), expires=start + EXPIRES)

    def _write(self, key: str, samples: bytes, *, expires: datetime) -> None:
        version = self._versions.get(key, 0)
        item: dict[str, AttributeValueTypeDef] = {
            "pk": {"S": PARTITION},
            "sk": {"S": key},
            "samples": {"B": samples},
            "version": {"N": str(version + 1)},
            "expires": {"N": str(int(expires.timestamp()))},
        }
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(version) OR version = :read",
                ExpressionAttributeValues={":read": {"N": str(version)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            # The SDK repeats a call whose response was lost, and then finds its own write.
            if error.response.get("Item") != item:
                raise _WrittenByAnother from error
        self._versions[key] = version + 1


class _WrittenByAnother(Exception):
    """Another container has written the hour since it was read."""


def _usage(snapshot: VpcSnapshot, subnet_id: str, used: int, prefix_capacity: int) -> Usage:
    occupancy = snapshot.occupancy.get(subnet_id)
    return max(0, used), None if occupancy is None else max(0, prefix_capacity - occupancy.free_prefixes)


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _hour_start(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hour(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H")


def _hour_of(sort_key: str) -> datetime:
    return datetime.strptime(sort_key.partition("#")[0], "%Y-%m-%dT%H").replace(tzinfo=UTC)
