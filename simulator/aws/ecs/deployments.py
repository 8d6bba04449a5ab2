"""The deployments of an ECS service: started, completed, failed, rolled back.

The first deployment of a service (moto's) is the primary one; older ones are listed as long as they have tasks. A
deployment has one of three rollout states, and every change sends an event:

IN_PROGRESS   a workload starts its tasks, and stops those of older deployments
→ COMPLETED   all tasks of the service are its own; what it deployed is what a later failure goes back to
→ FAILED      by `circuit_breaker`, `deployment_alarms`, or a stage of `blue_green`: it launches no more tasks

A rollback needs a deployment that is COMPLETED and uses it up until it has completed itself: a failure meanwhile leaves
the service as it is. Source: `Deployment` in the ECS API reference, and "How the Amazon ECS deployment circuit breaker
detects failures" of the ECS guide. Unverified: that the rollback of a rolling deployment starts tasks of its own,
instead of keeping those of the completed one; in what users show, its reason names its own id, and tasks are started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.aws.ecs.deployment_events import deployment_state_changed
from simulator.aws.events.bus import DEFAULT_BUS, Buses, complete

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.account import Account

type Deployment = dict[str, Any]
"""A deployment as moto keeps it and DescribeServices shows it."""

UNATTENDED_ROLLOUT = 60.0
CONFIGURATION = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
}
STARTED = "ECS deployment {id} in progress."
COMPLETED = "ECS deployment {id} completed."


class Deployments:
    """What ECS remembers of the deployments of an account.

    with_scheduler: the ARNs of services whose tasks a workload starts and stops; the others reach their desired count
    by themselves after a while. watchers: called with a service (moto's) when the scheduler has something to do for it.
    begun: every deployment with its service (moto's). completed: by the ARN of a service, the deployment that a failure
    goes back to.
    """

    def __init__(self, _: Account) -> None:
        self.with_scheduler: set[str] = set()
        self.watchers: list[Callable[[Any], object]] = []
        self.begun: list[tuple[Any, Deployment]] = []
        self.completed: dict[str, Deployment] = {}

    def changed(self, service: Any) -> None:
        """Call the watchers."""
        for watcher in self.watchers:
            watcher(service)


def configuration_of(service: Any) -> dict[str, Any]:
    """The deployment configuration; moto drops it, so it is kept here with AWS's defaults."""
    given: dict[str, Any] = getattr(service, "deployment_configuration", {})
    return CONFIGURATION | given


def start_deployment(account: Account, service: Any, reason: str = STARTED) -> Deployment:
    """Put a new primary deployment of what the service (moto's) is configured for in front of the others."""
    now = account.clock.now()
    for item in service.deployments:
        item["status"] = "ACTIVE"
    previous = service.deployments[0] if service.deployments else {}
    started = previous | {
        "id": f"ecs-svc/{mock_random.randint(10**18, 10**19 - 1)}",
        "status": "PRIMARY",
        "taskDefinition": service.task_definition,
        "platformVersion": service.platform_version,
        "desiredCount": service.desired_count,
        "pendingCount": 0,
        "runningCount": 0,
        "failedTasks": 0,
        "createdAt": now,
        "networkConfiguration": service.network_configuration,
    }
    service.deployments.insert(0, started)
    begin(account, service, started, reason)
    return started


def begin(account: Account, service: Any, deployment: Deployment, reason: str = STARTED) -> None:
    """Let a deployment that is primary be in progress."""
    account.state(Deployments).begun.append((service, deployment))
    change_state(account, service, deployment, "IN_PROGRESS", reason)
    if service.arn not in account.state(Deployments).with_scheduler:
        account.later(UNATTENDED_ROLLOUT, lambda: complete_deployment(account, service, deployment["id"]))
    account.state(Deployments).changed(service)


def complete_deployment(account: Account, service: Any, identifier: str) -> None:
    """End a deployment that is still the primary one; the older ones are gone with it."""
    primary = service.deployments[0]
    if primary["id"] != identifier or primary["rolloutState"] != "IN_PROGRESS":
        return
    if service.arn not in account.state(Deployments).with_scheduler:
        primary.update(runningCount=service.desired_count, pendingCount=0)
        service.running_count, service.pending_count = service.desired_count, 0
    service.deployments[:] = [primary]
    account.state(Deployments).completed[service.arn] = primary
    change_state(account, service, primary, "COMPLETED", COMPLETED)


def fail_deployment(account: Account, service: Any, reason: str, *, rolled_back: str) -> None:
    """End the primary deployment of a service, and go back to the last completed one.

    rolled_back: the reason of the deployment that does that; empty if the service is to stay as it is.
    """
    change_state(account, service, service.deployments[0], "FAILED", reason)
    if rolled_back and (completed := account.state(Deployments).completed.pop(service.arn, None)):
        restore(service, completed)
        start_deployment(account, service, rolled_back)
    else:
        account.state(Deployments).changed(service)


def drop_replaced(service: Any, kept: str) -> None:
    """List older deployments only as long as they have tasks; kept: the id of one that is listed in any case."""
    service.deployments[1:] = [
        item for item in service.deployments[1:] if item["id"] == kept or item["runningCount"] + item["pendingCount"]
    ]


def restore(service: Any, deployment: Deployment) -> None:
    """Configure a service as a deployment of it was; desired count and deployment configuration stay."""
    service.task_definition = deployment["taskDefinition"]
    service.platform_version = deployment["platformVersion"]
    service.network_configuration = deployment["networkConfiguration"]


def change_state(account: Account, service: Any, deployment: Deployment, state: str, reason: str) -> None:
    """Give a deployment its rollout state with the reason, in which `{id}` stands for its id, and send the event."""
    deployment.update(
        rolloutState=state, rolloutStateReason=reason.format(id=deployment["id"]), updatedAt=account.clock.now()
    )
    event = deployment_state_changed(account, service, deployment)
    account.state(Buses).put(DEFAULT_BUS, complete(account, event))
