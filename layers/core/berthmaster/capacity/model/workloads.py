"""What runs ECS tasks in subnets: services, and the rules and schedules of EventBridge."""

from dataclasses import dataclass
from enum import StrEnum

ROLLING_UPDATE = "ECS"
"""The only deployment controller with which UpdateService takes a new network configuration (ECS API)."""
ROLLING = "ROLLING"
"""The strategy of a deployment that does not shift traffic (ECS API, DeploymentConfiguration)."""
MAX_SUBNETS_PER_TASK_NETWORK = 16
"""awsvpcConfiguration takes at most 16 subnets (ECS API, AwsVpcConfiguration)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An ECS service whose tasks have addresses of their own (network mode `awsvpc`)."""

    cluster: str
    name: str
    subnet_ids: tuple[str, ...]
    desired: int
    running: int
    maximum_percent: int = 200
    deploying: bool = False
    managed: bool = False
    controller: str = "ECS"
    tag: str | None = None
    """The value of its tag berthmaster:capacity, if it has one."""
    strategy: str = ROLLING
    """The strategy of its deployments; of significance with the controller ECS only."""
    unended: str = ""
    """The id of its primary deployment, if that is in progress or has failed."""

    @property
    def label(self) -> str:
        """Its cluster and its name, as the ledger has them."""
        return f"{self.cluster} {self.name}"

    @property
    def committed(self) -> int:
        """Addresses that it may still take: a deployment in progress may run as many tasks as `ceiling` says."""
        return max(0, (self.ceiling if self.deploying else self.desired) - self.running)

    @property
    def ceiling(self) -> int:
        """Tasks that a deployment may run at once.

        `maximum_percent` is for rolling deployments. Where traffic shifts from one set of tasks to another, the whole
        second set runs beside the first (ECS guide, blue/green deployments).
        """
        shifts_traffic = self.controller == "CODE_DEPLOY" or self.strategy != ROLLING
        return self.desired * (max(self.maximum_percent, 200) if shifts_traffic else self.maximum_percent) // 100

    @property
    def surge(self) -> int:
        """Addresses that the next deployment would take beyond those in use; 0 while one is in progress."""
        return 0 if self.deploying else max(0, self.ceiling - max(self.desired, self.running))


class CallerKind(StrEnum):
    """What runs tasks without a service, with its own network configuration."""

    RULE = "EventBridge rule"
    SCHEDULE = "EventBridge schedule"


DEFAULT_BUS = "default"


def rule_resource(bus: str, name: str) -> str:
    """The resource in the ARN of a rule (Service Authorization Reference, "Amazon EventBridge")."""
    return f"rule/{name}" if bus == DEFAULT_BUS else f"rule/{bus}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCaller:
    """One target of an EventBridge rule, or one schedule, that runs ECS tasks.

    group: the event bus of a rule, the schedule group of a schedule. target_id: empty for a schedule. role: path and
    name of the role that it runs tasks with; whoever changes the caller needs iam:PassRole for it.
    """

    kind: CallerKind
    group: str
    name: str
    target_id: str
    subnet_ids: tuple[str, ...]
    role: str = ""
    managed: bool = False
