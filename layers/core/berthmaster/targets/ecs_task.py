"""ECS tasks as events and API answers describe them, which spell the same things differently.

An attachment's type is `eni` in events and `ElasticNetworkInterface` in answers; the address in it is spelled
privateIPv4Address or privateIpv4Address; times are ISO text in events and datetimes in answers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from berthmaster.targets.model import Address, Container, Definition, Task

TaskArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:task/[\w-]{1,255}/[0-9a-f]{8,64}$")]
_INTERFACES = {"eni", "ElasticNetworkInterface"}
_SERVICE = "service:"


class _Pair(Struct):
    name: str = ""
    value: str | None = None


class _Attachment(Struct):
    type: str = ""
    status: str = ""
    details: list[_Pair] = []

    def __post_init__(self) -> None:
        if self.type in _INTERFACES and self.named("privateipv4address"):
            IPv4Address(self.named("privateipv4address"))

    def named(self, name: str) -> str:
        """One of the details, by its name in small letters; empty if it is missing."""
        return next((pair.value or "" for pair in self.details if pair.name.lower() == name), "")


class TaskDetail(Struct, rename="camel"):
    """The detail of an ECS Task State Change, or a task of DescribeTasks, as far as it is used."""

    task_arn: TaskArn
    cluster_arn: str
    task_definition_arn: str
    last_status: str
    desired_status: str
    version: Annotated[int, Meta(ge=0)] = 0
    group: str = ""
    started_by: str | None = None
    health_status: str = "UNKNOWN"
    stop_code: str | None = None
    availability_zone: str = ""
    attachments: list[_Attachment] = []
    created_at: datetime | None = None
    started_at: datetime | None = None

    def task(self, seen_at: datetime) -> Task:
        """The task as it was at that time."""
        return Task(
            arn=self.task_arn,
            cluster=self.cluster_arn.rpartition("/")[2],
            service=self.group.removeprefix(_SERVICE) if self.group.startswith(_SERVICE) else "",
            definition=self.task_definition_arn,
            started_by=self.started_by or "",
            version=self.version,
            last_status=self.last_status,
            desired_status=self.desired_status,
            health_status=self.health_status,
            stop_code=self.stop_code or "",
            address=self._address(),
            created_at=self.created_at,
            started_at=self.started_at,
            seen_at=seen_at,
        )

    def _address(self) -> Address | None:
        for attachment in self.attachments:
            if attachment.type in _INTERFACES and attachment.named("privateipv4address"):
                return Address(
                    ip=attachment.named("privateipv4address"),
                    subnet_id=attachment.named("subnetid"),
                    eni_id=attachment.named("networkinterfaceid"),
                    zone=self.availability_zone,
                )
        return None


def described(tasks: Iterable[Mapping[str, Any]], seen_at: datetime) -> Iterator[Task]:
    """The tasks of an answer of DescribeTasks."""
    for one in tasks:
        yield msgspec.convert(one, type=TaskDetail).task(seen_at)


def definition(answer: Mapping[str, Any]) -> Definition:
    """A task definition as DescribeTaskDefinition returns it.

    ECS reports the health of essential containers only, and only of health checks in the task definition.
    """
    containers = answer.get("containerDefinitions", [])
    return Definition(
        containers=tuple(map(_container, containers)),
        has_health_check=any(one.get("healthCheck") and one.get("essential", True) for one in containers),
    )


def _container(answer: Mapping[str, Any]) -> Container:
    found = Container(answer["name"], _ports(answer))
    timeout = answer.get("stopTimeout")
    return found if timeout is None else replace(found, stop_timeout=timedelta(seconds=timeout))


def _ports(container: Mapping[str, Any]) -> dict[str, int]:
    found = [one for one in container.get("portMappings", []) if one.get("containerPort")]
    return {one.get("name") or str(one["containerPort"]): int(one["containerPort"]) for one in found}
