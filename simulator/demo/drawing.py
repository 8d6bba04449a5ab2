"""The geometry of charts over the time of a scene: a line for each way, and a mark for each phase."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, batched
from typing import TYPE_CHECKING

from simulator.demo.chart import Box, Tick, round_step
from simulator.demo.wording import DAY, MINUTE, clock, count, day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulator.demo.phases import Comparison, Run, Scene
    from simulator.demo.way import Way

HOVER, LONG_HOVER = 5 * MINUTE, DAY
"""Seconds that have a hover text together; in a scene that goes on for days."""
TICKS = (*(minutes * MINUTE for minutes in (10, 30, 60)), *(days * DAY for days in (1, 7, 14, 28)))
"""Seconds that may lie between two ticks."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Sizes in the drawing's own units, which are pixels at its natural width."""

    name: str
    width: float
    height: float
    most_ticks: int
    radius: float
    left: float = 40
    right: float = 8
    top: float = 34
    bottom: float = 22

    @property
    def floor(self) -> float:
        """The y of zero."""
        return self.height - self.bottom


FRAMES = (Frame("wide", 960, 220, 9, 10), Frame("narrow", 360, 200, 4, 8))


@dataclass(frozen=True, slots=True)
class Mark:
    """The number of a phase. shown: where it is written, beside others that are near; at: where it belongs."""

    at: float
    shown: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the page draws; `area`: what lies below the line of the first way."""

    frame: Frame
    area: str
    lines: tuple[tuple[Way, str], ...]
    marks: tuple[Mark, ...]
    times: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    hovers: tuple[Box, ...]


def charts[S: Scene, R: Run](
    comparison: Comparison[S, R], values: Callable[[R], Sequence[float]], *, stretch: int
) -> list[Chart]:
    """A chart for wide and one for narrow windows; each of a run's values holds for a stretch of so many seconds."""
    series = {way: values(run) for way, run in comparison.runs.items()}
    return [_Drawing(comparison.scene, frame, stretch).chart(comparison, series) for frame in FRAMES]


@dataclass(frozen=True, slots=True)
class _Drawing:
    scene: Scene
    frame: Frame
    stretch: int

    def chart(self, comparison: Comparison[Scene, Run], series: dict[Way, Sequence[float]]) -> Chart:
        frame, begins = self.frame, self.scene.begins
        highest = math.ceil(max(1, *(max(values) for values in series.values())))
        step = round_step(highest)
        top = step * math.ceil(highest / step)

        def y(value: float) -> float:
            return round(frame.floor - (frame.floor - frame.top) * value / top, 1)

        lines = tuple((way, self._steps([y(value) for value in values])) for way, values in series.items())
        lasts = self.scene.minutes * MINUTE
        between = next(seconds for seconds in TICKS if lasts <= seconds * frame.most_ticks)
        written = day if self.scene.is_long else clock
        return Chart(
            frame=frame,
            area=f"{lines[0][1]}V{frame.floor}H{frame.left}Z",
            lines=lines,
            marks=tuple(self._marks([phase.at - begins for phase, *_ in comparison.phases])),
            times=tuple(
                Tick(self._x(since), written(begins + since)) for since in range(0, lasts - between // 4, between)
            ),
            levels=tuple(Tick(y(value), count(value)) for value in range(0, top + 1, step)),
            hovers=tuple(self._hovers(series)),
        )

    def _x(self, seconds: float) -> float:
        frame = self.frame
        share = seconds / (self.scene.ends - self.scene.begins)
        return round(frame.left + (frame.width - frame.left - frame.right) * share, 1)

    def _marks(self, times: Sequence[float]) -> Iterator[Mark]:
        """The numbers stand beside each other, within the frame."""
        apart, right = 2 * self.frame.radius + 1, self.frame.width - self.frame.right
        places = [self._x(seconds) for seconds in times]
        shown = list(accumulate(places, lambda last, place: max(place, last + apart)))
        limits = accumulate(reversed(shown), lambda last, place: min(place, last - apart), initial=right + apart)
        shown = list(reversed(list(limits)[1:]))
        for number, (place, beside) in enumerate(zip(places, shown, strict=True), start=1):
            yield Mark(place, round(beside, 1), str(number))

    def _steps(self, levels: Sequence[float]) -> str:
        """A path that keeps each stretch's level for that stretch."""
        path, last = f"M{self.frame.left} {levels[0]}", levels[0]
        for index, level in enumerate(levels):
            if level != last:
                path += f"H{self._x(index * self.stretch)}V{level}"
                last = level
        return f"{path}H{self._x(min(len(levels) * self.stretch, self.scene.minutes * MINUTE))}"

    def _hovers(self, series: dict[Way, Sequence[float]]) -> Iterator[Box]:
        frame, seconds = self.frame, LONG_HOVER if self.scene.is_long else HOVER
        parts = (batched(values, seconds // self.stretch, strict=False) for values in series.values())
        width = self._x(seconds) - frame.left
        for index, several in enumerate(zip(*parts, strict=True)):
            since = index * seconds
            if since < self.scene.minutes * MINUTE:
                most = "".join(
                    f"\n{way.name}: up to {count(max(values))}" for way, values in zip(series, several, strict=True)
                )
                length = "1 day" if self.scene.is_long else f"{seconds // MINUTE} minutes"
                title = f"{self.scene.time(self.scene.begins + since)}, {length}{most}"
                yield Box(self._x(since), frame.top, round(width, 1), frame.floor - frame.top, title)
