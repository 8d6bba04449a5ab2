"""Breakers: an item per pipeline that was ever out of order.

pk breaker   sk <pipeline>
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from berthmaster.batch.model.breaker import Breaker
from berthmaster.items import Items, without_conflict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRIES = 10
"""At a change. Others write a breaker only if it changes, which it soon does not any more."""


class Breakers:
    """The breakers of a ledger table; a pipeline without an item has a closed one."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "breaker", Breaker)

    def all(self) -> dict[str, Breaker]:
        """By pipeline, those that have an item; read consistently."""
        return {one.pipeline: one for one in self._items.query()}

    def get(self, pipeline: str) -> Breaker:
        """The breaker of one pipeline, read consistently."""
        return self._items.get(pipeline) or Breaker(pipeline=pipeline)

    def change(self, pipeline: str, changed: Callable[[Breaker], Breaker]) -> tuple[Breaker, Breaker]:
        """Write what a pure function makes of the breaker, if that is a change; returns it before and afterwards.

        Decides again if another invocation writes meanwhile; Conflict if that goes on.
        """

        def change() -> tuple[Breaker, Breaker]:
            before = self.get(pipeline)
            after = changed(before)
            return before, after if after == before else self._items.save(after)

        return without_conflict(change, tries=TRIES)
