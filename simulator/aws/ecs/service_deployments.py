"""Service deployments: what became of each deployment of a service, and how far one that shifts traffic has come.

Sources: ListServiceDeployments, DescribeServiceDeployments and `ServiceDeployment` in the Amazon ECS API reference.
Unverified: the status of a deployment whose place another one took (here STOPPED), and that the weights of a rolling
deployment are shown as 100 for its target.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.blue_green import BlueGreen
from simulator.aws.ecs.deployments import Deployments, configuration_of
from simulator.aws.ecs.service_revisions import revision_arn
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.account import Account, Handlers, Params
    from simulator.aws.ecs.blue_green import Rollout
    from simulator.aws.ecs.deployments import Deployment

DESCRIBE_LIMIT = 20


def deployment_arn(service: Any, deployment: Deployment) -> str:
    """The ARN of the service deployment (of moto's service) that a deployment is."""
    return revision_arn(service, deployment).replace(":service-revision/", ":service-deployment/")


def list_service_deployments(account: Account, params: Params) -> dict[str, Any]:
    """ListServiceDeployments of one service, the newest first, by status and by time of creation."""
    home, name = params.get("cluster", "default").split("/")[-1], params["service"].split("/")[-1]
    service = account.backend("ecs").services.get(f"{home}:{name}")
    if service is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    created, wanted = params.get("createdAt", {}), params.get("status")
    shown = [_brief(account, service, one) for one in reversed(_deployments(account, service))]
    return {
        "serviceDeployments": [
            one
            for one in shown
            if (not wanted or one["status"] in wanted)
            and ("after" not in created or one["createdAt"] > created["after"])
            and ("before" not in created or one["createdAt"] < created["before"])
        ]
    }


def describe_service_deployments(account: Account, params: Params) -> dict[str, Any]:
    """DescribeServiceDeployments, 20 at most; an unknown one is a failure, not an error."""
    arns = params["serviceDeploymentArns"]
    if len(arns) > DESCRIBE_LIMIT:
        message = f"Service deployment ARNs cannot have more than {DESCRIBE_LIMIT} elements."
        raise AwsError("InvalidParameterException", message)
    known = {
        deployment_arn(service, one): _described(account, service, one)
        for service, one in account.state(Deployments).begun
    }
    return {
        "serviceDeployments": [known[arn] for arn in arns if arn in known],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known],
    }


def _deployments(account: Account, service: Any) -> list[Deployment]:
    return [one for home, one in account.state(Deployments).begun if home is service]


def _brief(account: Account, service: Any, deployment: Deployment) -> dict[str, Any]:
    created_at = deployment["createdAt"].replace(tzinfo=UTC)
    return {
        "serviceDeploymentArn": deployment_arn(service, deployment),
        "serviceArn": service.arn,
        "clusterArn": service.cluster_arn,
        "createdAt": created_at,
        "startedAt": created_at,
        "targetServiceRevisionArn": revision_arn(service, deployment),
        "status": _status(account, service, deployment),
    }


def _status(account: Account, service: Any, deployment: Deployment) -> str:
    rollout = account.state(BlueGreen).by_green.get(deployment["id"])
    # A blue deployment that traffic goes back to has been successful long before.
    if deployment["rolloutState"] == "COMPLETED" or account.state(Deployments).completed.get(service.arn) is deployment:
        return "SUCCESSFUL"
    if deployment["rolloutState"] == "FAILED":
        return "STOPPED" if rollout is None else "ROLLBACK_IN_PROGRESS" if rollout.is_active else "ROLLBACK_SUCCESSFUL"
    return "IN_PROGRESS" if service.deployments[0] is deployment else "STOPPED"


def _described(account: Account, service: Any, deployment: Deployment) -> dict[str, Any]:
    rollout = account.state(BlueGreen).by_green.get(deployment["id"])
    brief = _brief(account, service, deployment)
    del brief["targetServiceRevisionArn"]
    stage = {"lifecycleStage": rollout.lifecycle_stage} if rollout else {}
    weight = rollout.weight if rollout else 100.0
    return {
        **brief,
        **stage,
        "deploymentConfiguration": configuration_of(service),
        "sourceServiceRevisions": list(_sources(account, service, deployment, rollout)),
        "targetServiceRevision": _revision(service, deployment, weight),
    }


def _sources(
    account: Account, service: Any, deployment: Deployment, rollout: Rollout | None
) -> Iterable[dict[str, Any]]:
    """The revisions with tasks that are older; production traffic is blue's until it is shifted."""
    for one in service.deployments:
        if one is not deployment and rollout is not None and _is_older(account, one, deployment):
            yield _revision(service, one, 100.0 - rollout.weight if one is rollout.blue else 0.0)


def _is_older(account: Account, one: Deployment, other: Deployment) -> bool:
    order = [deployment["id"] for _, deployment in account.state(Deployments).begun]
    return order.index(one["id"]) < order.index(other["id"])


def _revision(service: Any, deployment: Deployment, weight: float) -> dict[str, Any]:
    return {
        "arn": revision_arn(service, deployment),
        "requestedTaskCount": deployment["desiredCount"],
        "runningTaskCount": deployment["runningCount"],
        "pendingTaskCount": deployment["pendingCount"],
        "requestedProductionTrafficWeight": weight,
    }


HANDLERS: Handlers = {
    "ecs:ListServiceDeployments": list_service_deployments,
    "ecs:DescribeServiceDeployments": describe_service_deployments,
}
