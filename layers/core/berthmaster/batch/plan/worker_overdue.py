"""What is to be done about a worker, by what ECS says of its task and by its signs of life: pure.

Events say the same of its task, and sooner. This heals what they missed, and stops what hangs or has run for too long.
"""

from datetime import datetime, timedelta

from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.tasks import NOT_STARTED, Task
from berthmaster.batch.model.workers import Worker, WorkerState
from berthmaster.batch.plan.heartbeats import STOPPED_AFTER
from berthmaster.batch.plan.overdue import LOST, SETTLED, STUCK, Report, Save, Step, Stop, missing_event
from berthmaster.batch.plan.workers import with_launch

OVERTIME = timedelta(minutes=1)
"""After its deadline, by which a worker ends by itself."""
LAP = 5
"""Runs of batch_reconcile, which follow each other by a minute, in which each worker is compared with its task once."""


def is_unsettled(worker: Worker, now: datetime) -> bool:
    """Whether nobody has heard for long what has become of its request."""
    return worker.state is WorkerState.LAUNCHING and now - worker.launch.requested_at > SETTLED


def is_compared(worker: Worker, silence: timedelta, now: datetime) -> bool:
    """Whether it is compared with its task in this run. silence: for how long it has given no sign of life."""
    if not worker.is_active or not worker.launch.task or now - worker.launch.requested_at < SETTLED:
        return False
    has_not_started = worker.state is WorkerState.STARTING and now - worker.launch.requested_at > STUCK
    turn = int(worker.id[-2:], 16) % LAP == int(now.timestamp() // 60) % LAP
    return has_not_started or _is_late(worker, silence, now) or turn


def compare(worker: Worker, task: Task | None, silence: timedelta, now: datetime) -> Step[Worker] | None:
    """What is to be done about a worker. task: as ECS describes it; None if it is MISSING."""
    launch = worker.launch
    if task is None:
        # ECS forgets a task an hour after it has stopped, and may not know one that it has just accepted.
        if launch.missing_since is None:
            return Save(with_launch(worker, missing_since=now), "ECS does not know the task")
        if now - launch.missing_since < LOST:
            return None
        return Report(missing_event(launch, worker.id), "ECS does not know the task any more")
    if task.is_stopped or (task.status == "RUNNING" and worker.state is WorkerState.STARTING):
        return Report(task.event, f"the task is {task.status}")
    if launch.missing_since is not None:
        return Save(with_launch(worker, missing_since=None), "ECS knows the task after all")
    why = None if task.is_to_stop else _why_to_stop(worker, task, silence, now)
    return Stop(with_launch(worker, stopped_for=why), task.arn, why) if why else None


def _why_to_stop(worker: Worker, task: Task, silence: timedelta, now: datetime) -> OwnStop | None:
    if worker.launch.stopped_for:
        return OwnStop(worker.launch.stopped_for)
    if task.status in NOT_STARTED:
        return OwnStop.STUCK if now - worker.launch.requested_at > STUCK else None
    if silence >= STOPPED_AFTER:
        return OwnStop.SILENT
    return OwnStop.TIMEOUT if _is_late(worker, silence, now) else None


def _is_late(worker: Worker, silence: timedelta, now: datetime) -> bool:
    return silence >= STOPPED_AFTER or now > worker.launch.deadline + OVERTIME
