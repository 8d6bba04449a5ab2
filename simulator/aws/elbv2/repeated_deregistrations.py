"""DeregisterTargets that AWS carries out twice: when it is called, and once more a little later.

The SDK calls again when a response is lost. That AWS may carry out the first call after the second one is unverified.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from simulator.calls import is_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.account import Account


class RepeatedDeregistrations:
    """Which deregistrations by functions are carried out twice.

    per_call: how probable it is. longest: the seconds within which the second time comes.
    """

    def __init__(self, account: Account) -> None:
        self.per_call = 0.0
        self.longest = 5.0
        self._clock = account.clock
        self._random = Random(f"{account.seed}:repeated deregistrations")

    def carry_out(self, deregister: Callable[[], None]) -> None:
        """Deregister now, and perhaps again."""
        deregister()
        if self.per_call and is_function() and self._random.random() < self.per_call:
            self._clock.after(self._random.uniform(0, self.longest), deregister)
