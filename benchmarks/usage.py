"""What invocations of a function used: their calls, and how long each took at the cloud's latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter

    from simulator.stack.deployment import Deployment


@dataclass(frozen=True)
class Usage:
    """Calls by operation, and the virtual seconds of each invocation, in the order in which they ended.

    A function spends them waiting for AWS: in the simulator its own CPU takes no time. timeouts: how many invocations
    Lambda ended.
    """

    calls: Counter[str]
    seconds: tuple[float, ...]
    timeouts: int

    @property
    def longest(self) -> float:
        """Seconds of the longest invocation."""
        return max(self.seconds)

    @property
    def total(self) -> float:
        """Seconds of all invocations together."""
        return sum(self.seconds)


class Meter:
    """Measures a function from the moment at which the meter is made."""

    def __init__(self, berthmaster: Deployment, function: str) -> None:
        self._berthmaster = berthmaster
        self._function = function
        self._calls = len(berthmaster.cloud.calls)
        self._invocations = len(berthmaster.invocations)

    def read(self) -> Usage:
        """What was used since then, by invocations that have ended; raises the error of one that failed by itself."""
        ended = [one for one in self._berthmaster.invocations[self._invocations :] if one.function == self._function]
        for one in ended:
            if one.error is not None and not one.died:
                raise one.error
        return Usage(
            calls=self._berthmaster.cloud.calls.of(self._function).since(self._calls).counts(),
            seconds=tuple(one.ended - one.started for one in ended),
            timeouts=sum(one.died for one in ended),
        )
