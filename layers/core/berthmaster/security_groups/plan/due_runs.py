"""When it is to be decided again what is removed."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from berthmaster.security_groups.model.removals import STALE_AFTER, Proposal, Removal, RemovalState
from berthmaster.security_groups.plan.removal_progress import is_stale

DAILY = timedelta(days=1)
OF_WINDOW = 90
"""In a window that is shorter than so many days, there are so many runs."""
SELDOMER = timedelta(minutes=15)
"""There is no run more often than that, unless something has become due."""
AGAIN_AFTER = timedelta(hours=1)
"""What is due and could not be done is looked at again after that time."""
_STEPPED = frozenset({RemovalState.ANNOUNCED, RemovalState.QUARANTINED, RemovalState.REVOKED})
"""The next step of these is decided by a run."""


def watched_since(removal: Removal, now: datetime) -> datetime:
    """Since when nothing may have been missed before the next step: for as long as a change is watched, up to now."""
    return max(removal.changed_at, now - (removal.due_at - removal.changed_at))


def is_run_due(
    removals: Iterable[Removal],
    proposals: Iterable[Proposal],
    *,
    begun: datetime,
    window: timedelta,
    paused: bool,
    now: datetime,
) -> bool:
    """Whether there is something to be decided that the run before did not know. begun: when that one began."""
    age = now - begun
    if age >= max(SELDOMER, min(DAILY, window / OF_WINDOW)):
        return True
    if paused:
        return False
    if any(one.decided_at and begun < one.decided_at for one in proposals):
        return True
    return any(_is_due(one, begun, age, now) for one in removals)


def _is_due(removal: Removal, begun: datetime, age: timedelta, now: datetime) -> bool:
    if is_stale(removal, now):
        return age >= STALE_AFTER
    if removal.state not in _STEPPED or removal.due_at > now:
        return False
    return removal.due_at > begun or age >= AGAIN_AFTER
