"""How many tasks process the files that wait, and which."""

from dataclasses import dataclass
from datetime import datetime

from berthmaster.batch.model.files import Provider
from berthmaster.batch.model.sizes import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveWorker:
    """A worker that was requested and has not stopped. started_at: since when it runs; None if it does not yet."""

    size: Size
    provider: Provider
    requested_at: datetime
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What there is to do for the workers of a pipeline, and which there are.

    waiting: files that may be processed now; behind: those that may be when no others wait. received: when the first of
    the files that wait were received, as many as were read; the goal counts from then. bytes: of some of the files that
    wait. in_flight: files that workers have claimed. room: how many more tasks the limits of the pipeline allow.
    """

    waiting: int
    behind: int = 0
    received: tuple[datetime, ...] = ()
    bytes: tuple[int, ...] = ()
    in_flight: int = 0
    workers: tuple[ActiveWorker, ...] = ()
    room: int

    @property
    def files(self) -> int:
        """How many wait."""
        return self.waiting + self.behind

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do, and nobody who does anything."""
        return not (self.files or self.in_flight or self.workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be launched now, and why.

    workers: how many. wanted: how many there are with them. size, provider: of their tasks. is_single: whether files
    are launched by themselves instead, in tasks of that size. reason: for people. dollars: what all that waits and is
    in flight will cost from now on, None if nothing is known about it. ends_at: when all is done; likewise.
    """

    workers: int
    wanted: int
    size: Size
    provider: Provider
    is_single: bool = False
    reason: str
    dollars: float | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingRun:
    """A pipeline has work, from the first file that waits until nothing is left: one ledger item per pipeline.

    began: when that was; until then, its tasks had cost dollars_before on that day, and done_before files were measured
    in that hour. chosen: the plan that was reported last, at chosen_at. predicted: what the run was to cost when that
    was first known, and when it was to end, for so many files: 0 while it is not known. ended_at: when nothing was
    left, None while there is something.
    """

    pipeline: str
    began: datetime
    dollars_before: float = 0.0
    done_before: float = 0.0
    chosen: Plan | None = None
    chosen_at: datetime | None = None
    predicted_dollars: float = 0.0
    predicted_end: datetime | None = None
    predicted_files: int = 0
    ended_at: datetime | None = None
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.pipeline
