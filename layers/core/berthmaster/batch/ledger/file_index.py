"""Many files at once, by the indexes of their table: whole, or only counted."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from berthmaster.batch.ledger.files import BY_PLACE, IN_FLIGHT
from berthmaster.batch.model.files import File
from berthmaster.batch.plan.identity import SHARDS
from berthmaster.concurrently import concurrently, results_of
from berthmaster.failures import Failures
from berthmaster.items import decoded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class FileIndex:
    """The indexes of the files in a ledger table, read consistently."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def in_flight(self, pipeline: str, failures: Failures) -> list[File]:
        """All files of a pipeline in flight; records that cannot be read are left out, and added to the failures."""
        found = []
        for item in self._of_shards(partial(self._in_place, f"{pipeline}|{IN_FLIGHT}|")):
            with failures.collect("file not read", file=item["sk"]["S"]):
                found.append(decoded(item, File))
        return found

    def _in_place(self, place: str, shard: int) -> list[Any]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_PLACE,
            KeyConditionExpression="pk = :pk AND begins_with(place, :place)",
            ExpressionAttributeValues={":pk": {"S": f"file {shard}"}, ":place": {"S": place}},
            Select="ALL_ATTRIBUTES",
            ConsistentRead=True,
        )
        return [item for page in pages for item in page["Items"]]

    @staticmethod
    def _of_shards[Found](read: Callable[[int], list[Found]]) -> Iterator[Found]:
        return chain.from_iterable(results_of(concurrently(read, range(SHARDS), at_once=SHARDS)))
