"""The messages of targets_sync. Each parser reads one EventBridge event; InvalidEvent names the field that is wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster import envelope
from berthmaster.approval import Decision, decision_parsers
from berthmaster.envelope import OPERATOR_SOURCE, SOURCE, Envelope, Name, Parsers
from berthmaster.switch import SwitchRequest, switch_parsers
from berthmaster.targets.ecs_task import TaskArn, TaskDetail
from berthmaster.targets.model import AUTOMATION, Task

CHECK_TARGETS = "Check Targets"
DRAIN_REQUESTED = "Drain Requested"
OWNERS_PER_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class TaskStateChange:
    """ECS reports the state of a task; at: the time of the event."""

    task: Task
    at: datetime


@dataclass(frozen=True, slots=True)
class Recheck:
    """Tasks that ECS is to be asked about, since something about them is not finished.

    tries: how often AWS has failed at them in a row. since: the time of the event that has not had its effect yet.
    """

    owners: tuple[str, ...]
    tries: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRequest:
    """An operator wants a task to be deregistered everywhere, and stopped when it has drained."""

    task: str
    by: str


type Trigger = TaskStateChange | Recheck | DrainRequest | Decision | SwitchRequest


def parse(body: str | bytes) -> Trigger:
    """Read one event as it comes from the queue."""
    return envelope.parse(body, PARSERS)


def _task_state_change(event: Envelope) -> Trigger:
    return TaskStateChange(event.as_(TaskDetail).task(event.at), event.at)


class _Recheck(Struct):
    owners: Annotated[list[TaskArn], Meta(max_length=OWNERS_PER_MESSAGE)]
    tries: Annotated[int, Meta(ge=0)] = 0
    since: Annotated[datetime, Meta(tz=True)] | None = None


def _recheck(event: Envelope) -> Trigger:
    detail = event.as_(_Recheck)
    return Recheck(tuple(detail.owners), detail.tries, detail.since)


class _Drain(Struct):
    task: TaskArn
    by: Name = ""


def _drain_request(event: Envelope) -> Trigger:
    detail = event.as_(_Drain)
    return DrainRequest(task=detail.task, by=detail.by)


PARSERS: Parsers[Trigger] = {
    ("aws.ecs", "ECS Task State Change"): _task_state_change,
    (SOURCE, CHECK_TARGETS): _recheck,
    (OPERATOR_SOURCE, DRAIN_REQUESTED): _drain_request,
    **decision_parsers(AUTOMATION),
    **switch_parsers(AUTOMATION),
}
