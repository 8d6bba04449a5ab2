"""What a reading of the backlog finds, and what was begun since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from berthmaster.batch.launching import Job
from berthmaster.batch.model.pipelines import LONG_AGO
from berthmaster.batch.worker_launching import WorkerJob
from berthmaster.own_queue import LONGEST_DELAY

AHEAD = LONGEST_DELAY
"""So far ahead is known when a file becomes due; for what comes later, batch_reconcile wakes the dispatcher."""
OF_EACH_SHARD = 20
"""Files of a pipeline that are read at once: of all shards, more than are launched until the next reading."""

type AnyJob = Job | WorkerJob


@dataclass(frozen=True, slots=True)
class Found:
    """What may be launched.

    jobs: now. next_due: when there may be more to launch; None if that is not known. is_complete: whether all that may
    be launched is among the jobs. began: when it was read.
    """

    jobs: Sequence[AnyJob]
    next_due: datetime | None
    is_complete: bool = True
    began: datetime = LONG_AGO


@dataclass(slots=True)
class Begun:
    """A launch of this invocation. ended_at: since when the ledger knows of it."""

    job: AnyJob
    begun_at: datetime
    ended_at: datetime | None = None

    @property
    def pipeline(self) -> str:
        """Whose it is."""
        return self.job.pipeline.name

    def is_unknown_to(self, reading: datetime) -> bool:
        """Whether what is read from that time on may lack it."""
        return self.ended_at is None or self.ended_at > reading
