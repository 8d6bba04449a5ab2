"""How fast tasks are launched: additive increase, multiplicative decrease.

Fargate takes 20 calls of RunTask a second, and 20 at once (ECS Developer Guide, "Fargate throttling quotas"); a call
launches one file's task. It could launch 100 at once, but not by as many calls. The rate is the account's in a Region,
and others launch too. Nothing tells what they use but a ThrottlingException.
"""

from datetime import datetime, timedelta

from berthmaster.batch.model.launch_rate import LaunchRate

MOST = 20.0
"""Launches a second."""

BURST = 14.0
"""Launches at once after a rest: fewer than Fargate takes, since a call that is late meets those after it."""

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
    """Launches at once: fewer when the rate is low."""
    return max(1.0, BURST * rate_at(record, now) / MOST)


def turn(record: LaunchRate, full_at: datetime, now: datetime) -> tuple[datetime, datetime]:
    """When the next launch may be made, and when as many may be made at once as ever, if it is the last one.

    full_at: the same moment, as it was known before.
    """
    rate = rate_at(record, now)
    full_at = max(full_at, now) + timedelta(seconds=1 / rate)
    return max(now, full_at - timedelta(seconds=burst_at(record, now) / rate)), full_at


def emptied(record: LaunchRate, full_at: datetime, now: datetime) -> datetime:
    """When as many may be made at once as ever, after a ThrottlingException: none may be made at once now."""
    return max(full_at, now + timedelta(seconds=burst_at(record, now) / rate_at(record, now)))


def throttled(record: LaunchRate, now: datetime) -> LaunchRate:
    """The record after a ThrottlingException, which halves the rate.

    Calls that overlap are throttled together, so a second counts once; so does one that comes late.
    """
    if record.throttled_at is not None and now - record.throttled_at < ONCE_PER:
        return record
    return LaunchRate(rate=max(LEAST, rate_at(record, now) / 2), throttled_at=now)
