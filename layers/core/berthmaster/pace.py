"""Calls within AWS's rates: a shared token bucket, awaited within the time of one invocation."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from berthmaster.clock import Clock
from berthmaster.token_bucket import TokenBucket

LAST_CALL = timedelta(seconds=3)
"""Nothing is begun when less is left of an invocation: its answer might come too late to be written down."""
FOR_CALLS = timedelta(seconds=1)
"""A sleep ends late, and calls that were granted together follow one another: a grant of the last moment is lost."""
CALLS_AT_ONCE = 25
"""Calls that are counted together: to count each alone takes as long as to make it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls a second, and so many at once."""

    calls: float
    burst: float


@dataclass(frozen=True, slots=True)
class Lot:
    """So many calls may be begun from a certain time on."""

    calls: int
    ready_at: datetime


class Pace:
    """Waits until calls are within AWS's rates, and refuses those that would come too late.

    deadline: of the invocation. reserve: tokens that are left to callers more urgent; see `TokenBucket.take`.
    """

    def __init__(self, clock: Clock, bucket: TokenBucket, deadline: datetime, *, reserve: float = 0.0) -> None:
        self._clock = clock
        self._bucket = bucket
        self._deadline = deadline
        self._reserve = reserve

    def wait(self, calls: int = 1) -> None:
        """Return when so many calls, at most CALLS_AT_ONCE, may be begun; TimeoutError if that is too late."""
        by = self._deadline - LAST_CALL - FOR_CALLS
        while True:
            if self._clock.now() > by:
                raise self._too_late
            grant = self._bucket.take(calls, by=by, reserve=self._reserve)
            is_in_vain = not grant.granted and not self._reserve
            if is_in_vain or self._clock.now() + timedelta(seconds=grant.wait) > self._deadline - LAST_CALL:
                raise self._too_late
            self._clock.sleep(grant.wait)
            if grant.granted:
                return

    def lot(self, calls: int, *, within: timedelta) -> Lot:
        """As many calls, at most so many, as the rate allows within that time; does not wait. Ignores the reserve."""
        began = self._clock.now()
        by = min(began + within, self._deadline - LAST_CALL - FOR_CALLS)
        granted, ready_at = 0, began
        while granted < calls and began < by:
            tokens, wait = self._bucket.take_some(min(calls - granted, CALLS_AT_ONCE), by=by)
            if not tokens:
                break
            granted += tokens
            ready_at = self._clock.now() + timedelta(seconds=wait)
        return Lot(granted, ready_at)

    def turn(self, calls: int) -> datetime:
        """When so many more calls will be within the rate, if nobody else makes any."""
        return self._clock.now() + timedelta(seconds=self._bucket.wait_for(calls))

    def check(self) -> None:
        """Raise TimeoutError if it is too late to begin a call that was waited for."""
        if self._clock.now() > self._deadline - LAST_CALL:
            raise self._too_late

    @property
    def _too_late(self) -> TimeoutError:
        return TimeoutError("no time left in this invocation for another call")
