"""The geometry of the chart of files that wait for their results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from simulator.demo.batch.scene import MINUTES
from simulator.demo.chart import Box, Tick, round_step
from simulator.demo.wording import MINUTE, clock, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.demo.batch.comparison import Comparison

HOVER_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """Sizes in the drawing's own units, which are pixels at its natural width."""

    name: str
    width: float
    height: float
    minutes_per_tick: int
    radius: float
    left: float = 40
    right: float = 8
    top: float = 34
    bottom: float = 22

    @property
    def floor(self) -> float:
        """The y of zero."""
        return self.height - self.bottom


WIDE = Frame("wide", 960, 220, 30, 10)
NARROW = Frame("narrow", 360, 200, 60, 8)


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the page draws; `area` is what lies below the line `usual`."""

    frame: Frame
    usual: str
    area: str
    with_it: str
    marks: tuple[Tick, ...]
    minutes: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    hovers: tuple[Box, ...]


def waiting(comparison: Comparison, frame: Frame) -> Chart:
    """Files that have come and have no result yet, in both runs."""
    usual, with_it = comparison.usual.waiting, comparison.with_it.waiting
    highest = max(*usual, *with_it, 1)
    step = round_step(highest)
    top = step * math.ceil(highest / step)
    start = comparison.scene.begins

    def y(value: float) -> float:
        return round(frame.floor - (frame.floor - frame.top) * value / top, 1)

    line = _line(frame, [y(value) for value in usual])
    return Chart(
        frame=frame,
        usual=line,
        area=f"{line}V{frame.floor}H{frame.left}Z",
        with_it=_line(frame, [y(value) for value in with_it]),
        marks=tuple(
            Tick(_x(frame, (phase.at - start) / MINUTE), str(number))
            for number, (phase, _) in enumerate(comparison.phases, start=1)
        ),
        minutes=tuple(
            Tick(_x(frame, minute), clock(start + minute * MINUTE))
            for minute in range(0, MINUTES, frame.minutes_per_tick)
        ),
        levels=tuple(Tick(y(value), count(value)) for value in range(0, top + 1, step)),
        hovers=tuple(_hovers(comparison, frame, usual, with_it)),
    )


def _x(frame: Frame, minute: float) -> float:
    return round(frame.left + (frame.width - frame.left - frame.right) * minute / MINUTES, 1)


def _line(frame: Frame, levels: Sequence[float]) -> str:
    """A path through the levels at the end of each minute."""
    return f"M{frame.left} {frame.floor}" + "".join(
        f"L{_x(frame, minute)} {level}" for minute, level in enumerate(levels, start=1)
    )


def _hovers(comparison: Comparison, frame: Frame, usual: Sequence[int], with_it: Sequence[int]) -> Iterator[Box]:
    both = zip(batched(usual, HOVER_MINUTES, strict=False), batched(with_it, HOVER_MINUTES, strict=False), strict=True)
    width = _x(frame, HOVER_MINUTES) - frame.left
    for index, (one, other) in enumerate(both):
        since = index * HOVER_MINUTES
        title = (
            f"{clock(comparison.scene.begins + since * MINUTE)}, {HOVER_MINUTES} minutes"
            f"\nthe usual way: up to {count(max(one))}\nwith Berthmaster: up to {count(max(other))}"
        )
        yield Box(_x(frame, since), frame.top, round(width, 1), frame.floor - frame.top, title)
