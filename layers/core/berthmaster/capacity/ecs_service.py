"""ECS services as DescribeServices shows them, for reading and for writing."""

from typing import TYPE_CHECKING

from berthmaster.capacity.plan.deployments import ROLLING, Deployment

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

DESCRIBED_AT_ONCE = 10
"""DescribeServices takes at most 10 services."""


def is_deploying(service: "ServiceTypeDef") -> bool:
    """Whether a deployment is in progress, that is, whether it may still start or replace tasks.

    One that has failed starts no more tasks (ECS guide, deployment circuit breaker), although the tasks of the one
    before it stay beside its own. `rolloutState` is missing with the controllers CODE_DEPLOY and EXTERNAL.
    """
    deployments = service.get("deployments", [])
    if any(one.get("rolloutState") == "IN_PROGRESS" for one in deployments):
        return True
    has_failed = any(one.get("rolloutState") == "FAILED" for one in deployments if one.get("status") == "PRIMARY")
    return len(deployments) > 1 and not has_failed


def primary_deployment(service: "ServiceTypeDef") -> Deployment | None:
    """The newest deployment; None with the controllers CODE_DEPLOY and EXTERNAL, which have task sets instead."""
    deployments = service.get("deployments", [])
    primary = next((one for one in deployments if one.get("status") == "PRIMARY"), None)
    if primary is None:
        return None
    return Deployment(
        id=primary["id"],
        # "Only returned for services that … aren't behind a Classic Load Balancer" (ECS API, Deployment).
        rollout_state=primary.get("rolloutState", ""),
        strategy=service.get("deploymentConfiguration", {}).get("strategy", ROLLING),
        count=len(deployments),
        is_current=primary.get("taskDefinition") == service.get("taskDefinition"),
        is_repetition=any(
            one.get("taskDefinition") == primary.get("taskDefinition") and one.get("runningCount")
            for one in deployments
            if one is not primary
        ),
    )
