"""An ECS task on Fargate: what the API shows of it, and what only the simulator knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.sizes import mebibytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.clock import Timer

FARGATE = {
    "enableExecuteCommand": False,
    "platformVersion": "1.4.0",
}
"""What all simulated tasks have in common."""

CPU, MEMORY = "256", "512"
"""The size of a task whose definition says nothing, as those of services in some scenes."""

STOP_TIMEOUT = 30.0
"""Seconds from SIGTERM to SIGKILL, unless the task definition says otherwise."""

ATTACHMENT_STATUS = {"PROVISIONING": "PRECREATED", "DEPROVISIONING": "DETACHED", "STOPPED": "DELETED"}
"""The status of a task's interface by the task's last status; ATTACHED otherwise."""


def shown(moment: datetime) -> datetime:
    """A time as ECS shows it, to the millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(eq=False, slots=True, kw_only=True)
class Task:
    """One task; `definition` and `subnet` are moto's, `eni` too, and it has none before it is attached.

    `activates`: it passes through ACTIVATING and DEACTIVATING, as tasks of services with Cloud Map or several target
    groups do and others do not (aws/containers-roadmap#1039). `overrides`: as RunTask takes them. `capacity_provider`:
    empty for a task with a launch type. `shown_from`: when functions see it first, in seconds since the epoch.
    """

    arn: str
    cluster: str
    cluster_arn: str
    definition: Any
    group: str
    started_by: str
    subnet: Any
    security_groups: list[str]
    attachment: str
    container_arns: list[str]
    created_at: datetime
    tags: list[dict[str, str]] = field(default_factory=list)
    activates: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    capacity_provider: str = ""
    shown_from: float = 0.0
    eni: Any = None
    has_process: bool = False
    next: Timer | None = None
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    health_status: str = "UNKNOWN"
    version: int = 0
    updated_at: datetime | None = None
    connected_at: datetime | None = None
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    running_at: datetime | None = None
    left_at: datetime | None = None
    ended_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""

    @property
    def id(self) -> str:
        """The last part of its ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def family(self) -> str:
        """The family of its task definition."""
        name: str = self.definition.family
        return name

    @property
    def service(self) -> str:
        """The name of its service; empty for a task of its own."""
        return self.group.removeprefix("service:") if self.group.startswith("service:") else ""

    @property
    def address(self) -> str:
        """Its address; empty before its interface is attached, and still shown after it is gone."""
        return self.eni.private_ip_address if self.eni else ""

    @property
    def eni_id(self) -> str:
        """Its interface; empty before that is attached, and still shown after it is gone."""
        return self.eni.id if self.eni else ""

    @property
    def subnet_id(self) -> str:
        """Where it was placed."""
        identifier: str = self.subnet.id
        return identifier

    @property
    def zone(self) -> str:
        """The zone of its subnet."""
        zone: str = self.subnet.availability_zone
        return zone

    @property
    def port(self) -> int:
        """The first port its definition maps; 0 if there is none."""
        mappings = (one for item in self.definition.container_definitions for one in item["portMappings"])
        return next((mapping["containerPort"] for mapping in mappings), 0)

    @property
    def cpu(self) -> str:
        """CPU units of the task, of 1,024 a vCPU."""
        return str(self.overrides.get("cpu") or self.definition.cpu or CPU)

    @property
    def memory(self) -> str:
        """Memory of the task in MiB."""
        return str(self.overrides.get("memory") or self.definition.memory or MEMORY)

    @property
    def storage(self) -> int:
        """Ephemeral storage in GiB."""
        size: Mapping[str, int] = self.overrides.get("ephemeralStorage") or self.definition.ephemeral_storage or {}
        return size.get("sizeInGiB", 20)

    @property
    def is_arm(self) -> bool:
        """Whether it runs on ARM."""
        platform: Mapping[str, str] = self.definition.runtime_platform or {}
        return platform.get("cpuArchitecture") == "ARM64"

    @property
    def main(self) -> Mapping[str, Any]:
        """The definition of the container whose end ends the task: the first essential one."""
        containers: list[Mapping[str, Any]] = self.definition.container_definitions
        return next((one for one in containers if one.get("essential", True)), containers[0])

    @property
    def memory_limit(self) -> int:
        """MiB that its main container may use: its own limit, or the task's."""
        own = self._override(self.main["name"]).get("memory") or self.main.get("memory")
        return int(own or mebibytes(self.memory))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of that container, with the overrides."""
        given = [*self.main.get("environment", []), *self._override(self.main["name"]).get("environment", [])]
        return {one["name"]: one["value"] for one in given}

    @property
    def command(self) -> list[str]:
        """The command of that container, or of its overrides."""
        return list(self._override(self.main["name"]).get("command") or self.main.get("command") or [])

    @property
    def stop_timeout(self) -> float:
        """Seconds from SIGTERM to SIGKILL."""
        return float(self.main.get("stopTimeout") or STOP_TIMEOUT)

    @property
    def has_health_check(self) -> bool:
        """Whether an essential container of its definition has a health check; an image's own does not count."""
        return any("healthCheck" in item and item["essential"] for item in self.definition.container_definitions)

    @property
    def is_running(self) -> bool:
        """Whether it runs and is meant to."""
        return self.last_status == self.desired_status == "RUNNING"

    @property
    def is_listening(self) -> bool:
        """Whether its process accepts connections: from RUNNING until the process ends."""
        return self.has_process and self.last_status in ("RUNNING", "DEACTIVATING", "STOPPING")

    @property
    def is_ready(self) -> bool:
        """Whether its service may count on it: it runs and, with a health check, is healthy."""
        return self.is_running and (not self.has_health_check or self.health_status == "HEALTHY")

    def described(self) -> dict[str, Any]:
        """The task as DescribeTasks shows it, without its tags."""
        answer = {
            **FARGATE,
            "attributes": [{"name": "ecs.cpu-architecture", "value": "arm64" if self.is_arm else "x86_64"}],
            "attachments": [self._attachment()],
            "availabilityZone": self.zone,
            "clusterArn": self.cluster_arn,
            "cpu": self.cpu,
            "containers": self._containers(),
            "createdAt": self.created_at,
            "desiredStatus": self.desired_status,
            "ephemeralStorage": {"sizeInGiB": self.storage},
            "group": self.group,
            "healthStatus": self.health_status,
            "lastStatus": self.last_status,
            "launchType": "FARGATE",
            "memory": self.memory,
            "overrides": {
                **self.overrides,
                "containerOverrides": [
                    {"name": one["name"], **self._override(one["name"])}
                    for one in self.definition.container_definitions
                ],
            },
            "taskArn": self.arn,
            "taskDefinitionArn": self.definition.arn,
            "version": self.version,
        }
        optional = {
            "capacityProviderName": self.capacity_provider or None,
            "connectivity": "CONNECTED" if self.connected_at else None,
            "connectivityAt": self.connected_at,
            "executionStoppedAt": self.ended_at,
            "pullStartedAt": self.pull_started_at,
            "pullStoppedAt": self.pull_stopped_at,
            "startedAt": self.running_at,
            "startedBy": self.started_by or None,
            "stopCode": self.stop_code or None,
            "stoppedAt": self.stopped_at,
            "stoppedReason": self.stopped_reason or None,
            "stoppingAt": self.left_at,
        }
        described = answer | {name: value for name, value in optional.items() if value is not None}
        return {name: shown(value) if isinstance(value, datetime) else value for name, value in described.items()}

    def _override(self, container: str) -> Mapping[str, Any]:
        overrides = self.overrides.get("containerOverrides", ())
        return next((one for one in overrides if one.get("name") == container), {})

    def _attachment(self) -> dict[str, Any]:
        details = {"subnetId": self.subnet_id}
        if self.eni:
            details |= {"networkInterfaceId": self.eni_id, "macAddress": self.eni.mac_address}
            # moto names an interface only where the VPC has DNS hostnames.
            if name := getattr(self.eni, "private_dns_name", ""):
                details["privateDnsName"] = name
            details["privateIPv4Address"] = self.address
        return {
            "id": self.attachment,
            "type": "ElasticNetworkInterface",
            "status": ATTACHMENT_STATUS.get(self.last_status, "ATTACHED"),
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }

    def _containers(self) -> list[dict[str, Any]]:
        status = "RUNNING" if self.has_process else "STOPPED" if self.desired_status == "STOPPED" else "PENDING"
        interfaces = [{"attachmentId": self.attachment, "privateIpv4Address": self.address}] if self.eni else []
        ended = {} if self.exit_code is None else {"exitCode": self.exit_code}
        reasons = {self.main["name"]: {"reason": self.container_reason}} if self.container_reason else {}
        return [
            {
                "containerArn": arn,
                "taskArn": self.arn,
                "name": definition["name"],
                "image": definition["image"],
                "lastStatus": status,
                "healthStatus": self.health_status if "healthCheck" in definition else "UNKNOWN",
                "networkBindings": [],
                "networkInterfaces": [dict(one) for one in interfaces],
                "cpu": "0",
                **ended,
                **reasons.get(definition["name"], {}),
            }
            for arn, definition in zip(self.container_arns, self.definition.container_definitions, strict=True)
        ]
