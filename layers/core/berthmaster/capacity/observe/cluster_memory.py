"""What capacity_watch has read of each ECS cluster, an item for each in the table.

A new container of capacity_watch goes on from there, and capacity_expand learns which of an account's services may be
in a VPC. The items are a cache: containers may overwrite each other's, and one that cannot be decoded is ignored.

    pk inventory   sk cluster <ARN>   state: compressed msgpack   expires
"""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

import msgspec

from berthmaster.arn import Arn
from berthmaster.capacity.model.workloads import Service

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "inventory"
PREFIX = "cluster "
VALID_FOR = timedelta(days=1)
"""A cluster of which nothing was read for so long says nothing about where its services run."""
RENEWED_AFTER = timedelta(hours=6)
LARGEST_ITEM = 390_000
"""DynamoDB takes 400 KB, and a service some 25 bytes. A larger cluster is kept in the container only."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
WRITTEN_AT_ONCE = 25
"""BatchWriteItem takes at most 25 items."""


@dataclass(slots=True)
class Cluster:
    """An ECS cluster.

    read_at: when it was read to the end. services: by ARN, those whose tasks have addresses of their own, in whichever
    VPC. others: ARNs of those without. unread: ARNs of services that are listed and not described yet.
    """

    read_at: datetime = NEVER
    services: dict[str, Service] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many services are known, read or not."""
        return len(self.services) + len(self.others) + len(self.unread)

    @property
    def is_new(self) -> bool:
        """Whether its services were never listed."""
        return self.read_at == NEVER and not self.size

    def knows(self, service_arn: str) -> bool:
        """Whether the service was described."""
        return service_arn in self.services or service_arn in self.others

    def runs_in(self, subnet_ids: "AbstractSet[str]") -> bool:
        """Whether one of its services lists one of the subnets."""
        return any(not subnet_ids.isdisjoint(service.subnet_ids) for service in self.services.values())

    def forget(self, service: str) -> None:
        """Let a service be one that was never described."""
        self.services = {arn: one for arn, one in self.services.items() if one.name != service}
        self.others = {arn for arn in self.others if Arn.parse(arn).name != service}

    def keep(self, listed: "Collection[str]") -> None:
        """Drop the services that ECS does not list any more."""
        self.services = {arn: service for arn, service in self.services.items() if arn in listed}
        self.others &= set(listed)
        self.unread = [arn for arn in self.unread if arn in listed]

    def take(self, asked: "Collection[str]", described: "Mapping[str, Service]") -> None:
        """Note what DescribeServices has answered about some services."""
        for arn in asked:
            self.services.pop(arn, None)
            self.others.discard(arn)
        self.services |= described
        self.others |= set(asked) - described.keys()
        self.unread = [arn for arn in self.unread if arn not in asked]


class ClusterMemory:
    """The clusters of one account and Region in one table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._saved: dict[str, tuple[bytes, datetime]] = {}

    def load(self, now: datetime) -> dict[str, Cluster]:
        """The clusters in the table by ARN, without what has expired or cannot be decoded."""
        # Eventually consistent, at half the price: what an older item lacks is read from AWS again.
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": PARTITION}, ":prefix": {"S": PREFIX}},
        )
        read = (_cluster(item, now) for page in pages for item in page["Items"])
        clusters = {arn: cluster for arn, cluster in read if cluster is not None}
        self._saved = {arn: (_content(cluster), cluster.read_at) for arn, cluster in clusters.items()}
        return clusters

    def save(self, clusters: "Mapping[str, Cluster]", now: datetime) -> None:
        """Write the clusters that have changed, and those that would expire although they were read since."""
        for some in batched(self._due(clusters), WRITTEN_AT_ONCE, strict=False):
            items = [item for arn in some if (item := _item(arn, clusters[arn], now))]
            left = self._write(items) if items else set()
            self._saved |= {arn: (_content(clusters[arn]), now) for arn in some if _sort_key(arn) not in left}

    def _write(self, items: list[dict[str, Any]]) -> set[str]:
        """Write items; returns the sort keys of those that DynamoDB leaves for the next cycle."""
        requests: Any = [{"PutRequest": {"Item": item}} for item in items]
        answer: Any = self._dynamodb.batch_write_item(RequestItems={self._table: requests})
        return {one["PutRequest"]["Item"]["sk"]["S"] for one in answer["UnprocessedItems"].get(self._table, ())}

    def _due(self, clusters: "Mapping[str, Cluster]") -> "Iterator[str]":
        for arn, cluster in clusters.items():
            content, saved_at = self._saved.get(arn, (b"", NEVER))
            is_renewed = cluster.read_at - saved_at >= RENEWED_AFTER
            if is_renewed or (cluster.size and _content(cluster) != content):
                yield arn


def _item(arn: str, cluster: Cluster, now: datetime) -> dict[str, Any] | None:
    """A cluster as an item; None if it is too large."""
    packed = zlib.compress(msgspec.msgpack.encode(cluster, order="deterministic"))
    if len(packed) > LARGEST_ITEM:
        return None
    return {
        "pk": {"S": PARTITION},
        "sk": {"S": _sort_key(arn)},
        "state": {"B": packed},
        "expires": {"N": str(int((now + VALID_FOR).timestamp()))},
    }


def _content(cluster: Cluster) -> bytes:
    """What it says, without when that was read."""
    return msgspec.msgpack.encode((cluster.services, cluster.others, cluster.unread), order="deterministic")


def _sort_key(arn: str) -> str:
    return f"{PREFIX}{arn}"


def _cluster(item: "Mapping[str, Any]", now: datetime) -> tuple[str, Cluster | None]:
    arn = item["sk"]["S"].removeprefix(PREFIX)
    try:
        if int(item["expires"]["N"]) <= now.timestamp():
            return arn, None
        return arn, msgspec.msgpack.decode(zlib.decompress(item["state"]["B"]), type=Cluster)
    except (KeyError, zlib.error, msgspec.DecodeError):
        return arn, None
