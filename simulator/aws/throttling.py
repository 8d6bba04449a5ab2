"""API throttling as AWS does it: a token bucket per operation or group of operations, account and region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.calls import is_function
from simulator.errors import Throttled

if TYPE_CHECKING:
    from simulator.account import Account


class TokenBucket:
    """Refills by `rate` tokens a second up to `burst`, and starts full; `code` is the error of a throttled call."""

    def __init__(self, rate: float, burst: float, *, code: str = "ThrottlingException") -> None:
        self.rate = rate
        self.burst = burst
        self.code = code
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float, tokens: float = 1) -> bool:
        """Take tokens at `now`, in seconds since the epoch; False, and nothing taken, if there are too few."""
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._tokens = min(self.burst, self._tokens + elapsed * self.rate)
        self._at = now
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def admit(self, account: Account, tokens: float = 1) -> None:
        """Take tokens for a call by a function; raises `Throttled` if there are too few. Other callers need none."""
        if is_function() and not self.take(account.clock.timestamp(), tokens):
            raise Throttled(self.code, "Rate exceeded")
