"""The changes that need an approval, as records of the ledger."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from berthmaster import approval
from berthmaster.failures import Failures
from berthmaster.items import Items
from berthmaster.targets.model import AUTOMATION
from berthmaster.targets.plan.changes import LIFETIME, Change, ChangeState, sort_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_FOR = timedelta(days=90)


def new_id(destination_name: str, now: datetime) -> str:
    """The id of a change of a destination."""
    return f"{AUTOMATION}.{destination_name}.{approval.stamp(now)}"


class Changes:
    """The changes of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "change", Change)

    def current(self, now: datetime, failures: Failures) -> dict[str, list[Change]]:
        """The changes of each destination on which decisions still count; failures: those that cannot be read."""
        current: dict[str, list[Change]] = {}
        for change in self._items.query(since=approval.stamp(now - LIFETIME), failures=failures):
            if change.is_current(now):
                current.setdefault(change.destination, []).append(change)
        return current

    def get(self, change_id: str) -> Change | None:
        """One change; None if there is none."""
        return self._items.get(sort_key(change_id))

    def decide(self, change: Change, state: ChangeState, by: str) -> Change:
        """Save an operator's decision; a change that is not proposed, or decided already, stays as it is."""
        if change.state is not ChangeState.PROPOSED:
            return change
        return self.save(replace(change, state=state, by=by, unpublished=False))

    def save(self, change: Change) -> Change:
        """Save a change; raises Conflict if another invocation has saved it since it was read."""
        return self._items.save(change, expires=change.created_at + KEPT_FOR)
