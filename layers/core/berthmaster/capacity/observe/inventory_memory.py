"""What the inventory has read, kept in the container and now and then in the table.

The item in the table saves a new container from reading everything again. It is a cache: containers may overwrite each
other's, and one that cannot be decoded is ignored.
"""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from berthmaster.capacity.model import Quotas, Reservation, Service
from berthmaster.network_codec import network_from

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = {"pk": {"S": "inventory"}, "sk": {"S": "watch"}}
SAVED_EVERY = timedelta(minutes=30)
TOO_OLD = timedelta(days=1)
"""A cluster that was not read for so long says nothing about what its deployments may still take."""
LARGEST_ITEM = 390_000
"""DynamoDB takes 400 KB. A larger inventory is kept in the container only."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Cluster:
    """An ECS cluster.

    services: by ARN, those in managed subnets. unread: ARNs of services that are listed and not described yet.
    """

    read_at: datetime = NEVER
    services: dict[str, Service] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SubnetReservations:
    """The reservations of one subnet."""

    read_at: datetime
    found: tuple[Reservation, ...]


@dataclass(slots=True)
class Memory:
    """Clusters by ARN, reservations by subnet, and the quotas, with the times when they were read."""

    clusters: dict[str, Cluster] = field(default_factory=dict)
    reservations: dict[str, SubnetReservations] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    quotas_read_at: datetime = NEVER
    saved_at: datetime = NEVER


def load(dynamodb: "DynamoDBClient", table: str, now: datetime) -> Memory:
    """The memory in the table without what is too old; an empty one if there is none that can be decoded."""
    # Eventually consistent, at half the price: what an older memory lacks is read from AWS again.
    item = dynamodb.get_item(TableName=table, Key=KEY).get("Item")
    if not item:
        return Memory()
    try:
        memory = msgspec.msgpack.decode(zlib.decompress(item["state"]["B"]), type=Memory, dec_hook=network_from)
    except (KeyError, zlib.error, msgspec.DecodeError):
        return Memory()
    memory.clusters = {arn: cluster for arn, cluster in memory.clusters.items() if now - cluster.read_at <= TOO_OLD}
    return memory


def save(dynamodb: "DynamoDBClient", table: str, memory: Memory, now: datetime) -> None:
    """Write the memory to the table, unless that was done a short time ago or it is too large."""
    if now - memory.saved_at < SAVED_EVERY:
        return
    memory.saved_at = now
    packed = zlib.compress(msgspec.msgpack.encode(memory, enc_hook=str))
    if len(packed) <= LARGEST_ITEM:
        dynamodb.put_item(TableName=table, Item={**KEY, "state": {"B": packed}})
