"""When a destination in which nothing is to be done now has to be looked at again, because a claim waits."""

from collections.abc import Iterable
from datetime import datetime

from berthmaster.targets.model import Claim, ClaimState
from berthmaster.targets.plan.claims import next_look


def waits_until(claims: Iterable[Claim], now: datetime, invocation_id: str) -> datetime | None:
    """When the first claim that waits can go on; None if none waits. The end of a drain that nobody awaits is no end.

    A claim waits until its owner may be registered while the former one drains, or has outlasted that drain; for the
    repetition of a deregistration; or for another invocation that may still be calling AWS about it.
    """
    moments = (_waits_until(claim, now, invocation_id) for claim in claims)
    return min((moment for moment in moments if moment is not None), default=None)


def _waits_until(claim: Claim, now: datetime, invocation_id: str) -> datetime | None:
    if claim.is_busy(now, invocation_id):
        return claim.busy_until
    if claim.awaits_deregistration or claim.awaits_handover:
        return claim.retry_at or now
    is_contested = claim.state is ClaimState.HANDOVER or claim.early_at is not None
    return next_look(claim, now) if is_contested and claim.due_at is not None else None
