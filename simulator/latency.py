"""How long AWS takes: to carry a call out, to return the response, to begin an invocation."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.calls import Call


class Delay(NamedTuple):
    """Seconds until AWS acts on a call, and then until the response arrives, which may be out of date by then."""

    before: float
    after: float


class Latency(Protocol):
    """How long each call of a function takes, and how long Lambda needs to begin an invocation."""

    def of_call(self, call: Call) -> Delay:
        """One attempt of a call."""

    def of_start(self, *, cold: bool) -> float:
        """Seconds until an invocation begins; `cold`: in a container that has yet to be made."""


class Constant(Latency):
    """Every call takes the same time, all of it before AWS acts; invocations begin at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def __str__(self) -> str:
        return f"a call takes {self._seconds:g} s"

    def of_call(self, call: Call) -> Delay:  # noqa: ARG002 - the same for all
        """One attempt of a call."""
        return Delay(self._seconds, 0.0)

    def of_start(self, *, cold: bool) -> float:  # noqa: ARG002 - the same for both
        """At once."""
        return 0.0


TYPICAL = (0.02, 0.2)
TYPICAL_OF: Mapping[str, tuple[float, float]] = {"dynamodb": (0.005, 0.015), "sqs": (0.01, 0.05)}
"""Seconds of most calls, by service."""
SLOW = (1.0, 4.0)
ONE_SLOW_IN = 300
WARM_START, COLD_START = (0.005, 0.05), (0.4, 1.5)


class Realistic(Latency):
    """Latency as users measure it from Lambda, drawn by seed: most calls are quick, one in some hundreds takes seconds.

    AWS acts somewhere between request and response. typical: the seconds of most calls, from and to.
    """

    def __init__(self, seed: int, *, typical: tuple[float, float] = TYPICAL) -> None:
        self._random = Random(f"{seed}:latency")
        self._typical = typical

    def __str__(self) -> str:
        low, high = self._typical
        return f"a call takes {low:g} to {high:g} s, less for DynamoDB and SQS, and one in {ONE_SLOW_IN} some seconds"

    def of_call(self, call: Call) -> Delay:
        """One attempt of a call."""
        is_slow = self._random.randrange(ONE_SLOW_IN) == 0
        whole = self._random.uniform(*(SLOW if is_slow else TYPICAL_OF.get(call.service, self._typical)))
        before = whole * self._random.random()
        return Delay(before, whole - before)

    def of_start(self, *, cold: bool) -> float:
        """Seconds until an invocation begins."""
        return self._random.uniform(*(COLD_START if cold else WARM_START))
