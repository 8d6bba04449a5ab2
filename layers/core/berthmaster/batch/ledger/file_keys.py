"""Files by the keys of their indexes: many of them are read or counted at once, and no item is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from berthmaster.batch.ledger.files import BY_PLACE, IN_FLIGHT
from berthmaster.batch.plan.identity import SHARDS
from berthmaster.concurrently import concurrently, results_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Placed(NamedTuple):
    """A file in a place, and the time by which that is sorted: of its launch, its end, or until which it waits."""

    file: str
    at: datetime


class FileKeys:
    """The indexes of the files in a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def in_flight(self, pipeline: str) -> list[Placed]:
        """All files of a pipeline in flight, with the times of their launches."""
        place = f"{pipeline}|{IN_FLIGHT}|"
        shards = results_of(concurrently(partial(self._placed, place), range(SHARDS), at_once=SHARDS))
        return list(chain.from_iterable(shards))

    def _placed(self, place: str, shard: int) -> list[Placed]:
        return [
            Placed(item["sk"]["S"], datetime.fromisoformat(item["place"]["S"].removeprefix(place)).replace(tzinfo=UTC))
            for item in self._query(shard, place)
        ]

    def _query(self, shard: int, place: str) -> Iterator[Any]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_PLACE,
            KeyConditionExpression="pk = :pk AND begins_with(place, :place)",
            ExpressionAttributeValues={":pk": {"S": f"file {shard}"}, ":place": {"S": place}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]
