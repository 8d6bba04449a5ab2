"""What the service scheduler obeys in both workloads: how many tasks there may be, when, and how a deployment ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.blue_green import BlueGreen
from simulator.aws.ecs.deployment_alarms import DeploymentAlarms
from simulator.aws.ecs.deployments import complete_deployment, configuration_of, drop_replaced

if TYPE_CHECKING:
    from simulator.account import Account

# "the time between subsequent restart attempts incrementally increases up to a maximum of 15 minutes" (ECS guide,
# service throttle logic); the steps in between are not documented.
FIRST_BACK_OFF = 60.0
LONGEST_BACK_OFF = 900.0


def fewest_ready(service: Any) -> int:
    """How many tasks of a service (moto's) stay ready while older ones are replaced."""
    desired: int = service.desired_count
    percent: int = configuration_of(service)["minimumHealthyPercent"]
    return math.ceil(desired * percent / 100)


def most_tasks(service: Any, *, is_replacing: bool) -> int:
    """How many tasks a service may have, more than it desires only while older ones are replaced."""
    desired: int = service.desired_count
    if not is_replacing:
        return desired
    percent: int = configuration_of(service)["maximumPercent"]
    return max(1, math.floor(desired * percent / 100))


def may_start_tasks(account: Account, service: Any) -> bool:
    """Whether the primary deployment of a service may start tasks now."""
    rollout = account.state(BlueGreen).of(service)
    has_failed = service.deployments[0]["rolloutState"] == "FAILED"
    return not has_failed and (rollout is None or rollout.starts_green)


def kept_deployment(account: Account, service: Any) -> str:
    """The deployment (its id) whose tasks are kept beside the primary one's: blue, until it is cleaned up."""
    rollout = account.state(BlueGreen).of(service)
    return rollout.blue["id"] if rollout is not None and rollout.keeps_blue else ""


def end_deployment(account: Account, service: Any, *, is_ready: bool, is_alone: bool) -> None:
    """Complete the deployment of a service, or let a blue/green one go on.

    is_ready: the primary deployment has as many ready tasks as desired. is_alone: no other deployment has tasks.
    """
    rollout = account.state(BlueGreen).of(service)
    monitor = account.state(DeploymentAlarms).of(service)
    if monitor is None or not monitor.is_active:
        drop_replaced(service, kept_deployment(account, service))
    if rollout is not None and is_ready:
        rollout.scaled_up()
    if not is_ready or not is_alone or kept_deployment(account, service):
        return
    if monitor is None:
        complete_deployment(account, service, service.deployments[0]["id"])
    else:
        monitor.bake()


@dataclass
class BackOff:
    """How long a deployment waits after tasks have failed to start.

    "After the service is updated, the service scheduler resumes normal behavior" (ECS guide, services).
    """

    deployment: str = ""
    failures_in_a_row: int = 0
    next_start: float = 0.0

    def wait(self, deployment: str, now: float) -> float:
        """How many seconds from now a deployment may start tasks; a new one at once."""
        if deployment != self.deployment:
            self.deployment, self.failures_in_a_row, self.next_start = deployment, 0, 0.0
        return max(0.0, self.next_start - now)

    def failed(self, now: float) -> None:
        """Count a failure, unless it is of a task that was started together with one that has been counted."""
        if now >= self.next_start:
            self.next_start = now + min(FIRST_BACK_OFF * 2**self.failures_in_a_row, LONGEST_BACK_OFF)
            self.failures_in_a_row += 1

    def succeeded(self) -> None:
        """Begin with the shortest wait again."""
        self.failures_in_a_row = 0
