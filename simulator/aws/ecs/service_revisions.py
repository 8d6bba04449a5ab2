"""Service revisions: each deployment of a service brings one, which can be described when the deployment is gone too.

That every deployment has a revision of its own, with the deployment's number, is unverified.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.deployments import Deployments
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Handlers, Params


DESCRIBE_LIMIT = 20


def revision_arn(service: Any, deployment: Mapping[str, Any]) -> str:
    """The ARN of the revision of a service (moto's) that a deployment of it brings."""
    home, name = service.arn.rsplit(":", 1)
    return f"{home}:{name.replace('service/', 'service-revision/', 1)}/{deployment['id'].rpartition('/')[2]}"


def describe_service_revisions(account: Account, params: Params) -> dict[str, Any]:
    """DescribeServiceRevisions, 20 at most; an unknown one is a failure, not an error."""
    arns = params["serviceRevisionArns"]
    if len(arns) > DESCRIBE_LIMIT:
        message = f"Service revision ARNs cannot have more than {DESCRIBE_LIMIT} elements."
        raise AwsError("InvalidParameterException", message)
    known = {
        revision_arn(service, deployment): _described(service, deployment)
        for service, deployment in account.state(Deployments).begun
    }
    return {
        "serviceRevisions": [known[arn] for arn in arns if arn in known],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known],
    }


def _described(service: Any, deployment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "serviceRevisionArn": revision_arn(service, deployment),
        "serviceArn": service.arn,
        "clusterArn": service.cluster_arn,
        "taskDefinition": deployment["taskDefinition"],
        "launchType": service.launch_type,
        "loadBalancers": service.load_balancers,
        "serviceRegistries": service.service_registries,
        "networkConfiguration": deployment["networkConfiguration"],
        # moto leaves out the zone of a service's first deployment.
        "createdAt": deployment["createdAt"].replace(tzinfo=UTC),
    }


HANDLERS: Handlers = {"ecs:DescribeServiceRevisions": describe_service_revisions}
