"""CloudTrail's management events: each call of an AWS API is one, except those on data.

An account's first copy of them is free. Every other trail with management events is billed for its own copy, reads too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.calls import READ_VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator

    type MonthlyCalls = Counter[str]

ON_DATA = frozenset({"dynamodb", "sqs", "sns"})
"""The calls of functions on these services are all on items and messages. PutEvents counts, to be on the safe side."""
PRICE = 2.00 / 100_000
"""Of an event in another copy, in dollars."""


@dataclass(frozen=True)
class Trail:
    """Management events a month."""

    reads: float
    writes: float

    @classmethod
    def of(cls, calls: MonthlyCalls) -> Trail:
        """Of calls a month, by operation as `service:Operation`."""
        events = {name: count for name, count in calls.items() if name.partition(":")[0] not in ON_DATA}
        reads = sum(count for name, count in events.items() if name.partition(":")[2].startswith(READ_VERBS))
        return cls(reads, sum(events.values()) - reads)

    @property
    def dollars(self) -> float:
        """What a second trail costs for them."""
        return (self.reads + self.writes) * PRICE


def times(calls: Counter[str], count: float) -> MonthlyCalls:
    """So many times as many calls."""
    return Counter({name: count * number for name, number in calls.items()})


def printed(trail: Trail) -> Iterator[str]:
    """What a first trail, which is free, and a second one say of it."""
    yield f"  {'CloudTrail management events: reads':36s}{trail.reads:>14,.0f}{'free in the':>14s}{'first trail':>14s}"
    yield f"  {'CloudTrail management events: writes':36s}{trail.writes:>14,.0f}"
    yield f"  {'each further trail with management events':50s}{f'${trail.dollars:,.2f}':>14s}"
