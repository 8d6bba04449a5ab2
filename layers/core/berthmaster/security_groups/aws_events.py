"""Events of ECS and of EC2's API, by way of CloudTrail → what to look at again, and what was not there when.

An event only says where to look; what there is, EC2 is asked. Ids are looked for in all of a call's parameters and
answer, since each operation has them elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from berthmaster.envelope import Envelope, Parsers, parse
from berthmaster.security_groups.model.origins import RecordedOrigin
from berthmaster.security_groups.plan.origins import origin_of_caller

INTERFACE, INSTANCE = re.compile(r"\beni-[0-9a-f]{8,17}\b"), re.compile(r"\bi-[0-9a-f]{8,17}\b")
GROUP, RULE = re.compile(r"\bsg-[0-9a-f]{8,17}\b"), re.compile(r"\bsgr-[0-9a-f]{8,17}\b")
PREFIX_LIST = re.compile(r"\bpl-[0-9a-f]{8,17}\b")
NEW = {
    "CreateNetworkInterface": INTERFACE,
    "AuthorizeSecurityGroupIngress": RULE,
    "AuthorizeSecurityGroupEgress": RULE,
}
"""The ids in an answer of what was not there before."""
GONE = {
    "DeleteNetworkInterface": INTERFACE,
    "RevokeSecurityGroupIngress": RULE,
    "RevokeSecurityGroupEgress": RULE,
}
"""The ids in a call of what is not there afterwards."""
MADE = {
    "CreateSecurityGroup": GROUP,
    "AuthorizeSecurityGroupIngress": RULE,
    "AuthorizeSecurityGroupEgress": RULE,
}
"""The ids in an answer of groups and rules that were made."""
OF_GROUPS = frozenset(
    {
        "AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "RevokeSecurityGroupEgress",
        "ModifySecurityGroupRules",
        "CreateSecurityGroup",
        "DeleteSecurityGroup",
    }
)
"""Calls after which the rules of a group may be others."""
DELETED = "DELETED"
GONE_AFTER = 5.0
"""Seconds after the time of a call, which CloudTrail rounds down, when what it deleted is gone for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """What an event is a reason to look at. absent: ids, and when they were not there, in seconds since the epoch.

    made: groups and rules, with who made them.
    """

    interfaces: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    prefix_lists: frozenset[str] = frozenset()
    absent: frozenset[tuple[str, float]] = field(default_factory=frozenset)
    made: frozenset[RecordedOrigin] = field(default_factory=frozenset)


class _Pair(Struct):
    name: str = ""
    value: str | None = None


class _Attachment(Struct):
    status: str = ""
    details: tuple[_Pair, ...] = ()

    @property
    def interface(self) -> str:
        value = next((one.value for one in self.details if one.name == "networkInterfaceId"), None)
        return value if value and INTERFACE.fullmatch(value) else ""


class _Task(Struct, rename="camel"):
    attachments: tuple[_Attachment, ...] = ()
    created_at: datetime | None = None


def _task_changed(event: Envelope) -> Clue:
    """A task's interface is made for it, and deleted with it."""
    task = event.as_(_Task)
    there, absent = set(), set()
    for one in task.attachments:
        if not one.interface:
            continue
        if task.created_at is not None:
            absent.add((one.interface, _seconds(task.created_at)))
        if one.status == DELETED:
            absent.add((one.interface, event.at.timestamp()))
        else:
            there.add(one.interface)
    return Clue(interfaces=frozenset(there), absent=frozenset(absent))


class _Issuer(Struct):
    arn: str = ""


class _Session(Struct, rename="camel"):
    session_issuer: _Issuer | None = None


class _Identity(Struct, rename="camel"):
    arn: str = ""
    invoked_by: str = ""
    session_context: _Session | None = None

    @property
    def role(self) -> str:
        """The ARN of the role, not of its session; of a user, its own."""
        issuer = self.session_context.session_issuer if self.session_context else None
        return issuer.arn if issuer and issuer.arn else self.arn


class _Call(Struct, rename="camel"):
    event_name: str
    event_time: datetime
    error_code: str | None = None
    request_parameters: Any = None
    response_elements: Any = None
    user_agent: str | None = None
    user_identity: _Identity | None = None
    session_credential_from_console: str | bool | None = None

    @property
    def agent(self) -> str:
        """What made the call, and the service on whose behalf, if there is one."""
        service = self.user_identity.invoked_by if self.user_identity else ""
        return " ".join(dict.fromkeys(one for one in (self.user_agent or "", service) if one))

    @property
    def is_console(self) -> bool:
        """Whether somebody made it in AWS's console."""
        return str(self.session_credential_from_console).lower() == "true"


def _api_called(event: Envelope) -> Clue:
    call = event.as_(_Call)
    if call.error_code:
        return Clue()
    name, time, answered = call.event_name, _seconds(call.event_time), _text(call.response_elements)
    text = f"{_text(call.request_parameters)} {answered}"
    new = NEW[name].findall(answered) if name in NEW else ()
    gone = GONE[name].findall(text) if name in GONE else ()
    return Clue(
        interfaces=frozenset(INTERFACE.findall(text)).difference(gone),
        instances=frozenset(INSTANCE.findall(text) if name == "ModifyInstanceAttribute" else ()),
        groups=frozenset(GROUP.findall(text) if name in OF_GROUPS else ()),
        prefix_lists=frozenset(PREFIX_LIST.findall(text) if name == "ModifyManagedPrefixList" else ()),
        absent=frozenset([*((one, time) for one in new), *((one, time + GONE_AFTER) for one in gone)]),
        made=frozenset(_made(call, answered)),
    )


def _made(call: _Call, answered: str) -> Iterator[RecordedOrigin]:
    if call.event_name in MADE:
        for one in MADE[call.event_name].findall(answered):
            yield RecordedOrigin(
                id=one,
                origin=origin_of_caller(call.agent, is_console=call.is_console),
                at=datetime.fromtimestamp(_seconds(call.event_time), UTC),
                caller=call.user_identity.role if call.user_identity else "",
                agent=call.agent,
            )


def _seconds(time: datetime) -> float:
    """Since the epoch; a time without a zone is in UTC."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


PARSERS: Parsers[Clue] = {
    ("aws.ecs", "ECS Task State Change"): _task_changed,
    ("aws.ec2", "AWS API Call via CloudTrail"): _api_called,
}


def read(body: str) -> Clue:
    """What an event of the queue says; InvalidEvent names the field that is wrong."""
    return parse(body, PARSERS)
