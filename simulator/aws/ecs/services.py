"""ECS services: listed in pages, described with their deployments, updated as AWS does.

A change of network configuration, task definition or platform version, or `forceNewDeployment`, starts a deployment; a
change of desired count or deployment configuration does not. A deployment that is still in progress then is replaced.
Tasks come and go in `simulator.workload`. Source: UpdateService in the Amazon ECS API reference; for the most
deployments at once, AWS's support in aws/containers-roadmap#2836 (unverified: its error code).
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.lookup import all_subnets
from simulator.aws.ecs.deployments import begin, configuration_of, start_deployment
from simulator.aws.throttling import TokenBucket
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Handlers, Params, Patches


DESCRIBE_LIMIT = 10
SUBNETS_LIMIT = 16
SECURITY_GROUPS_LIMIT = 5
ACTIVE_DEPLOYMENTS_LIMIT = 5
STARTS_DEPLOYMENT = ("networkConfiguration", "taskDefinition", "platformVersion", "loadBalancers", "serviceRegistries")


class Reads:
    """The rates of reads, from "Request throttling for the Amazon ECS API"."""

    def __init__(self, _: Account) -> None:
        self.of_clusters = TokenBucket(rate=20, burst=50)
        self.of_services = TokenBucket(rate=20, burst=100)


def cluster(account: Account, params: Params) -> Any:
    """The cluster (moto's) that a request names, by name or ARN."""
    name = params.get("cluster", "default").split("/")[-1]
    if name not in account.backend("ecs").clusters:
        raise AwsError("ClusterNotFoundException", "Cluster not found.")
    return account.backend("ecs").clusters[name]


def list_clusters(account: Account, _: Params) -> dict[str, Any]:
    """ListClusters."""
    account.state(Reads).of_clusters.admit(account)
    return {"clusterArns": [one.arn for one in account.backend("ecs").clusters.values()]}


def list_services(account: Account, params: Params) -> dict[str, Any]:
    """ListServices of exactly one cluster; moto also returns those of clusters whose name ends alike."""
    account.state(Reads).of_services.admit(account)
    prefix = f"{cluster(account, params).name}:"
    wanted = {"launch_type": params.get("launchType"), "scheduling_strategy": params.get("schedulingStrategy")}
    return {
        "serviceArns": sorted(
            service.arn
            for key, service in account.backend("ecs").services.items()
            if key.startswith(prefix)
            and all(value is None or getattr(service, name) == value for name, value in wanted.items())
        )
    }


def describe_services(account: Account, params: Params) -> dict[str, Any]:
    """DescribeServices, ten at most; an unknown one is a failure, not an error."""
    account.state(Reads).of_services.admit(account)
    home = cluster(account, params)
    names = params["services"]
    if len(names) > DESCRIBE_LIMIT:
        raise AwsError("InvalidParameterException", f"Services cannot have more than {DESCRIBE_LIMIT} elements.")
    found, failures = [], []
    for name in names:
        service = account.backend("ecs").services.get(f"{home.name}:{name.split('/')[-1]}")
        if service is None:
            arn = f"arn:aws:ecs:{account.region}:{account.account_id}:service/{home.name}/{name.split('/')[-1]}"
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(described(service, with_tags="TAGS" in params.get("include", [])))
    return {"services": found, "failures": failures}


def described(service: Any, *, with_tags: bool = False) -> dict[str, Any]:
    """One service (moto's) as DescribeServices shows it."""
    answer = {
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": service.cluster_arn,
        "loadBalancers": service.load_balancers,
        "serviceRegistries": service.service_registries,
        "status": service.status,
        "desiredCount": service.desired_count,
        "runningCount": service.running_count,
        "pendingCount": service.pending_count,
        "launchType": service.launch_type,
        "deploymentConfiguration": configuration_of(service),
        "deployments": [_deployment(item) for item in service.deployments],
        "events": service.events,
        "placementConstraints": [],
        "placementStrategy": [],
        "schedulingStrategy": service.scheduling_strategy,
        "deploymentController": service.deployment_controller,
        "enableECSManagedTags": False,
        "propagateTags": service.propagate_tags,
        "enableExecuteCommand": False,
    }
    optional = {
        "taskDefinition": service.task_definition,
        "platformVersion": service.platform_version,
        "networkConfiguration": service.network_configuration or None,
        "roleArn": service.role_arn,
        "tags": service.tags if with_tags else None,
        "taskSets": [_task_set(one) for one in service.task_sets] or None,
    }
    return answer | {name: value for name, value in optional.items() if value is not None}


def _deployment(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value is not None}


def _task_set(one: Any) -> dict[str, Any]:
    """A task set (moto's) of a service with a deployment controller of type CODE_DEPLOY or EXTERNAL."""
    return {
        "id": one.id,
        "taskSetArn": one.task_set_arn,
        "status": one.status,
        "taskDefinition": one.task_definition,
        "createdAt": one.createdAt.replace(tzinfo=UTC),
        "loadBalancers": one.load_balancers,
        "serviceRegistries": one.service_registries,
        "launchType": one.launch_type,
        "scale": one.scale,
        "stabilityStatus": one.stabilityStatus,
    }


def update_service(account: Account, params: Params) -> dict[str, Any]:
    """UpdateService: checks the subnets, applies the changes, starts a deployment if one of them needs it."""
    home = cluster(account, params)
    service = account.backend("ecs").services.get(f"{home.name}:{params['service'].split('/')[-1]}")
    if service is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if service.status != "ACTIVE":
        raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
    is_deployed = _starts_deployment(service, params)
    if "networkConfiguration" in params:
        check_network(account, params["networkConfiguration"])
        _check_controller(service, "networkConfiguration")
        service.network_configuration = params["networkConfiguration"]
    if "taskDefinition" in params:
        service.task_definition = account.backend("ecs").describe_task_definition(params["taskDefinition"]).arn
    if "platformVersion" in params:
        service.platform_version = params["platformVersion"]
    if "deploymentConfiguration" in params:
        service.deployment_configuration = configuration_of(service) | params["deploymentConfiguration"]
    if "desiredCount" in params:
        service.desired_count = params["desiredCount"]
        if service.deployments:
            service.deployments[0]["desiredCount"] = params["desiredCount"]
    if is_deployed:
        start_deployment(account, service)
    return {"service": described(service)}


def check_network(account: Account, network: Mapping[str, Any]) -> None:
    """Refuse a network configuration that ECS refuses."""
    awsvpc = network.get("awsvpcConfiguration", {})
    subnets = awsvpc.get("subnets", [])
    if not subnets:
        raise AwsError("InvalidParameterException", "subnets can not be empty.")
    if len(subnets) > SUBNETS_LIMIT:
        raise AwsError(
            "InvalidParameterException", f"Networking configuration cannot have more than {SUBNETS_LIMIT} subnets."
        )
    if len(awsvpc.get("securityGroups", [])) > SECURITY_GROUPS_LIMIT:
        raise AwsError("InvalidParameterException", "Networking configuration cannot have more than 5 security groups.")
    known = {subnet.id: subnet for subnet in all_subnets(account)}
    for subnet_id in subnets:
        if subnet_id not in known:
            message = f"The subnet ID '{subnet_id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
            raise AwsError(
                "InvalidParameterException", f"Error retrieving subnet information for [{subnet_id}]: {message}"
            )
    if len({known[subnet_id].vpc_id for subnet_id in subnets}) > 1:
        raise AwsError("InvalidParameterException", "Subnets must be in the same VPC.")


def _starts_deployment(service: Any, params: Params) -> bool:
    """Whether an update starts a deployment; refused while too many others are in progress."""
    if not params.get("forceNewDeployment") and not any(name in params for name in STARTS_DEPLOYMENT):
        return False
    if len(service.deployments) >= ACTIVE_DEPLOYMENTS_LIMIT:
        message = f"{ACTIVE_DEPLOYMENTS_LIMIT} active deployments exist, unable to create new deployment."
        raise AwsError("InvalidParameterException", message)
    return True


def _check_controller(service: Any, change: str) -> None:
    if service.deployment_controller["type"] != "ECS":
        controller = service.deployment_controller["type"]
        message = f"Unable to update {change} on services with a {controller} deployment controller."
        raise AwsError("InvalidParameterException", message)


def check_new_service(account: Account, params: Params) -> None:
    """CreateService refuses the network configurations that UpdateService refuses."""
    if "networkConfiguration" in params:
        check_network(account, params["networkConfiguration"])


def keep_configuration(account: Account, params: Params, answer: dict[str, Any]) -> None:
    """CreateService: keep the deployment configuration, and begin the first deployment."""
    service = account.backend("ecs").services[f"{cluster(account, params).name}:{params['serviceName']}"]
    service.deployment_configuration = params.get("deploymentConfiguration", {})
    if service.deployments:
        begin(account, service, service.deployments[0])
    answer["service"] = described(service)


HANDLERS: Handlers = {
    "ecs:ListClusters": list_clusters,
    "ecs:ListServices": list_services,
    "ecs:DescribeServices": describe_services,
    "ecs:UpdateService": update_service,
    "ecs:CreateService": check_new_service,
}
PATCHES: Patches = {"ecs:CreateService": keep_configuration}
