"""Who made groups and rules: an item each.

pk origin   sk <id of the rule or the group>
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from berthmaster.concurrently import concurrently, results_of
from berthmaster.items import Conflict, Items
from berthmaster.security_groups.model.origins import RecordedOrigin

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AT_ONCE = 8


class Origins:
    """The origins in a ledger table. They are kept for as long as the table: a rule may live for years."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "origin", RecordedOrigin)

    def of(self, identifiers: Iterable[str]) -> dict[str, RecordedOrigin]:
        """What is recorded of some rules and groups, by id."""
        found = concurrently(self._items.get, sorted(set(identifiers)), at_once=AT_ONCE)
        return {one.item: one.result for one in found if one.result is not None}

    def record(self, origins: Iterable[RecordedOrigin]) -> None:
        """Record who made something; what is recorded already stays, as events come twice."""
        results_of(concurrently(self._record, origins, at_once=AT_ONCE))

    def _record(self, origin: RecordedOrigin) -> None:
        with suppress(Conflict):
            self._items.save(origin)
