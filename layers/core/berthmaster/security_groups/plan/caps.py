"""How many rules may be changed: in a run, of a group in a day, and in all in a day. Restores do not count."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from berthmaster.security_groups.model.removals import Removal, RemovalPolicy, RemovalState

DAY = timedelta(hours=24)
"""A day is the last 24 hours, so that no midnight lets twice as many pass."""


class Allowance:
    """What may still be begun. Counted is what was intended, whatever became of it."""

    def __init__(self, removals: Iterable[Removal], policy: RemovalPolicy, now: datetime) -> None:
        self._policy = policy
        self._now = now
        self._by_group = Counter(one.rule.group for one in removals for moment in intended(one) if now - moment < DAY)
        self._of_run = 0

    def why_not(self, removal: Removal) -> str:
        """Why a rule may not be changed now, empty if it may be."""
        policy, group = self._policy, removal.rule.group
        if self._of_run >= policy.per_run:
            return f"{policy.per_run} rules in a run are the limit"
        if self._is_counted(removal):
            return ""
        if self._by_group[group] >= policy.per_group:
            return f"{policy.per_group} rules of a group within 24 hours are the limit"
        if self._by_group.total() >= policy.per_day:
            return f"{policy.per_day} rules within 24 hours are the limit"
        return ""

    def take(self, removal: Removal) -> None:
        """A rule is changed."""
        self._of_run += 1
        if not self._is_counted(removal):
            self._by_group[removal.rule.group] += 1

    def _is_counted(self, removal: Removal) -> bool:
        """Whether this change was intended before, and nobody has begun it."""
        since = removal.intended_at
        return removal.state is RemovalState.APPROVED and since is not None and self._now - since < DAY


def intended(removal: Removal) -> Iterator[datetime]:
    """When changes of a rule were intended."""
    for moment in (removal.intended_at, removal.revoke_intended_at):
        if moment is not None:
            yield moment
