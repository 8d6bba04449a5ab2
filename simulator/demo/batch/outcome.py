"""The result of a run: values only, so that they can be sent between processes and compared."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Phase:
    """What happened, and what became of the files that came from then on; `at` in seconds since the epoch.

    `lost`: nobody has worked on them to the end. `doubled`: somebody did so more than once.
    """

    at: float
    text: str
    files: int = 0
    lost: int = 0
    doubled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The outcome of one run.

    `waiting`: files that had come and had no result yet, minute by minute. `waits`: seconds from the file to its
    result, of all that got one, shortest first. `tasks`: how many were started. `fargate`, `rest`: dollars for the
    tasks, and for all that launches them. `errors`: runs of functions that failed.
    """

    phases: tuple[Phase, ...]
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
