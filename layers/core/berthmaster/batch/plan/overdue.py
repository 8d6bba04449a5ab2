"""What is to be done about a file in flight, by what ECS says of its task: pure.

Events say the same, and sooner. This heals what they missed, and stops what has taken too long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.tasks import NOT_STARTED, Task
from berthmaster.batch.plan.transitions import with_launch

SETTLED = timedelta(minutes=1)
"""A launch that is younger is not looked at: its answer and its events are under way, and ECS may not know it yet."""
STUCK = timedelta(minutes=12)
"""A task that has not started by then is stopped, and another one is launched."""
LOST = timedelta(minutes=4)
"""For so long, ECS must not know a task before it is taken for lost: what it says may be out of date."""
COMMIT_GRACE = timedelta(minutes=2)
"""After the lease of a commit, before it is asked for again: whoever commits continues by itself as a rule."""
FOLLOWED = frozenset({State.STARTING, State.RUNNING})
"""A file has a task whose end is awaited."""


@dataclass(frozen=True, slots=True)
class Report:
    """The task's state is handed to batch_follow, as the event that did not come."""

    detail: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Save[Kept]:
    """The file or worker is written as it is here."""

    record: Kept
    reason: str


@dataclass(frozen=True, slots=True)
class Stop[Kept]:
    """It is written, and then its task is stopped for the reason that people and batch_follow read."""

    record: Kept
    task: str
    reason: OwnStop


type Step[Kept] = Report | Save[Kept] | Stop[Kept]


def time_is_up(file: File, now: datetime) -> bool:
    """Whether its task has run for longer than its pipeline allowed when it was launched."""
    launch = file.launch
    return bool(launch and launch.started_at and now - launch.started_at > launch.deadline - launch.requested_at)


def is_late(file: File, now: datetime) -> bool:
    """Whether it is to be looked at in every run: something of it has taken longer than it should."""
    launch = file.launch
    if launch is None:
        return False
    has_not_started = file.state is State.STARTING and now - launch.requested_at > STUCK
    return has_not_started or (file.state is State.RUNNING and time_is_up(file, now)) or is_abandoned(file, now)


def is_unsettled(file: File, now: datetime) -> bool:
    """Whether nobody has heard for long what has become of its launch."""
    launch = file.launch
    return file.state is State.LAUNCHING and launch is not None and now - launch.requested_at > SETTLED


def is_abandoned(file: File, now: datetime) -> bool:
    """Whether whoever commits it must have ended without an end of the commit, or its message has not come again."""
    until = max(file.committing_until or file.due, file.due)
    return file.state is State.COMMITTING and now > until + COMMIT_GRACE


def compare(file: File, task: Task | None, now: datetime) -> Step[File] | None:
    """What is to be done about a file whose task's end is awaited. task: as ECS describes it; None if it is MISSING."""
    launch = file.launch
    if file.state not in FOLLOWED or launch is None or not launch.task or now - launch.requested_at < SETTLED:
        return None
    if task is None:
        return _missing(file, launch, now)
    if task.is_stopped or (task.status == "RUNNING" and file.state is State.STARTING):
        return Report(task.event, f"the task is {task.status}")
    if launch.missing_since is not None:
        return Save(with_launch(file, missing_since=None), "ECS knows the task after all")
    why = None if task.is_to_stop else _why_to_stop(file, launch, task, now)
    return Stop(with_launch(file, stopped_for=why), task.arn, why) if why else None


def _why_to_stop(file: File, launch: Launch, task: Task, now: datetime) -> OwnStop | None:
    """Why a task has to be stopped; None if it has not."""
    if launch.stopped_for:
        return OwnStop(launch.stopped_for)
    if task.status in NOT_STARTED and now - launch.requested_at > STUCK:
        return OwnStop.STUCK
    return OwnStop.TIMEOUT if time_is_up(file, now) else None


def _missing(file: File, launch: Launch, now: datetime) -> Step[File] | None:
    """ECS forgets a task an hour after it has stopped, and may not know one that it has just accepted."""
    if launch.missing_since is None:
        return Save(with_launch(file, missing_since=now), "ECS does not know the task")
    if now - launch.missing_since < LOST:
        return None
    return Report(missing_event(launch, file.started_by), "ECS does not know the task any more")


def missing_event(launch: Launch, started_by: str) -> Mapping[str, Any]:
    """The detail of the event that a task has stopped which ECS has forgotten.

    It is billed as if it had run as long as it may, but not longer than until ECS did not know it.
    """
    runs_until = (launch.started_at or launch.requested_at) + (launch.deadline - launch.requested_at)
    cpu, memory = launch.size or ("", "")
    return {
        "taskArn": launch.task,
        "startedBy": started_by,
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "version": launch.task_version + 1,
        "stoppedReason": "ECS does not know the task any more.",
        "containers": [],
        "cpu": str(cpu),
        "memory": str(memory),
        "capacityProviderName": launch.provider,
        "createdAt": launch.requested_at,
        "startedAt": launch.started_at,
        "estimatedUntil": min(runs_until, launch.missing_since or runs_until),
    }
