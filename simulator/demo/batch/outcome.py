"""The result of a run: values only, so that they can be sent between processes and compared."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from simulator.demo import phases
from simulator.demo.wording import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Phase(phases.Phase):
    """What happened, and what became of the files that came from then on.

    `lost`: nobody has worked on them to the end. `doubled`: somebody did so more than once.
    """

    files: int = 0
    lost: int = 0
    doubled: int = 0

    @property
    def wrong(self) -> Mapping[str, float]:
        """A file that is lost is worse than one that is paid for twice."""
        return {"lost": self.lost, "worked on twice": self.doubled}

    @property
    def outcome(self) -> str:
        """With the number of files."""
        return f"{count(self.files)} files, {super().outcome}" if self.files else "no file"


@dataclass(frozen=True, kw_only=True)
class Run(phases.Run):
    """The outcome of one run.

    `waiting`: files that had come and had no result yet, minute by minute. `waits`: seconds from the file to its
    result, of all that got one, shortest first. `tasks`: how many were started. `fargate`, `rest`: dollars for the
    tasks, and for all that launches them. `errors`: runs of functions that failed.
    """

    phases: Sequence[Phase]
    waiting: tuple[int, ...]
    waits: tuple[float, ...]
    tasks: int
    fargate: float
    rest: float
    errors: int

    @property
    def files(self) -> int:
        """How many came."""
        return sum(phase.files for phase in self.phases)

    @property
    def lost(self) -> int:
        """Files without a result in the end."""
        return sum(phase.lost for phase in self.phases)

    @property
    def doubled(self) -> int:
        """Files that were worked on more than once."""
        return sum(phase.doubled for phase in self.phases)

    @property
    def median_wait(self) -> float:
        """Minutes from the file to its result."""
        return median(self.waits) / 60

    @property
    def longest_wait(self) -> float:
        """Minutes until the last result, from its file on."""
        return self.waits[-1] / 60
