"""What targets_sync is told. Each parser takes one EventBridge event; InvalidEvent names the field that is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.bus import OPERATOR_SOURCE, SOURCE
from berthmaster.envelope import Envelope, open_envelope
from berthmaster.errors import InvalidEvent
from berthmaster.targets.ecs_task import TaskArn, TaskDetail
from berthmaster.targets.model import Task

LOOK_AGAIN = "Targets Look Again"
OWNERS_PER_MESSAGE = 500
ChangeId = Annotated[str, Meta(pattern=r"^[\w-]{1,160}\.[0-9]{8}T[0-9]{6}Z$")]
Name = Annotated[str, Meta(max_length=256)]


@dataclass(frozen=True, slots=True)
class Sighting:
    """ECS tells how a task is; `at` is when it said so."""

    task: Task
    at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody is to be looked at: ECS is asked how they are.

    tries: how often AWS has failed at them in a row. since: when
    that was told which has not had its effect.
    """

    owners: tuple[str, ...]
    tries: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """An operator wants a task taken out of everything, and stopped when it has drained."""

    owner: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An operator's word on a change that waits for it."""

    change: str
    approved: bool
    by: str


type Trigger = Sighting | Look | Drain | Decision


def parse(body: str | bytes) -> Trigger:
    """Read one EventBridge event as it comes from the queue."""
    event = open_envelope(body)
    parser = _PARSERS.get((event.source, event.detail_type))
    if parser is None:
        raise InvalidEvent("detail-type", f"{event.detail_type!r} from {event.source!r} is not known here")
    return parser(event)


def _sighting(event: Envelope) -> Trigger:
    return Sighting(event.as_(TaskDetail).task(event.at), event.at)


class _Look(Struct):
    owners: Annotated[list[TaskArn], Meta(max_length=OWNERS_PER_MESSAGE)]
    tries: Annotated[int, Meta(ge=0)] = 0
    since: Annotated[datetime, Meta(tz=True)] | None = None


def _look(event: Envelope) -> Trigger:
    detail = event.as_(_Look)
    return Look(tuple(detail.owners), detail.tries, detail.since)


class _Drain(Struct):
    task: TaskArn
    by: Name = ""


def _drain(event: Envelope) -> Trigger:
    detail = event.as_(_Drain)
    return Drain(owner=detail.task, by=detail.by)


class _Decision(Struct):
    change: ChangeId
    by: Name = ""


def _decision(*, approved: bool) -> Callable[[Envelope], Trigger]:
    def parser(event: Envelope) -> Trigger:
        detail = event.as_(_Decision)
        return Decision(change=detail.change, approved=approved, by=detail.by)

    return parser


_PARSERS: dict[tuple[str, str], Callable[[Envelope], Trigger]] = {
    ("aws.ecs", "ECS Task State Change"): _sighting,
    (SOURCE, LOOK_AGAIN): _look,
    (OPERATOR_SOURCE, "Drain Requested"): _drain,
    (OPERATOR_SOURCE, "Change Approved"): _decision(approved=True),
    (OPERATOR_SOURCE, "Change Rejected"): _decision(approved=False),
}
