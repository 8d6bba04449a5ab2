"""The messages of security_groups_change: requests of operators, alarms, and what is to be gone on with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from berthmaster import requests
from berthmaster.approval import Decision, decision_parsers
from berthmaster.envelope import OPERATOR_SOURCE, SOURCE, Envelope, Name, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Request, Unreadable
from berthmaster.security_groups.model.automation import AUTOMATION
from berthmaster.security_groups.restore_calls import (
    ALARM_CHANGED,
    RESTORE_REQUESTED,
    RestoreCall,
    alarm_changed,
    published,
)
from berthmaster.security_groups.restore_commands import PROPOSE_RESTORE, RESTORE_RULES, ProposeRestore, RestoreRules

CLOUDWATCH = "aws.cloudwatch"
STATUS_REQUESTED = "Removal Status Requested"
CHANGE_GROUP = "Change Group"
"""The detail type of the command by which the intents of a group are carried out."""
PLAN_REMOVALS = "Plan Removals"
"""That of the command by which it is decided what is announced, proposed and changed."""

GroupId = Annotated[str, Meta(pattern=r"^sg-[0-9a-f]{8,17}$")]
RuleId = Annotated[str, Meta(pattern=r"^sgr-[0-9a-f]{8,17}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest(Request):
    """An operator wants rules restored: one, those of a group, or all that were changed in the last hours."""

    rule: str = ""
    group: str = ""
    hours: float = 0.0

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return RESTORE_REQUESTED

    @property
    def subject(self) -> str:
        """What is to be restored."""
        return self.rule or self.group or f"the last {self.hours:g} hours"

    @property
    def resources(self) -> tuple[str, ...]:
        """The rule or group."""
        return tuple(filter(None, (self.rule, self.group)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalStatusRequest(Request):
    """An operator wants to know what is being removed. group: of which; empty for all."""

    group: str = ""

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return STATUS_REQUESTED

    @property
    def subject(self) -> str:
        """The group."""
        return self.group

    @property
    def resources(self) -> tuple[str, ...]:
        """The group."""
        return (self.group,) if self.group else ()


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """The intents of a group are to be carried out."""

    group: str


@dataclass(frozen=True, slots=True)
class PlanRemovals:
    """It is to be decided what is announced, proposed and changed, by a run that begins after the command."""

    at: datetime


type Trigger = (
    RestoreRequest
    | RestoreCall
    | RestoreRules
    | RemovalStatusRequest
    | ProposeRestore
    | ChangeGroup
    | PlanRemovals
    | Decision
)


class _Restore(Struct):
    rule: RuleId | UnsetType = UNSET
    group: GroupId | UnsetType = UNSET
    hours: Annotated[float, Meta(gt=0, le=9_600)] | UnsetType = UNSET
    by: Name = ""


class _Status(Struct):
    group: GroupId | UnsetType = UNSET
    by: Name = ""


class _Change(Struct):
    group: GroupId


def _restore(event: Envelope) -> RestoreRequest:
    detail = event.as_(_Restore)
    given = [name for name in ("rule", "group", "hours") if getattr(detail, name) is not UNSET]
    if len(given) != 1:
        raise InvalidEvent("detail", f"needs exactly one of rule, group and hours, and has {len(given)} of them")
    return RestoreRequest(
        rule=detail.rule or "",
        group=detail.group or "",
        hours=detail.hours or 0.0,
        by=detail.by,
        id=event.id,
        time=event.at,
    )


def _status(event: Envelope) -> RemovalStatusRequest:
    detail = event.as_(_Status)
    return RemovalStatusRequest(group=detail.group or "", by=detail.by, id=event.id, time=event.at)


PARSERS: Parsers[Trigger] = {
    (OPERATOR_SOURCE, RESTORE_REQUESTED): _restore,
    (CLOUDWATCH, ALARM_CHANGED): alarm_changed,
    (SOURCE, RESTORE_RULES): lambda event: event.as_(RestoreRules),
    (OPERATOR_SOURCE, STATUS_REQUESTED): _status,
    (SOURCE, PROPOSE_RESTORE): lambda event: event.as_(ProposeRestore),
    (SOURCE, CHANGE_GROUP): lambda event: ChangeGroup(event.as_(_Change).group),
    (SOURCE, PLAN_REMOVALS): lambda event: PlanRemovals(event.at),
    **decision_parsers(AUTOMATION),
}


def read(body: str | bytes) -> Trigger | Unreadable:
    """Read one message of the queue; what an operator has sent and is not valid is Unreadable."""
    if call := published(body):
        return call
    return requests.read(body, PARSERS)
