"""How fast Berthmaster may change targets, all its invocations together."""

from datetime import datetime, timedelta

from berthmaster.clock import Clock
from berthmaster.token_bucket import TokenBucket

LAST_CALL = timedelta(seconds=3)
"""Nothing is begun when less is left of an invocation: its answer might come too late to be written down."""


class Pace:
    """Waits before each call until it is within AWS's rates, and refuses calls that would come too late.

    A reconciliation leaves half of the burst to events.
    """

    def __init__(self, clock: Clock, bucket: TokenBucket, turn: datetime, *, reserve: float = 0.0) -> None:
        self._clock = clock
        self._bucket = bucket
        self._turn = turn
        self._reserve = reserve

    def wait(self) -> None:
        """Return when one call may be made; TimeoutError if that is too late for this invocation."""
        while True:
            grant = self._bucket.take(reserve=self._reserve)
            if self._clock.now() + timedelta(seconds=grant.wait) > self._turn - LAST_CALL:
                raise TimeoutError("no time left in this invocation for another call")
            self._clock.sleep(grant.wait)
            if grant.granted:
                return
