"""The geometry of a chart of free addresses: coordinates of its lines, bars, marks and labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from simulator.demo.chart import Box, Tick, round_step
from simulator.demo.wording import DAY, HOUR, count, moment, weekday

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.demo.capacity.comparison import Comparison
    from simulator.demo.capacity.outcome import Hour

BAR_HOURS = 3
"""Failed launches are summed over so many hours; the same stretch has one hover text."""
WEEKEND = (5, 6)


@dataclass(frozen=True, slots=True)
class Frame:
    """Sizes in the drawing's own units, which are pixels at its natural width."""

    name: str
    width: float
    height: float
    bars: float
    days_per_tick: int
    left: float = 40
    right: float = 8
    top: float = 26
    bottom: float = 22
    gap: float = 26


WIDE = Frame("wide", 960, 300, 64, 1)
NARROW = Frame("narrow", 360, 240, 52, 3)


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the page draws. `floor`: y of no free address; `base`: y of the bars' foot, None without bars."""

    frame: Frame
    floor: float
    base: float | None
    without: str
    with_it: str
    bars: tuple[Box, ...]
    most: int
    marks: tuple[Tick, ...]
    weekends: tuple[Box, ...]
    hovers: tuple[Box, ...]
    days: tuple[Tick, ...]
    levels: tuple[Tick, ...]


def fullest(comparison: Comparison, frame: Frame) -> Chart:
    """Free addresses of the fullest subnet in both runs, and the failures of the run without Berthmaster below."""
    without = [hour.fewest for hour in comparison.without.hours]
    return _Drawing(comparison, frame).chart(without, [hour.fewest for hour in comparison.with_it.hours], failures=True)


def in_all(comparison: Comparison, frame: Frame) -> Chart:
    """Free addresses of all subnets together, in both runs."""
    without = [hour.fewest_in_all for hour in comparison.without.hours]
    with_it = [hour.fewest_in_all for hour in comparison.with_it.hours]
    return _Drawing(comparison, frame).chart(without, with_it, failures=False)


class _Drawing:
    """Turns times and counts into coordinates."""

    def __init__(self, comparison: Comparison, frame: Frame) -> None:
        self._comparison = comparison
        self._frame = frame
        self._start = comparison.scene.start.timestamp()
        self._end = self._start + len(comparison.without.hours) * HOUR

    def chart(self, without: Sequence[int], with_it: Sequence[int], *, failures: bool) -> Chart:
        frame = self._frame
        floor = frame.height - frame.bottom - (frame.bars + frame.gap if failures else 0)
        step = round_step(max(*without, *with_it, 1))
        top = step * math.ceil(max(*without, *with_it, 1) / step)

        def y(value: float) -> float:
            return round(floor - (floor - frame.top) * value / top, 1)

        base = frame.height - frame.bottom if failures else None
        sums = [sum(hour.failed for hour in hours) for hours in batched(self._hours, BAR_HOURS, strict=False)]
        return Chart(
            frame=frame,
            floor=floor,
            base=base,
            without=self._steps([y(value) for value in without]),
            with_it=self._steps([y(value) for value in with_it]),
            bars=tuple(self._bars(sums, base)) if base else (),
            most=max(sums),
            marks=tuple(Tick(self._x(one.ended), moment(one.ended)) for one in self._comparison.with_it.expansions),
            weekends=tuple(self._weekends()),
            hovers=tuple(self._hovers(without, with_it, sums)),
            days=tuple(self._days()),
            levels=tuple(Tick(y(value), count(value)) for value in range(0, top + 1, step)),
        )

    @property
    def _hours(self) -> tuple[Hour, ...]:
        return self._comparison.without.hours

    def _x(self, at: float) -> float:
        frame = self._frame
        share = (at - self._start) / (self._end - self._start)
        return round(frame.left + (frame.width - frame.left - frame.right) * share, 1)

    def _steps(self, levels: Sequence[float]) -> str:
        """A path that keeps each hour's level for that hour."""
        path = f"M{self._x(self._start)} {levels[0]}"
        for index, (level, following) in enumerate(zip(levels, [*levels[1:], levels[-1]], strict=True), start=1):
            if following != level or index == len(levels):
                path += f"H{self._x(self._start + index * HOUR)}V{following}"
        return path

    def _bars(self, sums: Sequence[int], base: float) -> Iterator[Box]:
        for index, failed in enumerate(sums):
            if failed:
                x, width = self._stretch(index)
                height = max(1.5, round(self._frame.bars * failed / max(sums), 1))
                yield Box(x, base - height, width, height, "")

    def _hovers(self, without: Sequence[int], with_it: Sequence[int], sums: Sequence[int]) -> Iterator[Box]:
        frame = self._frame
        both = zip(batched(without, BAR_HOURS, strict=False), batched(with_it, BAR_HOURS, strict=False), strict=True)
        for index, (one, other) in enumerate(both):
            x, width = self._stretch(index)
            since = moment(self._start + index * BAR_HOURS * HOUR)
            title = (
                f"{since}, {BAR_HOURS} hours\nwithout: at least {min(one)} free, {sums[index]} failed"
                f"\nwith: at least {min(other)} free"
            )
            yield Box(x, frame.top, width, frame.height - frame.bottom - frame.top, title)

    def _stretch(self, index: int) -> tuple[float, float]:
        since = self._start + index * BAR_HOURS * HOUR
        x = self._x(since)
        return x, round(self._x(min(since + BAR_HOURS * HOUR, self._end)) - x, 1)

    def _weekends(self) -> Iterator[Box]:
        frame = self._frame
        for index, at in self._midnights():
            if index % 7 in WEEKEND:
                x = self._x(at)
                width = self._x(min(at + DAY, self._end)) - x
                yield Box(x, frame.top, round(width, 1), frame.height - frame.bottom - frame.top, "")

    def _days(self) -> Iterator[Tick]:
        for index, at in self._midnights():
            if index % self._frame.days_per_tick == 0:
                yield Tick(self._x(at), weekday(at))

    def _midnights(self) -> Iterator[tuple[int, float]]:
        for index in range(math.ceil((self._end - self._start) / DAY)):
            yield index, self._start + index * DAY
