"""The messages of targets_sync. Each parser reads one EventBridge event; InvalidEvent names the field that is wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster import envelope, requests
from berthmaster.approval import Decision, decision_parsers
from berthmaster.arn import Arn
from berthmaster.envelope import OPERATOR_SOURCE, SOURCE, Envelope, Name, Parsers
from berthmaster.requests import Request, Unreadable
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
class DrainRequest(Request):
    """An operator wants a task to be deregistered everywhere, and stopped when it has drained.

    force: even if ECS itself has registered it somewhere, where it does not drain before it is stopped.
    """

    task: str
    force: bool = False

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return DRAIN_REQUESTED

    @property
    def subject(self) -> str:
        """The ARN of the task."""
        return self.task

    @property
    def name(self) -> str:
        """Its cluster and id."""
        return f"task {'/'.join(Arn.parse(self.task).path[1:])}"

    @property
    def resources(self) -> tuple[str, ...]:
        """The task."""
        return (self.task,)


type Trigger = TaskStateChange | Recheck | DrainRequest | Decision | SwitchRequest


def parse(body: str | bytes) -> Trigger:
    """Read one event as it comes from the queue; InvalidEvent if it is not valid."""
    return envelope.parse(body, PARSERS)


def read(body: str | bytes) -> Trigger | Unreadable:
    """As `parse`, with what an operator has sent as Unreadable if it is not valid."""
    return requests.read(body, PARSERS)


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
    force: bool = False
    by: Name = ""


def _drain_request(event: Envelope) -> Trigger:
    detail = event.as_(_Drain)
    return DrainRequest(task=detail.task, force=detail.force, by=detail.by, id=event.id, time=event.at)


PARSERS: Parsers[Trigger] = {
    ("aws.ecs", "ECS Task State Change"): _task_state_change,
    (SOURCE, CHECK_TARGETS): _recheck,
    (OPERATOR_SOURCE, DRAIN_REQUESTED): _drain_request,
    **decision_parsers(AUTOMATION),
    **switch_parsers(AUTOMATION),
}
