"""How Cloud Map's operations end: with their effect, unless said otherwise here."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from simulator.calls import is_function

if TYPE_CHECKING:
    from simulator.account import Account

# ErrorCode of Operation in the AWS Cloud Map API reference; the others name what a caller has done wrong.
ERROR_CODES = ("INTERNAL_FAILURE", "INVALID_CHANGE_BATCH", "THROTTLED_REQUEST")


class Ending(NamedTuple):
    """How one operation ends: `error` is the ErrorCode of FAIL, "" for SUCCESS."""

    error: str = ""
    has_effect: bool = True


class Endings:
    """Draws how each operation ends.

    next: the endings of the next operations, whoever begins them. failed, lost: how probable it is that an operation of
    a function ends in FAIL, or in SUCCESS and changes nothing.
    """

    def __init__(self, account: Account) -> None:
        self.failed = 0.0
        self.lost = 0.0
        self.next: list[Ending] = []
        self._random = Random(f"{account.seed}:endings of operations")

    def draw(self) -> Ending:
        """How the operation that the caller begins will end."""
        if self.next:
            return self.next.pop(0)
        if not (self.failed or self.lost) or not is_function():
            return Ending()
        drawn = self._random.random()
        if drawn < self.failed:
            return Ending(self._random.choice(ERROR_CODES), has_effect=False)
        return Ending(has_effect=drawn >= self.failed + self.lost)
