"""Workers: tasks that take many files of one pipeline."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from berthmaster.batch.model.files import Launch
from berthmaster.batch.model.stops import Cause


class WorkerState(StrEnum):
    """Of a worker; as those of a file with a task of its own."""

    LAUNCHING = "launching"
    """RunTask was called, or is about to be: its outcome is not known yet."""
    STARTING = "starting"
    """ECS has accepted the task."""
    RUNNING = "running"
    """The container runs, or has run: its stop has not been processed yet."""
    ENDED = "ended"
    """There is no task, or none any more."""


ACTIVE = frozenset({WorkerState.LAUNCHING, WorkerState.STARTING, WorkerState.RUNNING})
"""They count against the pipeline's limit: a task may exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCounts:
    """Workers of a pipeline that have not ended. starting: requested, and not running yet."""

    starting: int = 0
    running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One ledger item.

    id: at most 36 characters: the task's `startedBy` and the client token of its request. launch: of its task; its
    number is always 1, since a worker that was not launched is another one. is_arm, storage: of the task, the latter in
    GiB. since: when it came into its state. due: if the outcome of its request is not known by then, the same is
    requested again. cause, reason: why it has ended.
    dollars: what its task has cost, once it has stopped. is_released: whether no file is claimed by it any more.
    """

    id: str
    pipeline: str
    state: WorkerState
    since: datetime
    due: datetime
    launch: Launch
    is_arm: bool = False
    storage: int = 20
    cause: Cause | None = None
    reason: str = ""
    dollars: float = 0.0
    is_released: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Those of a pipeline stand together."""
        return f"{self.pipeline} {self.id}"

    @property
    def is_active(self) -> bool:
        """Whether it counts against the pipeline's limit."""
        return self.state in ACTIVE

    @property
    def is_open(self) -> bool:
        """Whether something may still be to be done about it."""
        return self.is_active or not self.is_released
