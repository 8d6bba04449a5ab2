"""API throttling as AWS does it: a token bucket per operation or group of operations, account and region."""

from __future__ import annotations


class TokenBucket:
    """Refills by `rate` tokens a second up to `burst`, and starts full.

    A call that finds it empty is to raise `simulator.errors.Throttled`, which botocore sees on the wire and retries.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token at `now`, in seconds since the epoch; False, and nothing taken, if there is none."""
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._tokens = min(self.burst, self._tokens + elapsed * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
