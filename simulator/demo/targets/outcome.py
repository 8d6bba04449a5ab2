"""The result of a run: values only, so that they can be sent between processes and compared."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from simulator.demo import phases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Phase(phases.Phase):
    """What happened, and which requests went wrong from then on.

    `lost`: no task listened at the address, or none was registered. `misdirected`: a task of another service answered.
    """

    lost: float = 0.0
    misdirected: float = 0.0

    @property
    def wrong(self) -> Mapping[str, float]:
        """What is answered wrongly is worse than what is not answered."""
        return {"misdirected": self.misdirected, "lost": self.lost}


@dataclass(frozen=True, kw_only=True)
class Run(phases.Run):
    """The outcome of one run.

    `so_far`: requests lost or misdirected by the end of each stretch of ten seconds. `dead`: in each stretch, the most
    registered addresses at once that got requests without having a task of their application. `longest_dead`: seconds
    for which one address did. `waits`: seconds from RUNNING to
    the first request, of each task that got one, shortest first. `unused`: tasks that ran for two minutes or longer and
    never got any. `changes` and `reads`: calls of Elastic Load Balancing. `errors`: runs of functions that failed.
    """

    phases: Sequence[Phase]
    requests: float
    so_far: tuple[float, ...]
    dead: tuple[int, ...]
    waits: tuple[float, ...]
    unused: int
    longest_dead: float
    changes: int
    reads: int
    errors: int

    @property
    def wrong(self) -> float:
        """Requests lost or misdirected in all."""
        return self.lost + self.misdirected

    @property
    def lost(self) -> float:
        """Requests lost in all."""
        return self.total("lost")

    @property
    def misdirected(self) -> float:
        """Requests misdirected in all."""
        return self.total("misdirected")

    @property
    def median_wait(self) -> float:
        """Seconds from RUNNING to the first request."""
        return median(self.waits)

    @property
    def longest_wait(self) -> float:
        """Of all tasks that got one."""
        return self.waits[-1]
