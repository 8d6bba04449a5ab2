"""One worker's launch: written down, requested, and written down again, as `launching` does for a file.

A worker that could not be launched is at its end, and nothing follows from it: how many are needed is found out anew in
the next reading of the backlog.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from berthmaster.batch.act.launch import Surroundings, TaskRequest, tasks_of, worker_task
from berthmaster.batch.breaking import Breaking
from berthmaster.batch.conditions import Conditions
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.dispatcher import Placement
from berthmaster.batch.model.files import FileReference, Provider
from berthmaster.batch.model.launch_failures import FailureKind, LaunchFailure
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.model.workers import Worker, WorkerState
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.plan import launching as requests
from berthmaster.batch.plan import workers as plan
from berthmaster.batch.plan.placement import Wanted, for_worker
from berthmaster.batch.requesting import Requesting
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Conflict
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

ROUNDS = 4
"""How often a worker is read again because others write it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJob:
    """A worker that is to be launched now.

    resources: of its task, on demand. is_canary: whether it finds out if its pipeline works again.
    """

    id: str
    pipeline: Pipeline
    resources: Resources
    provider: Provider
    is_canary: bool = False

    @property
    def name(self) -> str:
        """By which it is known that it has begun."""
        return self.id

    @property
    def size(self) -> Size:
        """Of its task."""
        return Size(self.resources.cpu, self.resources.memory)

    @property
    def task_size(self) -> tuple[int, int]:
        """The same, as a launch has it."""
        return self.size

    @property
    def lasts(self) -> timedelta:
        """How long its task runs at most."""
        return plan.lasts(self.pipeline)

    @property
    def wanted(self) -> Wanted:
        """Where it may run."""
        return for_worker(self.id, self.pipeline, self.provider)


class WorkerLaunching:
    """Launches workers of one invocation, for any number of threads."""

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        conditions: Conditions,
        *,
        surroundings: Surroundings,
        requesting: Requesting,
        workers: Workers,
        pipelines: Pipelines,
        revisions: Revisions,
        breaking: Breaking,
        switch: Switch,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._conditions = conditions
        self._surroundings = surroundings
        self._requesting = requesting
        self._workers = workers
        self._pipelines = pipelines
        self._revisions = revisions
        self._breaking = breaking
        self._switch = switch

    def launch(self, job: WorkerJob, placement: Placement, is_written: Callable[[], None]) -> None:
        """Launch a worker; is_written: called when the ledger counts it."""
        self._switch.check()
        now = self._clock.now()
        worker = self._workers.save(plan.new_worker(job.id, job.pipeline, placement, job.resources, now))
        self._conditions.unsettle(_reference(worker), worker.due)
        is_written()
        if job.is_canary:
            launched = plan.launched(worker, self._revisions.of(job.pipeline))
            self._breaking.probing(job.pipeline.name, launched, now)
        self._request(worker, job.pipeline)

    def settle(self, reference: FileReference, in_force: Mapping[str, Pipeline]) -> None:
        """Find out whether a task has come of a request, by the same request unless that might start a second one."""
        worker = self._workers.get(*reference)
        if worker is None or worker.state is not WorkerState.LAUNCHING:
            self._conditions.settle(reference)
            return
        now, requested_at = self._clock.now(), worker.launch.requested_at
        pipeline = self._pipelines.version(worker.pipeline, worker.launch.pipeline_version)
        current = in_force.get(worker.pipeline)
        if current and not current.paused and requests.may_be_repeated(worker.launch, now):
            self._conditions.wait_turn()
            self._switch.check()
            self._request(worker, pipeline)
        elif now - requested_at < requests.LISTED_AFTER:
            self._conditions.unsettle(reference, requested_at + requests.LISTED_AFTER)
        elif task := next(tasks_of(self._clients.ecs, worker.id, pipeline), None):
            self._started(worker, task)
        else:
            self._save(plan.not_started(worker, now, Cause.UNKNOWN, "No task has come of its request."))
            self._conditions.settle(reference)

    def _request(self, worker: Worker, pipeline: Pipeline) -> None:
        outcome = self._requesting.request(self._task(worker, pipeline))
        if isinstance(outcome, str):
            self._started(worker, outcome)
        else:
            self._after_failure(worker, outcome, pipeline)

    def _task(self, worker: Worker, pipeline: Pipeline) -> TaskRequest:
        return worker_task(worker, pipeline, self._surroundings)

    def _started(self, worker: Worker, task: str) -> None:
        """Write the task down; another invocation may have had an event of it."""
        for _ in range(ROUNDS):
            try:
                self._workers.save(
                    plan.starting(worker, task, self._clock.now())
                    if worker.state is WorkerState.LAUNCHING
                    else plan.with_launch(worker, task=task)
                )
            except Conflict:
                newer = self._workers.get(worker.pipeline, worker.id)
                if newer is None or newer.launch.task:
                    break
                worker = newer
            else:
                logger.info("worker launched", worker=worker.id, pipeline=worker.pipeline, task=task)
                break
        self._conditions.settle(_reference(worker))

    def _after_failure(self, worker: Worker, failure: LaunchFailure, pipeline: Pipeline) -> None:
        """What says nothing of the pipeline is tried again after the next reading, elsewhere if there is room."""
        now, reference = self._clock.now(), _reference(worker)
        if failure.follows.keeps_token:
            is_slow = failure.kind is FailureKind.THROTTLED
            later = plan.still_launching(worker, now, failure.text)
            if not is_slow:
                self._save(later)
            self._conditions.unsettle(reference, now + timedelta(seconds=1) if is_slow else later.due)
            return
        if failure.follows.is_final:
            # Nothing in the request of a worker is its own.
            failure = LaunchFailure(FailureKind.CONFIGURATION, failure.text)
        launched = plan.launched(worker, self._revisions.of(pipeline))
        self._breaking.refused(pipeline.name, launched, failure, now)
        cause = Cause.CONFIGURATION if failure.follows.opens_breaker else Cause.CAPACITY
        self._save(plan.not_started(worker, now, cause, failure.text))
        self._conditions.settle(reference)
        if failure.follows.opens_breaker:
            self._conditions.stop(pipeline.name)
        else:
            self._conditions.fail(now)

    def _save(self, worker: Worker) -> None:
        try:
            self._workers.save(worker)
        except Conflict:
            # An event of a task all the same: whoever wrote it knew more.
            logger.info("worker was written by another invocation", worker=worker.id)


def _reference(worker: Worker) -> FileReference:
    """What it is remembered by, as a file is."""
    return FileReference(worker.pipeline, worker.id)
