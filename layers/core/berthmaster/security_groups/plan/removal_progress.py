"""How far removals are, as plans and those who carry them out see it."""

from collections.abc import Iterable
from datetime import datetime

from berthmaster.security_groups.model.removals import STALE_AFTER, Removal, RemovalState

_GONE = frozenset(
    {
        RemovalState.APPROVED,
        RemovalState.QUARANTINED,
        RemovalState.REVOKING,
        RemovalState.REVOKED,
        RemovalState.RESTORING,
    }
)
"""The rule may be missing, or is about to be."""


def is_stale(removal: Removal, now: datetime) -> bool:
    """Whether a rule was to be quarantined on evidence that is too old by now."""
    since = removal.intended_at or removal.changed_at
    return removal.state is RemovalState.APPROVED and now - since > STALE_AFTER


def is_as_it_was(removal: Removal) -> bool:
    """Whether a rule that cannot be changed in place waits for its revocation as it is."""
    return removal.state is RemovalState.QUARANTINED and removal.is_direct


def going(removals: Iterable[Removal], now: datetime) -> frozenset[str]:
    """The rules that are missing or about to be; one that waits as it is, and may yet not go, is none of them."""
    return frozenset(
        one.rule.id for one in removals if one.state in _GONE and not is_stale(one, now) and not is_as_it_was(one)
    )
