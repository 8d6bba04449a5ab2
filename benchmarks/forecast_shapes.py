"""Demand whose right answer is known: weeks that repeat, holidays and demand that falls need no room; growth does.

A shape is three weeks of use, which begin with a Monday, in thousandths of a pool's capacity.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.forecast_score import DAY, HOUR, MEMORY, STEP, WARM_UP, Verdict, daylight, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.forecast_score import Samples, Trigger

    type Levels = Callable[[int], float]

CAPACITY = 1000
DAYS = 21
NIGHT = 0.15
CHANGE = 9 * DAY + 11 * HOUR
"""On a Wednesday before noon, after a week and a half."""
LAST_MONDAY = 14 * DAY + 8 * HOUR
ASKED_EVERY = 13
"""Samples between two questions: 65 minutes, so that they come at another time each day."""


@dataclass(frozen=True)
class Answers:
    """The shapes that need no room, those among them for which a trigger asks; the same of those that are exhausted."""

    quiet: tuple[str, ...]
    false: tuple[str, ...]
    exhausted: tuple[str, ...]
    late: tuple[str, ...]


def answers(trigger: Trigger) -> Answers:
    """Ask along every shape, from the second week on."""
    return Answers(
        quiet=tuple(quiet()),
        false=tuple(name for name, trace in quiet().items() if _asks(trace, trigger)),
        exhausted=tuple(exhausted()),
        late=tuple(n for n, trace in exhausted().items() if judge(trace, CAPACITY, trigger) is not Verdict.USEFUL),
    )


@cache
def quiet() -> Mapping[str, Samples]:
    """Shapes that never need more room than they have."""
    shapes: dict[str, Levels] = {}
    for share in (0.7, 0.8, 0.85):
        for kind, day in {"days": _day, "office days": _weekdays(_day), "working hours": _weekdays(_shift)}.items():
            peak = _times(share, day)
            shapes |= {
                f"{kind} at {share:.0%}": peak,
                f"{kind} at {share:.0%} that halve": _then(0.5, peak),
                f"{kind} at {share:.0%} that fall by a third": _then(2 / 3, peak),
                f"{kind} at {share:.0%} that decline by 2 % a day": _declining(peak),
                f"{kind} at {share:.0%} with a holiday": _off(peak, range(9, 10)),
                f"{kind} at {share:.0%} with a week off": _off(peak, range(7, 14)),
            }
    return {name: _sampled(name, levels) for name, levels in shapes.items()}


@cache
def exhausted() -> Mapping[str, Samples]:
    """Shapes that reach the capacity, in a way that can be seen in time."""
    shapes: dict[str, Levels] = {}
    for kind, day in {"days": _day, "office days": _weekdays(_day), "working hours": _weekdays(_shift)}.items():
        for percent in (1, 2, 4):
            shapes[f"{kind} that grow by {percent} % a day"] = _growing(day, percent / 100)
        for hours in (2, 3, 4):
            shapes[f"{kind}, then a Monday that climbs above the record in {hours} h"] = _climb(day, hours)
    return {name: _sampled(name, levels) for name, levels in shapes.items()}


def _asks(trace: Samples, trigger: Trigger) -> bool:
    ends = range(WARM_UP // STEP, len(trace), ASKED_EVERY)
    return any(trigger(trace[max(0, end - MEMORY) : end + 1], CAPACITY) for end in ends)


def _sampled(name: str, levels: Levels) -> Samples:
    rng = random.Random(name)
    minutes = range(0, DAYS * DAY, STEP)
    return [(minute, max(0, round(CAPACITY * levels(minute) + rng.gauss(0, 3)))) for minute in minutes]


def _day(minute: int) -> float:
    return NIGHT + (1 - NIGHT) * daylight(minute)


def _shift(minute: int) -> float:
    """From eight to six: scheduled scaling."""
    return 1 if 8 * HOUR <= minute % DAY < 18 * HOUR else NIGHT


def _weekdays(day: Levels) -> Levels:
    return lambda minute: day(minute) if minute // DAY % 7 < 5 else min(NIGHT, day(minute))  # noqa: PLR2004


def _times(share: float, day: Levels) -> Levels:
    return lambda minute: share * day(minute)


def _then(share: float, day: Levels) -> Levels:
    return lambda minute: day(minute) * (share if minute >= CHANGE else 1)


def _declining(day: Levels) -> Levels:
    return lambda minute: day(minute) * 0.98 ** max(0, (minute - WARM_UP) / DAY)


def _off(day: Levels, days: range) -> Levels:
    return lambda minute: day(6 * DAY) * NIGHT if minute // DAY in days else day(minute)


def _growing(day: Levels, rate: float) -> Levels:
    """It reaches the capacity in the third week."""
    return lambda minute: day(minute) * (1 + rate) ** (minute / DAY - 16)


def _climb(day: Levels, hours: int) -> Levels:
    """After two weeks with peaks of seven tenths; the climb is a straight one from the morning's level."""

    def levels(minute: int) -> float:
        if minute < LAST_MONDAY:
            return 0.7 * day(minute)
        start = 0.7 * day(LAST_MONDAY - STEP)
        return min(1.05, start + (1.05 - start) * (minute - LAST_MONDAY) / (hours * HOUR))

    return levels
