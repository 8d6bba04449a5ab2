"""How fast tasks are launched: additive increase, multiplicative decrease.

Fargate's rate is the account's in a Region, and others launch too. Nothing tells what they use but a
ThrottlingException.
"""

from datetime import datetime, timedelta

from berthmaster.batch.model.launch_rate import LaunchRate

MOST = 20.0
"""Launches a second that Fargate sustains, and calls of RunTask a second. Source: ECS Developer Guide, throttling."""

BURST = 100.0
"""Launches at once after a rest."""

LEAST = 1.0
RISE = 1.0
"""By how much the rate rises in each second without a ThrottlingException."""

ONCE_PER = timedelta(seconds=1)


def rate_at(record: LaunchRate, now: datetime) -> float:
    """Launches a second that may be made now."""
    if record.throttled_at is None:
        return MOST
    return min(MOST, record.rate + RISE * max(0.0, (now - record.throttled_at).total_seconds()))


def burst_at(record: LaunchRate, now: datetime) -> float:
    """Launches at once: in the same proportion to the rate as Fargate's own."""
    return BURST * rate_at(record, now) / MOST


def throttled(record: LaunchRate, now: datetime) -> LaunchRate:
    """The record after a ThrottlingException, which halves the rate.

    Calls that overlap are throttled together, so a second counts once; so does one that comes late.
    """
    if record.throttled_at is not None and now - record.throttled_at < ONCE_PER:
        return record
    return LaunchRate(rate=max(LEAST, rate_at(record, now) / 2), throttled_at=now)
