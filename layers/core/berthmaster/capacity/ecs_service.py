"""ECS services as DescribeServices shows them, for reading and for writing."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from berthmaster.arn import Arn
from berthmaster.capacity.model.tags import MANAGED, MANAGED_TAG
from berthmaster.capacity.model.workloads import ROLLING, Service
from berthmaster.capacity.plan.deployments import Deployment
from berthmaster.capacity.plan.updates import Rollout

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


def service_of(service: "ServiceTypeDef") -> Service:
    """A service with its tags; without TAGS in the request, it counts as not managed."""
    tags = {tag["key"]: tag["value"] for tag in service.get("tags", [])}
    configuration, deploying = service.get("deploymentConfiguration", {}), is_deploying(service)
    return Service(
        cluster=Arn.parse(service["clusterArn"]).name,
        name=service["serviceName"],
        subnet_ids=subnets_of_service(service),
        desired=service["desiredCount"],
        running=service["runningCount"],
        maximum_percent=configuration.get("maximumPercent", 200),
        deploying=deploying,
        managed=tags.get(MANAGED_TAG) == MANAGED,
        controller=service.get("deploymentController", {}).get("type", "ECS"),
        tag=tags.get(MANAGED_TAG),
        strategy=configuration.get("strategy", ROLLING),
        unended=next((one.id for one in rollouts_of(service)[:1] if deploying or one.state == "FAILED"), ""),
    )


def rollouts_of(service: "ServiceTypeDef") -> tuple[Rollout, ...]:
    """The deployments of a service, the primary one first."""
    return tuple(
        Rollout(id=one.get("id", ""), state=one.get("rolloutState", ""), reason=one.get("rolloutStateReason", ""))
        for one in sorted(service.get("deployments", ()), key=lambda one: one.get("status") != "PRIMARY")
    )


def subnets_of_service(service: "ServiceTypeDef") -> tuple[str, ...]:
    """The subnets of its tasks; none if these have no addresses of their own."""
    # With the controllers EXTERNAL and CODE_DEPLOY the task sets have the network configuration.
    networks = [service.get("networkConfiguration"), *(one.get("networkConfiguration") for one in _task_sets(service))]
    return tuple(dict.fromkeys(subnet for network in networks for subnet in task_subnets(network)))


def _task_sets(service: "ServiceTypeDef") -> Iterable[Any]:
    return service.get("taskSets", ())


def task_subnets(network: Any) -> Iterable[str]:
    """The subnets of a network configuration; ECS writes its keys in lower case, EventBridge and Scheduler do not."""
    configuration: dict[str, Any] = (network or {}).get("awsvpcConfiguration", {})
    return configuration.get("subnets") or configuration.get("Subnets") or ()
