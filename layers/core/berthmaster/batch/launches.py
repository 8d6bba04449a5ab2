"""The launches of one invocation: what waits is read, launched by several threads, and read again meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from berthmaster.batch.backlog import Backlog
from berthmaster.batch.conditions import Conditions
from berthmaster.batch.found import AnyJob, Found
from berthmaster.batch.launching import Job, Launching
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.dispatcher import Placement
from berthmaster.batch.model.files import FileReference, State
from berthmaster.batch.model.workers import WorkerState
from berthmaster.batch.plan.identity import is_worker
from berthmaster.batch.worker_launching import WorkerLaunching
from berthmaster.clock import Clock
from berthmaster.concurrently import Together
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.switch import Stopped
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from concurrent.futures import Future

AT_ONCE = 9
"""Threads that launch. A call takes a tenth of a second, and one in some hundreds takes seconds."""
UNTIL_ONE_ENDS = 0.02
"""Seconds between two looks whether a thread is free."""
READ_AGAIN = timedelta(seconds=2)
"""So long the files are launched that were read last; then those of other pipelines may have come."""
LEAST_TIME = timedelta(seconds=12)
"""With less left, no launch is begun: nearly all calls that AWS is slow to answer end within it."""
SHORT_WAIT = timedelta(seconds=3)
"""For what is due so soon, the invocation waits."""
AFTER_ERROR = timedelta(seconds=30)
"""Then a launch is looked into again that could not be."""
LOOKED_INTO = timedelta(minutes=1)
"""While a thread looks into a launch, no other does; it takes less."""


class Launches:
    """Launches until nothing is left that may be launched.

    is_stopped: whether the switch has ended it.
    """

    def __init__(
        self,
        clock: Clock,
        invocation: Invocation,
        conditions: Conditions,
        failures: Failures,
        *,
        launching: Launching,
        worker_launching: WorkerLaunching,
        backlog: Backlog,
        pipelines: Pipelines,
        files: Files,
        workers: Workers,
    ) -> None:
        self._clock = clock
        self._invocation = invocation
        self._conditions = conditions
        self._failures = failures
        self._launching = launching
        self._worker_launching = worker_launching
        self._backlog = backlog
        self._pipelines = pipelines
        self._files = files
        self._workers = workers
        self._begun: list[Future[None]] = []
        self._next_due: datetime | None = None
        self._read_at = clock.now()
        self.is_stopped = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.is_stopped or self._invocation.time_left(self._clock.now()) < LEAST_TIME

    @property
    def next_at(self) -> datetime | None:
        """When there is something to do again; None if that is not known."""
        known = self._conditions
        moments = (self._next_due, known.next_due(self._read_at), known.next_unsettled(), known.tried_again_at())
        return min((one for one in moments if one), default=None)

    def find_unsettled(self, since: datetime) -> None:
        """Find the launches that an invocation has left when it died."""
        now = self._clock.now()
        for record in self._pipelines.records():
            for file in self._files.launched(record.name, since=since):
                if file.state is State.LAUNCHING:
                    self._conditions.unsettle(file.reference, now)
            for worker in self._workers.open(record.name):
                if worker.state is WorkerState.LAUNCHING and worker.launch.requested_at >= since:
                    self._conditions.unsettle(FileReference(worker.pipeline, worker.id), now)

    def run(self) -> None:
        """Launch until nothing is left that may be launched, or it is over."""
        is_complete = False
        while not is_complete and not self.is_over:
            with Together(at_once=AT_ONCE + 1) as threads:
                is_complete = self._begin_all(threads)
            wait = self.next_at - self._clock.now() if self.next_at else None
            if is_complete and wait is not None and wait <= SHORT_WAIT and not self.is_over:
                self._clock.sleep(max(0.0, wait.total_seconds()))
                is_complete = False

    def _begin_all(self, threads: Together) -> bool:
        """Begin the launch of all that may be launched; returns whether nothing was left out."""
        found = self._read()
        while not self.is_over:
            self._read_at, self._next_due = found.began, found.next_due
            for reference in self._conditions.unsettled(by=self._clock.now()):
                self._conditions.unsettle(reference, self._clock.now() + LOOKED_INTO)
                self._begin(threads, partial(self._settle, reference))
            # One call in some hundreds takes seconds, and a reading makes dozens: launches go on meanwhile.
            reading: Future[Found] | None = None
            is_any_begun = False
            for job in found.jobs:
                if self.is_over or (reading and reading.done()):
                    break
                if reading is None and self._clock.now() - found.began >= READ_AGAIN:
                    reading = threads.begin(self._read)
                is_any_begun |= self._begin_launch(threads, job, found.began)
            else:
                is_done = found.is_complete or (bool(found.jobs) and not is_any_begun)
                # Files that come meanwhile do not wait until the slowest call has ended.
                if reading is None and (is_done or not is_any_begun):
                    have_ended = self._wait_for_all(until=found.began + READ_AGAIN)
                    if is_done and have_ended:
                        return True
            if not self.is_over:
                found = self._backlog.current(reading.result() if reading else self._read())
        return False

    def _read(self) -> Found:
        return self._backlog.read(self._pipelines.in_force().values())

    def _begin_launch(self, threads: Together, job: AnyJob, read_at: datetime) -> bool:
        """Begin a launch in its turn; returns whether there is room for it."""
        if self._conditions.is_out_of_order(job.pipeline.name, since=read_at):
            return False
        where = self._conditions.placed(job.wanted)
        if where is None:
            return False
        self._conditions.wait_turn()
        self._backlog.begin(job)
        self._begin(threads, partial(self._launch, job, where))
        return True

    def _wait_for_all(self, until: datetime) -> bool:
        """Wait until all that was begun has ended, but no longer; returns whether it has."""
        while True:
            self._begun = [one for one in self._begun if not one.done()]
            if not self._begun or self._clock.now() >= until:
                return not self._begun
            self._clock.sleep(UNTIL_ONE_ENDS)

    def _begin(self, threads: Together, work: Callable[[], None]) -> None:
        """Begin as soon as a thread is free, so that what has its turn is made at once."""
        while len(self._begun) >= AT_ONCE:
            self._begun = [one for one in self._begun if not one.done()]
            if len(self._begun) >= AT_ONCE:
                self._clock.sleep(UNTIL_ONE_ENDS)
        self._begun.append(threads.begin(work))

    def _launch(self, job: AnyJob, where: Placement) -> None:
        """What could not be launched for an error is not found again by this invocation."""

        def is_written() -> None:
            self._backlog.end(job)

        with self._failures.collect("not launched", name=job.name), self._until_stopped():
            if isinstance(job, Job):
                self._launching.launch(job, where, is_written)
            else:
                self._worker_launching.launch(job, where, is_written)
            is_written()

    def _settle(self, reference: FileReference) -> None:
        launching = self._worker_launching if is_worker(reference.id) else self._launching
        with self._failures.collect("launch not looked into", name=reference.id), self._until_stopped():
            try:
                launching.settle(reference, self._pipelines.in_force())
            except Exception:
                self._conditions.unsettle(reference, self._clock.now() + AFTER_ERROR)
                raise

    @contextmanager
    def _until_stopped(self) -> Iterator[None]:
        try:
            yield
        except Stopped as stopped:
            logger.info("nothing more launched", reason=str(stopped))
            self.is_stopped = True
