"""What ECS reports of the tasks of workers."""

from datetime import timedelta
from functools import partial

from berthmaster.batch.breaking import Breaking
from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.heartbeats import Beats
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.measures import FileMeasured, TaskMeasured
from berthmaster.batch.model.stops import Diagnosis
from berthmaster.batch.model.tasks import TaskStateChange
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.plan.following import Meaning, stop_of
from berthmaster.batch.plan.identity import pipeline_of, revision
from berthmaster.batch.plan.stops import classify
from berthmaster.batch.plan.workers import (
    RELEASED_AFTER,
    ended,
    launched,
    may_be_useless,
    meaning,
    measured_of,
    running,
    useless,
)
from berthmaster.batch.triggers import RELEASE_CLAIMS
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.items import without_conflict
from berthmaster.own_queue import OwnQueue
from berthmaster.telemetry import logger

TRIES = 5
"""At a worker that others write too."""
LATER = RELEASED_AFTER + timedelta(seconds=1)
"""A message that comes a moment early would find nothing to do."""


class WorkerEvents:
    """Follows workers.

    The claims of one that has ended are released by a message a minute later. It is sent after the end is written down,
    and again for an event that comes again; batch_reconcile finds what is left.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        index: FileIndex,
        workers: Workers,
        beats: Beats,
        pipelines: Pipelines,
        breaking: Breaking,
        queue: OwnQueue,
    ) -> None:
        self._clock = clock
        self._index = index
        self._workers = workers
        self._beats = beats
        self._pipelines = pipelines
        self._breaking = breaking
        self._queue = queue

    def follow(self, change: TaskStateChange, measured: list[FileMeasured | TaskMeasured]) -> bool:
        """Process an event; returns whether a task has ended, so that there may be room for another one.

        measured: what the event says of the task is added to it, once.
        """
        return without_conflict(partial(self._follow, pipeline_of(change.group), change, measured), tries=TRIES)

    def _follow(self, pipeline: str, change: TaskStateChange, measured: list[FileMeasured | TaskMeasured]) -> bool:
        worker = self._workers.get(pipeline, change.started_by)
        if worker is None:
            logger.warning("the ledger has no such worker", worker=change.started_by, task=change.task)
            return False
        match meaning(worker, change):
            case Meaning.STARTED:
                self._workers.save(running(worker, change, self._clock.now()))
            case Meaning.STOPPED:
                measured += self._stopped(worker, change)
                return True
            case Meaning.ENDED:
                if not worker.launch.task:
                    self._workers.save(ended(worker, change, self._diagnosis(worker, change), self._clock.now()))
                self._release_later(worker)
                return True
            case _:
                logger.info("event changes nothing", task=change.task, worker=worker.id, state=worker.state)
        return False

    def _stopped(self, worker: Worker, change: TaskStateChange) -> list[TaskMeasured]:
        now, diagnosis = self._clock.now(), self._diagnosis(worker, change)
        of_breaker = launched(worker, revision(worker.launch.pipeline_version, change.task_definition))
        self._breaking.stopped(worker.pipeline, of_breaker, diagnosis.cause, diagnosis.text, now)
        worker = self._workers.save(ended(worker, change, diagnosis, now))
        logger.info("worker ended", worker=worker.id, task=change.task, cause=diagnosis.cause, reason=diagnosis.text)
        self._release_later(worker)
        return measured_of(worker, change)

    def _diagnosis(self, worker: Worker, change: TaskStateChange) -> Diagnosis:
        container = self._pipelines.version(worker.pipeline, worker.launch.pipeline_version).run.container
        diagnosis = classify(stop_of(change, container, own=worker.launch.stopped_for))
        beat = self._beats.get(worker.pipeline, worker.id)
        if may_be_useless(worker, diagnosis, beat) and not self._has_claims(worker):
            return useless(diagnosis, beat)
        return diagnosis

    def _has_claims(self, worker: Worker) -> bool:
        """Whether it had a file at its end: it may have ended before its next sign of life could say so."""
        in_flight = self._index.files(Section.in_flight(worker.pipeline), Failures())
        return any(file.is_claimed and file.claim and file.claim.owner == worker.id for file in in_flight)

    def _release_later(self, worker: Worker) -> None:
        self._queue.send(RELEASE_CLAIMS, {"pipeline": worker.pipeline}, LATER)
