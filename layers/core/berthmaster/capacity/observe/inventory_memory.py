"""What the inventory has read, kept in the container and in the table.

The items in the table save a new container from reading everything again: one for each ECS cluster (`cluster_memory`),
and this one for the rest, written now and then. It is a cache: containers may overwrite each other's, and one that
cannot be decoded is ignored.
"""

import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from berthmaster.capacity.model.vpc import Quotas, Reservation
from berthmaster.capacity.observe.cluster_memory import NEVER, PARTITION
from berthmaster.network_codec import network_from

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = {"pk": {"S": PARTITION}, "sk": {"S": "watch"}}
SAVED_EVERY = timedelta(minutes=30)


@dataclass(slots=True)
class SubnetReservations:
    """The reservations of one subnet."""

    read_at: datetime
    found: tuple[Reservation, ...]


@dataclass(slots=True)
class Memory:
    """Reservations by subnet, and the quotas, with the times when they were read."""

    reservations: dict[str, SubnetReservations] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    quotas_read_at: datetime = NEVER
    saved_at: datetime = NEVER


def load(dynamodb: "DynamoDBClient", table: str) -> Memory:
    """The memory in the table; an empty one if there is none that can be decoded."""
    # Eventually consistent, at half the price: what an older memory lacks is read from AWS again.
    item = dynamodb.get_item(TableName=table, Key=KEY).get("Item")
    if not item:
        return Memory()
    try:
        return msgspec.msgpack.decode(zlib.decompress(item["state"]["B"]), type=Memory, dec_hook=network_from)
    except (KeyError, zlib.error, msgspec.DecodeError):
        return Memory()


def save(dynamodb: "DynamoDBClient", table: str, memory: Memory, now: datetime) -> None:
    """Write the memory to the table, unless that was done a short time ago."""
    if now - memory.saved_at < SAVED_EVERY:
        return
    memory.saved_at = now
    packed = zlib.compress(msgspec.msgpack.encode(memory, enc_hook=str))
    dynamodb.put_item(TableName=table, Item={**KEY, "state": {"B": packed}})
