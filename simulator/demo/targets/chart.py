"""The geometry of charts of requests that go wrong: coordinates of their lines, marks and labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from simulator.demo.chart import Box, Tick, round_step
from simulator.demo.targets.scene import MINUTES
from simulator.demo.targets.traffic import STRETCH
from simulator.demo.wording import MINUTE, clock, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.demo.targets.comparison import Comparison

HOVER_MINUTES = 5
SECONDS = MINUTES * MINUTE


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


WIDE = Frame("wide", 960, 220, 10, 10)
NARROW = Frame("narrow", 360, 200, 30, 8)


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


def so_far(comparison: Comparison, frame: Frame) -> Chart:
    """Requests that have gone wrong so far, in both runs."""
    return _chart(comparison, frame, comparison.usual.so_far, comparison.with_it.so_far)


def dead(comparison: Comparison, frame: Frame) -> Chart:
    """Registered addresses without a task of their application that get requests, in both runs."""
    return _chart(comparison, frame, comparison.usual.dead, comparison.with_it.dead)


def _chart(comparison: Comparison, frame: Frame, usual: Sequence[float], with_it: Sequence[float]) -> Chart:
    highest = math.ceil(max(*usual, *with_it, 1))
    step = round_step(highest)
    top = step * math.ceil(highest / step)
    start = comparison.scene.begins

    def y(value: float) -> float:
        return round(frame.floor - (frame.floor - frame.top) * value / top, 1)

    line = _steps(frame, [y(value) for value in usual])
    return Chart(
        frame=frame,
        usual=line,
        area=f"{line}V{frame.floor}H{frame.left}Z",
        with_it=_steps(frame, [y(value) for value in with_it]),
        marks=tuple(
            Tick(_x(frame, phase.at - start), str(number))
            for number, (phase, _) in enumerate(comparison.phases, start=1)
        ),
        minutes=tuple(
            Tick(_x(frame, minute * MINUTE), clock(start + minute * MINUTE))
            for minute in range(0, MINUTES, frame.minutes_per_tick)
        ),
        levels=tuple(Tick(y(value), count(value)) for value in range(0, top + 1, step)),
        hovers=tuple(_hovers(comparison, frame, usual, with_it)),
    )


def _x(frame: Frame, seconds: float) -> float:
    return round(frame.left + (frame.width - frame.left - frame.right) * seconds / SECONDS, 1)


def _steps(frame: Frame, levels: Sequence[float]) -> str:
    """A path that keeps each stretch's level for that stretch."""
    path, last = f"M{frame.left} {levels[0]}", levels[0]
    for index, level in enumerate(levels):
        if level != last:
            path += f"H{_x(frame, index * STRETCH)}V{level}"
            last = level
    return f"{path}H{_x(frame, min(len(levels) * STRETCH, SECONDS))}"


def _hovers(comparison: Comparison, frame: Frame, usual: Sequence[float], with_it: Sequence[float]) -> Iterator[Box]:
    size = HOVER_MINUTES * MINUTE // STRETCH
    both = zip(batched(usual, size, strict=False), batched(with_it, size, strict=False), strict=True)
    width = _x(frame, HOVER_MINUTES * MINUTE) - frame.left
    for index, (one, other) in enumerate(both):
        since = index * HOVER_MINUTES * MINUTE
        if since < SECONDS:
            title = (
                f"{clock(comparison.scene.begins + since)}, {HOVER_MINUTES} minutes"
                f"\nthe usual way: up to {count(max(one))}\nwith Berthmaster: up to {count(max(other))}"
            )
            yield Box(_x(frame, since), frame.top, round(width, 1), frame.floor - frame.top, title)
