"""What capacity_expand is told, and what of it is believed.

An event only says where to look: whether room is short is read from AWS before anything is done. Each parser
takes one EventBridge event and gives one trigger; what is missing or mistyped raises InvalidEvent with the field.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from berthmaster.bus import OPERATOR_SOURCE, SOURCE
from berthmaster.capacity.model import Cause
from berthmaster.envelope import Envelope, open_envelope
from berthmaster.errors import InvalidEvent

VpcId = Annotated[str, Meta(pattern=r"^vpc-[0-9a-f]{8,17}$")]
SubnetId = Annotated[str, Meta(pattern=r"^subnet-[0-9a-f]{8,17}$")]
ExpansionId = Annotated[str, Meta(pattern=r"^vpc-[0-9a-f]{8,17}\.[0-9]{8}T[0-9]{6}Z$")]
Addresses = Annotated[int, Meta(ge=1, le=65_531)]
Name = Annotated[str, Meta(max_length=256)]

_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}\b")
_INTERFACE = re.compile(r"eni-[0-9a-f]{8,17}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Something may be short in a VPC, in some of its subnets, or where an interface is."""

    told_by: str
    time: datetime
    cause: Cause
    vpc_id: str = ""
    subnet_ids: tuple[str, ...] = ()
    interface_id: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An operator wants room, `addresses` of it beside `subnet_id` or whatever the forecast says."""

    time: datetime
    vpc_id: str
    subnet_id: str = ""
    addresses: int = 0
    by: str = ""


class Verdict(StrEnum):
    """What an operator says of an expansion."""

    APPROVED = "approved"
    REJECTED = "rejected"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An operator's word on one expansion; `fingerprint`, if given, must be that of the stored plan."""

    time: datetime
    verdict: Verdict
    expansion_id: str
    fingerprint: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """An expansion has been begun and is to be carried on."""

    time: datetime
    expansion_id: str


type Trigger = Shortage | Request | Decision | Resumption


def parse(body: str | bytes) -> Trigger:
    """Read one EventBridge event as it comes from the queue."""
    event = open_envelope(body)
    parser = _PARSERS.get((event.source, event.detail_type))
    if parser is None:
        raise InvalidEvent("detail-type", f"{event.detail_type!r} from {event.source!r} is not known here")
    return parser(event)


def vpc_of(expansion_id: str) -> str:
    """The VPC an expansion id names."""
    return expansion_id.partition(".")[0]


class _ShortSubnet(Struct):
    subnet: SubnetId


class _RoomNeeded(Struct):
    vpc: VpcId
    subnets: list[_ShortSubnet]


def _room_needed(event: Envelope) -> Trigger:
    detail = event.as_(_RoomNeeded)
    return Shortage(
        told_by=event.told_by,
        time=event.at,
        cause=Cause.ADDRESSES,
        vpc_id=detail.vpc,
        subnet_ids=tuple(short.subnet for short in detail.subnets),
    )


class _Unfinished(Struct):
    expansion: ExpansionId


def _resumption(event: Envelope) -> Trigger:
    return Resumption(time=event.at, expansion_id=event.as_(_Unfinished).expansion)


class _Decision(Struct):
    expansion: ExpansionId
    fingerprint: Name = ""
    by: Name = ""


def _decision(verdict: Verdict) -> Callable[[Envelope], Trigger]:
    def parse_decision(event: Envelope) -> Trigger:
        detail = event.as_(_Decision)
        return Decision(
            time=event.at,
            verdict=verdict,
            expansion_id=detail.expansion,
            fingerprint=detail.fingerprint,
            by=detail.by,
        )

    return parse_decision


class _Request(Struct):
    vpc: VpcId
    subnet: SubnetId | UnsetType = UNSET
    addresses: Addresses | UnsetType = UNSET
    by: Name = ""


def _request(event: Envelope) -> Trigger:
    detail = event.as_(_Request)
    if detail.addresses is not UNSET and detail.subnet is UNSET:
        raise InvalidEvent("detail.subnet", "is needed with `addresses`: it says beside which subnet they go")
    return Request(
        time=event.at,
        vpc_id=detail.vpc,
        subnet_id="" if detail.subnet is UNSET else detail.subnet,
        addresses=0 if detail.addresses is UNSET else detail.addresses,
        by=detail.by,
    )


class _AttachmentDetail(Struct):
    name: str
    value: str | None = None


class _Attachment(Struct):
    details: list[_AttachmentDetail] = []


class _Task(Struct, rename="camel"):
    stopped_reason: str
    attachments: list[_Attachment] = []


def _task_stopped(event: Envelope) -> Trigger:
    task = event.as_(_Task)
    named = _SUBNET.findall(task.stopped_reason) or [
        detail.value
        for attachment in task.attachments
        for detail in attachment.details
        if detail.name == "subnetId" and detail.value
    ]
    return Shortage(
        told_by=event.told_by,
        time=event.at,
        cause=cause_in(task.stopped_reason),
        subnet_ids=_checked_subnets(named, "detail.attachments"),
        text=task.stopped_reason,
    )


class _ServiceAction(Struct, rename="camel"):
    reason: str = ""
    cluster_arn: str = ""


def _service_action(event: Envelope) -> Trigger:
    action = event.as_(_ServiceAction)
    return Shortage(
        told_by=event.told_by,
        time=event.at,
        cause=cause_in(action.reason),
        text=f"{action.reason} in {action.cluster_arn}",
    )


class _ApiCall(Struct, rename="camel"):
    error_code: str
    error_message: str = ""
    request_parameters: Any = None


def _api_call(event: Envelope) -> Trigger:
    call = event.as_(_ApiCall)
    parameters = msgspec.json.encode(call.request_parameters).decode()
    interface = _INTERFACE.search(parameters)
    named = _SUBNET.findall(parameters) or _SUBNET.findall(call.error_message)
    return Shortage(
        told_by=event.told_by,
        time=event.at,
        cause=cause_in(f"{call.error_code} {call.error_message}"),
        subnet_ids=tuple(dict.fromkeys(named)),
        interface_id=interface[0] if interface and not named else "",
        text=call.error_message,
    )


class _Launch(Struct):
    message: str = msgspec.field(name="StatusMessage")
    details: dict[str, Any] = msgspec.field(name="Details", default_factory=dict)


def _launch_failed(event: Envelope) -> Trigger:
    launch = event.as_(_Launch)
    named = _SUBNET.findall(launch.message) or _SUBNET.findall(str(launch.details.get("Subnet ID", "")))
    return Shortage(
        told_by=event.told_by,
        time=event.at,
        cause=cause_in(launch.message),
        subnet_ids=tuple(dict.fromkeys(named)),
        text=launch.message,
    )


class _Metric(Struct):
    namespace: str = ""
    name: str = ""
    dimensions: dict[str, str] = {}


class _MetricStat(Struct):
    metric: _Metric


class _AlarmMetric(Struct, rename="camel"):
    metric_stat: _MetricStat | UnsetType = UNSET


class _AlarmConfiguration(Struct):
    metrics: list[_AlarmMetric] = []


class _Alarm(Struct, rename="camel"):
    alarm_name: str
    configuration: _AlarmConfiguration


def _alarm(event: Envelope) -> Trigger:
    alarm = event.as_(_Alarm)
    dimensions = {
        name.lower(): value
        for metric in alarm.configuration.metrics
        if metric.metric_stat is not UNSET
        for name, value in metric.metric_stat.metric.dimensions.items()
    }
    vpc, subnet = dimensions.get("vpcid", ""), dimensions.get("subnetid", "")
    if not vpc and not subnet:
        raise InvalidEvent("detail.configuration.metrics", "names neither a VpcId nor a SubnetId")
    return Shortage(
        told_by=f"{event.told_by} {alarm.alarm_name}",
        time=event.at,
        cause=Cause.ADDRESSES,
        vpc_id=_checked(vpc, VpcId) if vpc else "",
        subnet_ids=_checked_subnets([subnet] if subnet else [], "detail.configuration.metrics"),
    )


def _checked(value: str, kind: Any) -> str:
    try:
        return str(msgspec.convert(value, type=kind))
    except msgspec.ValidationError as error:
        raise InvalidEvent("detail.configuration.metrics", str(error)) from None


def _checked_subnets(values: list[str], field: str) -> tuple[str, ...]:
    for value in values:
        if not _SUBNET.fullmatch(value):
            raise InvalidEvent(field, f"{value[:64]!r} is not a subnet id")
    return tuple(dict.fromkeys(values))


_CAUSES: tuple[tuple[str, Cause], ...] = (
    # EC2's word for "no contiguous /28", whatever the number of single addresses left.
    ("InsufficientCidrBlocks", Cause.PREFIXES),
    ("InsufficientFreeAddresses", Cause.ADDRESSES),
    ("not enough free addresses in subnet", Cause.ADDRESSES),
    ("sufficient free Ipv4 addresses", Cause.ADDRESSES),
    # ECS API failure reasons: no attachment point for an interface on any container instance.
    ("RESOURCE:ENI", Cause.ENI_SLOTS),
    ("Rate limit exceeded", Cause.THROTTLING),
    ("RequestLimitExceeded", Cause.THROTTLING),
    ("LimitExceeded", Cause.QUOTA),
    ("AuthFailure", Cause.PERMISSION),
    ("UnauthorizedOperation", Cause.PERMISSION),
    ("AccessDenied", Cause.PERMISSION),
)


def cause_in(text: str) -> Cause:
    """The cause that AWS's own words name; the first that matches, from the most to the least specific."""
    return next((cause for words, cause in _CAUSES if words in text), Cause.OTHER)


_PARSERS: dict[tuple[str, str], Callable[[Envelope], Trigger]] = {
    (SOURCE, "Room Needed"): _room_needed,
    (SOURCE, "Expansion Stalled"): _resumption,
    (SOURCE, "Expansion Continued"): _resumption,
    (OPERATOR_SOURCE, "Plan Approved"): _decision(Verdict.APPROVED),
    (OPERATOR_SOURCE, "Plan Rejected"): _decision(Verdict.REJECTED),
    (OPERATOR_SOURCE, "Expansion Retired"): _decision(Verdict.RETIRED),
    (OPERATOR_SOURCE, "Expand Requested"): _request,
    ("aws.ecs", "ECS Task State Change"): _task_stopped,
    ("aws.ecs", "ECS Service Action"): _service_action,
    ("aws.ec2", "AWS API Call via CloudTrail"): _api_call,
    ("aws.autoscaling", "EC2 Instance Launch Unsuccessful"): _launch_failed,
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): _alarm,
}
