"""Acts that are shown in phases: a scene runs in several ways, and what goes wrong is counted from each event on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.demo.processes import Observed
from simulator.demo.wording import DAY, MINUTE, clock, count, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from simulator.demo.way import Way
    from simulator.demo.wording import Row

type Emit = Callable[[Any], None]
"""Gets each phase when it is known what went wrong in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What happens, whichever way it is run; the same seed does the same at the same time."""

    seed: int
    start: datetime
    warm_up: int = 10
    minutes: int

    @property
    def begins(self) -> float:
        """From when on everything counts, in seconds since the epoch."""
        return self.start.timestamp() + self.warm_up * MINUTE

    @property
    def ends(self) -> float:
        """Until when."""
        return self.begins + self.minutes * MINUTE

    @property
    def is_long(self) -> bool:
        """Whether it goes on for days, so that a time needs its date."""
        return self.minutes * MINUTE > 2 * DAY

    @property
    def length(self) -> str:
        """In words: "90 minutes", "60 days"."""
        return f"{self.minutes * MINUTE // DAY} days" if self.is_long else f"{self.minutes} minutes"

    def time(self, at: float) -> str:
        """A time of the scene, with its date if it needs one."""
        return moment(at) if self.is_long else clock(at)


@dataclass(frozen=True)
class Phase:
    """What happened, `at` in seconds since the epoch."""

    at: float
    text: str

    @property
    def wrong(self) -> Mapping[str, float]:
        """How much of each kind went wrong from then on, the worst kind first."""
        raise NotImplementedError

    @property
    def outcome(self) -> str:
        """That in words."""
        return " and ".join(f"{count(number)} {kind}" for kind, number in self.wrong.items() if number) or "none lost"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The outcome of a run: values only, so that they can be sent between processes and compared."""

    phases: Sequence[Phase]

    def total(self, kind: str) -> float:
        """What went wrong in all phases."""
        return sum(phase.wrong[kind] for phase in self.phases)


@dataclass(frozen=True, slots=True)
class Comparison[S: Scene, R: Run]:
    """A scene and what came of it, by the way it was run."""

    scene: S
    runs: Mapping[Way, R]

    @property
    def phases(self) -> list[tuple[Phase, ...]]:
        """What happened, in all runs."""
        return list(zip(*(run.phases for run in self.runs.values()), strict=True))

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can go wrong."""
        return tuple(self.phases[0][0].wrong)


@dataclass(frozen=True, slots=True)
class Script[S: Scene, R: Run]:
    """How an act is shown on a terminal.

    `name`: the automation. `simulate`: runs a scene one way. `lines`: what is compared, each with how a run says it.
    """

    name: str
    introduction: str
    ways: Sequence[Way]
    simulate: Callable[[S, Emit, Way], R]
    lines: Sequence[tuple[str, Callable[[R], str]]]

    def runs(self, scene: S) -> Mapping[Way, Observed[S, Any, R]]:
        """All runs, begun."""
        return {way: Observed(_OneWay(self.simulate, way), scene) for way in self.ways}

    def rows(self, comparison: Comparison[S, R]) -> Iterator[Row]:
        """The table."""
        for label, said in self.lines:
            yield label, *map(said, comparison.runs.values())


@dataclass(frozen=True, slots=True)
class _OneWay[S: Scene, R: Run]:
    simulate: Callable[[S, Emit, Way], R]
    way: Way

    def __call__(self, scene: S, emit: Emit) -> R:
        return self.simulate(scene, emit, self.way)
