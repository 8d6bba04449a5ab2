"""The deployment circuit breaker: too many tasks that fail to start end a deployment, and may roll it back.

Failures count as long as no task of the deployment has run: the guide's stage 1. Its stage 2 counts failed health
checks, which no task here fails. Source: "How the Amazon ECS deployment circuit breaker detects failures" of the ECS
guide.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.deployments import configuration_of, fail_deployment

if TYPE_CHECKING:
    from simulator.account import Account
    from simulator.aws.ecs.deployments import Deployment

FEWEST_FAILURES = 3
MOST_FAILURES = 200
TASKS_FAILED = "ECS deployment circuit breaker: tasks failed to start."
ROLLED_BACK = "ECS deployment circuit breaker: rolling back to deploymentId {id}."


class HaveRun:
    """The ids of deployments of which a task has run."""

    def __init__(self, _: Account) -> None:
        self.identifiers: set[str] = set()


def count_start(account: Account, deployment: Deployment) -> None:
    """A task of a deployment runs: failures to start are forgotten, and not counted any more."""
    account.state(HaveRun).identifiers.add(deployment["id"])
    deployment["failedTasks"] = 0


def count_failure(account: Account, service: Any, identifier: str) -> None:
    """A task of a deployment has not come to run; too many of them end a deployment that has a circuit breaker."""
    primary = service.deployments[0]
    if primary["id"] != identifier or identifier in account.state(HaveRun).identifiers:
        return
    primary["failedTasks"] += 1
    configuration = configuration_of(service)
    breaker = configuration["deploymentCircuitBreaker"]
    if (
        breaker["enable"]
        and configuration["strategy"] == "ROLLING"
        and primary["rolloutState"] == "IN_PROGRESS"
        and primary["failedTasks"] >= failure_threshold(service.desired_count)
    ):
        fail_deployment(account, service, TASKS_FAILED, rolled_back=ROLLED_BACK if breaker["rollback"] else "")


def failure_threshold(desired_count: int) -> int:
    """How many tasks in a row fail to start before the circuit breaker ends a deployment."""
    return min(max(math.ceil(desired_count / 2), FEWEST_FAILURES), MOST_FAILURES)
