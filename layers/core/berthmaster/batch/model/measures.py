"""What was measured of the files and tasks of a pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from berthmaster.batch.model.sizes import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMeasured:
    """A file was worked on to some end. size: of the task. bytes: of the file. seconds: that the task took for it."""

    pipeline: str
    size: Size
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMeasured:
    """A task has stopped; None for what ECS does not say. started_at, ended_at: when its containers ran, and ended."""

    pipeline: str
    size: Size
    requested_at: datetime
    pull_started_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSums:
    """Over files of similar size, in tasks of one size.

    spans: how many files took about so long, by the number of the span (`plan.measures.span`).
    """

    seconds: float = 0.0
    bytes: float = 0.0
    spans: Mapping[int, float] = field(default_factory=dict)

    @property
    def count(self) -> float:
        """How many files."""
        return sum(self.spans.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSums:
    """Over tasks of one size.

    stopped: all. count: those that ran; latency: seconds from their requests until they ran; unused: seconds that are
    billed and in which no container runs: the pull, and the end.
    """

    stopped: float = 0.0
    count: float = 0.0
    latency: float = 0.0
    unused: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Of one pipeline. files: by the size of the task and the class of the file's size (`plan.measures.size_class`)."""

    files: Mapping[tuple[Size, int], FileSums] = field(default_factory=dict)
    tasks: Mapping[Size, TaskSums] = field(default_factory=dict)
