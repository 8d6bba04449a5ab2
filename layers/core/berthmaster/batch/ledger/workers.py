"""Workers in the ledger, out of reach of the workers themselves: an item each, kept for some days after their end.

pk, sk    `task workers`, and the pipeline and the worker's id
schema, version, body, expires    as in `berthmaster.items`
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.batch.model.workers import Worker
from berthmaster.items import Items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_FOR = timedelta(days=2)
"""After the end of a worker: results that it has sent may still be received."""


class Workers:
    """The workers of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "task workers", Worker)

    def get(self, pipeline: str, identifier: str) -> Worker | None:
        """One worker, read consistently."""
        return self._items.get(f"{pipeline} {identifier}")

    def of(self, pipeline: str) -> list[Worker]:
        """All workers of a pipeline, those that have ended lately as well, read consistently."""
        return self._items.query(prefix=f"{pipeline} ")

    def save(self, worker: Worker) -> Worker:
        """Write a worker if nobody has since it was read; returns it with its new version, else Conflict."""
        expires = None if worker.is_active else worker.since + KEPT_FOR
        return self._items.save(worker, expires=expires)
