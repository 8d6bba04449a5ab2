"""Workers in the ledger, out of reach of the workers themselves: an item each, kept for some days after their end.

pk, sk    `task workers`, and the pipeline and the worker's id
place     `<pipeline>|open`: the sort key of the index `by_place`, as long as something may be to be done about it
schema, version, body, expires    as in `berthmaster.items`
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.batch.ledger.files import BY_PLACE
from berthmaster.batch.model.workers import Worker
from berthmaster.items import Items, decoded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "task workers"
KEPT_FOR = timedelta(days=2)
"""After the end of a worker: results that it has sent may still be received."""


class Workers:
    """The workers of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._items = Items(dynamodb, table, PARTITION, Worker)

    def get(self, pipeline: str, identifier: str) -> Worker | None:
        """One worker, read consistently."""
        return self._items.get(f"{pipeline} {identifier}")

    def of(self, pipeline: str) -> list[Worker]:
        """All workers of a pipeline, those that have ended lately as well, read consistently."""
        return self._items.query(prefix=f"{pipeline} ")

    def open(self, pipeline: str) -> list[Worker]:
        """Those that have not ended, or may have claims; read consistently."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_PLACE,
            KeyConditionExpression="pk = :pk AND place = :place",
            ExpressionAttributeValues={":pk": {"S": PARTITION}, ":place": {"S": _place(pipeline)}},
            Select="ALL_ATTRIBUTES",
            ConsistentRead=True,
        )
        return [decoded(item, Worker) for page in pages for item in page["Items"]]

    def save(self, worker: Worker) -> Worker:
        """Write a worker if nobody has since it was read; returns it with its new version, else Conflict."""
        expires = None if worker.is_open else worker.since + KEPT_FOR
        index = {"place": _place(worker.pipeline)} if worker.is_open else {}
        return self._items.save(worker, expires=expires, index=index)


def _place(pipeline: str) -> str:
    return f"{pipeline}|open"
