"""What was chosen for the work that a pipeline has, or had last: an item per pipeline.

pk packing   sk <pipeline>
"""

from typing import TYPE_CHECKING

from berthmaster.batch.model.packing import PackingRun
from berthmaster.items import Items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class PackingRuns:
    """The runs of a ledger table; only the invocation of batch_dispatch that launches writes them."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "packing", PackingRun)

    def get(self, pipeline: str) -> PackingRun | None:
        """That of one pipeline, read consistently; None if it never had one."""
        return self._items.get(pipeline)

    def save(self, run: PackingRun) -> PackingRun:
        """Write it if nobody has since it was read; returns it with its new version, else Conflict."""
        return self._items.save(run)
