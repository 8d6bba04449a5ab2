"""What workers write of themselves, and what is remembered of it.

pk `worker <pipeline>`   sk <worker>   beat, task, at, file, done, expires: written by that worker; nothing of it is
                                       believed but that it changes, and what it says of the worker itself
pk `heartbeats`          sk <pipeline> as in `berthmaster.items`, out of reach of the workers
"""

from typing import TYPE_CHECKING, Any

from berthmaster.batch.model.heartbeats import Beat, Heartbeats
from berthmaster.batch.plan.identity import is_worker
from berthmaster.items import Items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient


class Beats:
    """The heartbeats of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._seen = Items(dynamodb, table, "heartbeats", Heartbeats)

    def get(self, pipeline: str, worker: str) -> Beat | None:
        """What a worker has written last, read consistently; None if it has written nothing."""
        key: Any = {"pk": {"S": partition(pipeline)}, "sk": {"S": worker}}
        answer = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return _beat(answer["Item"]) if "Item" in answer else None

    def of(self, pipeline: str) -> dict[str, Beat]:
        """What all workers of a pipeline have written last, by worker; read consistently."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partition(pipeline)}},
            ConsistentRead=True,
        )
        found = (_beat(item) for page in pages for item in page["Items"] if is_worker(item["sk"]["S"]))
        return {beat.worker: beat for beat in found}

    def seen(self, pipeline: str) -> Heartbeats:
        """What is remembered."""
        return self._seen.get(pipeline) or Heartbeats(pipeline=pipeline)

    def remember(self, heartbeats: Heartbeats) -> Heartbeats:
        """Write it down; Conflict if another invocation has meanwhile."""
        return self._seen.save(heartbeats)


def partition(pipeline: str) -> str:
    """Where the workers of a pipeline may write, and functions leave them word."""
    return f"worker {pipeline}"


def _beat(item: "Mapping[str, Any]") -> Beat:
    """A worker may write what it likes: what is not as it should be is as if it were not there."""
    done = item.get("done", {}).get("N", "0")
    return Beat(
        worker=item["sk"]["S"],
        guid=str(item.get("beat", {}).get("S", "")),
        file=str(item.get("file", {}).get("S", "")),
        done=int(done) if done.isdecimal() else 0,
    )
