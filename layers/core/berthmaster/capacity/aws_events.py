"""Events of AWS that may mean a shortage of addresses: each becomes a Shortage with its cause, or several.

An event only says where to look: whether addresses are short is read from AWS before anything is done.
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from berthmaster.capacity.model.shortage import Cause, Shortage, Shortages
from berthmaster.capacity.plan.causes import cause_in, subnets_in
from berthmaster.envelope import Envelope, Parsers
from berthmaster.errors import InvalidEvent

VpcId = Annotated[str, Meta(pattern=r"^vpc-[0-9a-f]{8,17}$")]
SubnetId = Annotated[str, Meta(pattern=r"^subnet-[0-9a-f]{8,17}$")]

_INTERFACE = re.compile(r"eni-[0-9a-f]{8,17}\b")
_OF_SERVICE = "service:"
"""How the group of a task begins that a service has started."""
_ALARM_METRICS = "detail.configuration.metrics"


# ECS


class _AttachmentDetail(Struct):
    name: str | None = None
    value: str | None = None


class _Attachment(Struct):
    details: list[_AttachmentDetail] | None = None


class _Task(Struct, rename="camel"):
    stopped_reason: str
    cluster_arn: str | None = None
    group: str | None = None
    attachments: list[_Attachment] | None = None


def _task_stopped(event: Envelope) -> Shortage:
    task = event.as_(_Task)
    named = subnets_in(task.stopped_reason) or [
        detail.value
        for attachment in task.attachments or ()
        for detail in attachment.details or ()
        if detail.name == "subnetId" and detail.value
    ]
    return Shortage(
        source=event.origin,
        time=event.at,
        cause=cause_in(task.stopped_reason),
        subnet_ids=_checked_subnets(named, "detail.attachments"),
        cluster=task.cluster_arn or "",
        service=group.removeprefix(_OF_SERVICE) if (group := task.group or "").startswith(_OF_SERVICE) else "",
        text=task.stopped_reason,
    )


class _ServiceAction(Struct, rename="camel"):
    reason: str | None = None
    cluster_arn: str | None = None


def _service_action(event: Envelope) -> Shortage:
    action = event.as_(_ServiceAction)
    return Shortage(
        source=event.origin,
        time=event.at,
        cause=cause_in(action.reason or ""),
        text=f"{action.reason or 'no reason'} in {action.cluster_arn or 'an unnamed cluster'}",
    )


# CloudTrail and EC2 Auto Scaling


class _ApiCall(Struct, rename="camel"):
    error_code: str
    error_message: str | None = None
    request_parameters: Any = None


def _api_call(event: Envelope) -> Shortage:
    call = event.as_(_ApiCall)
    message = call.error_message or ""
    parameters = msgspec.json.encode(call.request_parameters).decode()
    interface = _INTERFACE.search(parameters)
    named = subnets_in(parameters) or subnets_in(message)
    return Shortage(
        source=event.origin,
        time=event.at,
        cause=cause_in(f"{call.error_code} {message}"),
        subnet_ids=tuple(dict.fromkeys(named)),
        interface_id=interface[0] if interface and not named else "",
        text=message,
    )


class _Launch(Struct):
    message: str = msgspec.field(name="StatusMessage")
    details: dict[str, Any] | None = msgspec.field(name="Details", default=None)


def _launch_failed(event: Envelope) -> Shortage:
    launch = event.as_(_Launch)
    named = subnets_in(launch.message) or subnets_in(str((launch.details or {}).get("Subnet ID", "")))
    return Shortage(
        source=event.origin,
        time=event.at,
        cause=cause_in(launch.message),
        subnet_ids=tuple(dict.fromkeys(named)),
        text=launch.message,
    )


# CloudWatch


class _Metric(Struct):
    dimensions: dict[str, str] | None = None


class _MetricStat(Struct):
    metric: _Metric


class _AlarmMetric(Struct, rename="camel"):
    metric_stat: _MetricStat | None = None


class _AlarmConfiguration(Struct):
    metrics: list[_AlarmMetric] | None = None


class _Alarm(Struct, rename="camel"):
    alarm_name: str
    configuration: _AlarmConfiguration


def _alarm(event: Envelope) -> Shortage | Shortages:
    """One sign for each metric that names a VPC or a subnet; metric math has several."""
    alarm = event.as_(_Alarm)
    signs = [
        Shortage(
            source=f"{event.origin} {alarm.alarm_name}",
            time=event.at,
            cause=Cause.ADDRESSES,
            vpc_id=_checked_vpc(vpc) if vpc else "",
            subnet_ids=_checked_subnets([subnet] if subnet else [], _ALARM_METRICS),
        )
        for vpc, subnet in dict.fromkeys(_named_in(metric) for metric in alarm.configuration.metrics or ())
        if vpc or subnet
    ]
    if not signs:
        raise InvalidEvent(_ALARM_METRICS, "names neither a VpcId nor a SubnetId")
    return signs[0] if len(signs) == 1 else Shortages(each=tuple(signs))


def _named_in(metric: _AlarmMetric) -> tuple[str, str]:
    """The VPC and the subnet in the dimensions of a metric, "" for what they do not name."""
    dimensions = (metric.metric_stat.metric.dimensions if metric.metric_stat else None) or {}
    named = {name.lower(): value for name, value in dimensions.items()}
    return named.get("vpcid", ""), named.get("subnetid", "")


def _checked_vpc(value: str) -> str:
    try:
        return msgspec.convert(value, type=VpcId)
    except msgspec.ValidationError as error:
        raise InvalidEvent(_ALARM_METRICS, str(error)) from None


def _checked_subnets(values: list[str], field: str) -> tuple[str, ...]:
    for value in values:
        if subnets_in(value) != [value]:
            raise InvalidEvent(field, f"{value[:64]!r} is not a subnet id")
    return tuple(dict.fromkeys(values))


AWS_EVENTS: Parsers[Shortage | Shortages] = {
    ("aws.ecs", "ECS Task State Change"): _task_stopped,
    ("aws.ecs", "ECS Service Action"): _service_action,
    ("aws.ec2", "AWS API Call via CloudTrail"): _api_call,
    ("aws.autoscaling", "EC2 Instance Launch Unsuccessful"): _launch_failed,
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): _alarm,
}
