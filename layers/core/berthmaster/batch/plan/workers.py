"""How a worker goes from one state to the next, what ECS's events mean for it, and what its end says: pure.

launching → starting → running → ended
    └───────────┴──────────────────↑

A worker's id is one client token, by which ECS starts one task at most. One that is known not to have started is never
requested again: the next one has another id. So a task of a worker that has ended is one of which RunTask has said that
there is none; it is left to batch_reconcile, which stops it, and what it has done meanwhile is as good as any other.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.breaker import Launched
from berthmaster.batch.model.dispatcher import Placement
from berthmaster.batch.model.files import Launch
from berthmaster.batch.model.heartbeats import Beat
from berthmaster.batch.model.measures import TaskMeasured
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.stops import Cause, Diagnosis, OwnStop
from berthmaster.batch.model.tasks import RUNNING, TaskStateChange
from berthmaster.batch.model.workers import Worker, WorkerState
from berthmaster.batch.plan.following import Meaning
from berthmaster.batch.plan.launching import requested_again_at

WORKS_FOR = timedelta(hours=1)
"""From its request on, a worker begins with files for so long. The longer, the less its start costs, which is under 2 %
of an hour; and the more is spent before anybody decides again."""
RELEASED_AFTER = timedelta(minutes=1)
"""After its end, the claims of a worker are released: what it has reported may still be on its way."""


def new_worker(
    identifier: str, pipeline: Pipeline, placement: Placement, resources: Resources, now: datetime
) -> Worker:
    """A worker that is about to be requested."""
    launch = Launch(
        number=1,
        pipeline_version=pipeline.version,
        subnets=(placement.subnet,),
        provider=placement.provider,
        size=(resources.cpu, resources.memory),
        requested_at=now,
        deadline=now + lasts(pipeline),
    )
    return Worker(
        id=identifier,
        pipeline=pipeline.name,
        state=WorkerState.LAUNCHING,
        since=now,
        due=requested_again_at(launch, now),
        launch=launch,
        is_arm=resources.is_arm,
        storage=resources.storage,
    )


def lasts(pipeline: Pipeline) -> timedelta:
    """How long a worker runs at most."""
    return WORKS_FOR + timedelta(minutes=pipeline.limits.timeout_minutes)


def starting(worker: Worker, task: str, now: datetime) -> Worker:
    """ECS has accepted the request."""
    return _moved(with_launch(worker, task=task), WorkerState.STARTING, now)


def still_launching(worker: Worker, now: datetime, reason: str) -> Worker:
    """The outcome of its request is not known yet."""
    return replace(worker, due=requested_again_at(worker.launch, now), reason=reason)


def not_started(worker: Worker, now: datetime, cause: Cause, reason: str) -> Worker:
    """There is no task, so that nothing is to be released."""
    return replace(_moved(worker, WorkerState.ENDED, now, reason), cause=cause, is_released=True)


def with_launch(worker: Worker, **changes: object) -> Worker:
    """The worker with a changed launch."""
    return replace(worker, launch=replace(worker.launch, **changes))  # type: ignore[arg-type]


def launched(worker: Worker, revision: str) -> Launched:
    """A worker's launch, as a breaker sees it."""
    return Launched(
        file_id=worker.id, number=worker.launch.number, revision=revision, requested_at=worker.launch.requested_at
    )


# Events


def meaning(worker: Worker, change: TaskStateChange) -> Meaning:
    """What an event of a task with the worker's id is for the worker."""
    launch = worker.launch
    if launch.task and launch.task != change.task:
        return Meaning.NOTHING
    if change.has_stopped:
        if worker.is_active:
            return Meaning.STOPPED
        return Meaning.ENDED if not worker.is_released or not launch.task else Meaning.NOTHING
    is_newer = change.last_status == RUNNING and change.version > launch.task_version
    if is_newer and worker.state in {WorkerState.LAUNCHING, WorkerState.STARTING}:
        return Meaning.STARTED
    return Meaning.NOTHING


def running(worker: Worker, change: TaskStateChange, now: datetime) -> Worker:
    """Its container runs."""
    return _moved(_with_task(worker, change), WorkerState.RUNNING, now)


def ended(worker: Worker, change: TaskStateChange, diagnosis: Diagnosis, now: datetime) -> Worker:
    """Its task has stopped, also one of which RunTask had said that there is none."""
    stopped = with_launch(_with_task(worker, change), stopped_at=change.stopped_at or change.at)
    return replace(_moved(stopped, WorkerState.ENDED, now, diagnosis.text), cause=diagnosis.cause, is_released=False)


def may_be_useless(worker: Worker, diagnosis: Diagnosis, beat: Beat | None) -> bool:
    """Whether its container may have run and done nothing. beat: its last sign of life; None if it gave none."""
    has_run = diagnosis.cause.shows_container_ran or worker.launch.stopped_for == OwnStop.SILENT
    return has_run and not has_worked(beat, diagnosis.cause)


def useless(diagnosis: Diagnosis, beat: Beat | None) -> Diagnosis:
    """What it says of the pipeline that the container of a worker has run and done nothing.

    That is worse than one that does not start: nobody is charged for it, so that the next worker would follow, and fare
    likewise.
    """
    if beat is None:
        text = (
            "The worker has ended without a sign of life: the container must run `berthmaster-worker`, and its task"
            " role must have the permissions that the documentation of the contract `worker` lists. Its log says more."
        )
    else:
        text = "The worker has ended before it had claimed a file: see its log."
    return Diagnosis(Cause.NOT_WORKING, f"{text} {diagnosis.text}")


def measured_of(worker: Worker, change: TaskStateChange) -> list[TaskMeasured]:
    """What the event that its task has stopped says of the time that it took; nothing if its size is not known."""
    launch = worker.launch
    if launch.size is None:
        return []
    return [
        TaskMeasured(
            pipeline=worker.pipeline,
            size=Size(*launch.size),
            requested_at=launch.requested_at,
            pull_started_at=change.pull_started_at,
            started_at=change.started_at,
            ended_at=change.execution_stopped_at,
            stopped_at=change.stopped_at,
        )
    ]


def has_worked(beat: Beat | None, cause: Cause | None = None) -> bool:
    """Whether a worker has shown that it can work. cause: of its end; one that finds nothing to do has ended well."""
    return beat is not None and (beat.has_claimed or cause is Cause.DONE)


def is_released_at(worker: Worker) -> datetime:
    """When the claims of a worker that has ended are released."""
    return worker.since + RELEASED_AFTER


def _moved(worker: Worker, state: WorkerState, now: datetime, reason: str = "") -> Worker:
    return replace(worker, state=state, since=now, due=now, reason=reason)


def _with_task(worker: Worker, change: TaskStateChange) -> Worker:
    launch = worker.launch
    return with_launch(
        worker,
        task=change.task,
        task_version=max(change.version, launch.task_version),
        started_at=change.started_at or launch.started_at,
        size=change.size or launch.size,
    )
