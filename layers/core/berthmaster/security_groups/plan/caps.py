"""How many rules may be changed: in a run, of a group in a day, and in all in a day. Restores do not count."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from berthmaster.security_groups.model.removals import Removal, RemovalPolicy

DAY = timedelta(hours=24)
"""A day is the last 24 hours, so that no midnight lets twice as many pass."""


class Allowance:
    """What may still be begun. Counted is what was intended, whatever became of it."""

    def __init__(self, removals: Iterable[Removal], policy: RemovalPolicy, now: datetime) -> None:
        self._policy = policy
        self._by_group = Counter(one.rule.group for one in removals for moment in intended(one) if now - moment < DAY)
        self._of_run = 0

    def why_not(self, group: str, more: int = 1) -> str:
        """Why no further rules of a group may be changed, empty if so many may."""
        policy = self._policy
        if self._of_run + more > policy.per_run:
            return f"{policy.per_run} rules in a run are the limit"
        if self._by_group[group] + more > policy.per_group:
            return f"{policy.per_group} rules of a group within 24 hours are the limit"
        if self._by_group.total() + more > policy.per_day:
            return f"{policy.per_day} rules within 24 hours are the limit"
        return ""

    def take(self, group: str) -> None:
        """A rule of the group is changed."""
        self._of_run += 1
        self._by_group[group] += 1


def intended(removal: Removal) -> Iterator[datetime]:
    """When changes of a rule were intended."""
    for moment in (removal.intended_at, removal.revoke_intended_at):
        if moment is not None:
            yield moment
