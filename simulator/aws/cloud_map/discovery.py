"""Cloud Map's data plane: which instances are discovered, and their health."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.aws.cloud_map.instances import find_instance
from simulator.aws.cloud_map.registry import Discovery, Instance
from simulator.aws.cloud_map.services import find_named_service, find_service
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulator.account import Account, Handlers, Params, Parsed

DISCOVERED_AT_ONCE = 100
PAGE = 100


def discover_instances(account: Account, params: Params) -> Parsed:
    """DiscoverInstances: in random order, 100 unless more are asked for, and no next page.

    What a request without HealthStatus gives is unverified; here, all.
    """
    service = find_named_service(account, params)
    registry = account.state(Discovery).registry(service.id)
    found = _matching(registry.instances.values(), params.get("QueryParameters", {}))
    found = _matching(found, params.get("OptionalParameters", {})) or found
    found = _of_health(found, params.get("HealthStatus", "ALL"))
    account.state(Discovery).random.shuffle(found)
    return {
        "Instances": [
            {
                "InstanceId": instance.instance_id,
                "NamespaceName": params["NamespaceName"],
                "ServiceName": params["ServiceName"],
                "HealthStatus": instance.health,
                "Attributes": dict(instance.attributes),
            }
            for instance in found[: params.get("MaxResults", DISCOVERED_AT_ONCE)]
        ],
        "InstancesRevision": registry.revision,
    }


def discover_instances_revision(account: Account, params: Params) -> Parsed:
    """DiscoverInstancesRevision: changes with each operation that succeeds, and not with health."""
    return {"InstancesRevision": account.state(Discovery).registry(find_named_service(account, params).id).revision}


def update_instance_custom_health_status(account: Account, params: Params) -> Parsed:
    """UpdateInstanceCustomHealthStatus: seen `health_delay` later; asking again does not hasten it."""
    service = find_service(account, params)
    instance, status = find_instance(account, service, params["InstanceId"]), params["Status"]
    if service.health_check_custom_config is None:
        raise AwsError("CustomHealthNotFound", f"Service {service.id} has no custom health check.")

    def apply() -> None:
        instance.health = status

    account.later(account.state(Discovery).health_delay, apply)
    return {}


def get_instances_health_status(account: Account, params: Params) -> Parsed:
    """GetInstancesHealthStatus, of all instances or of those named."""
    service = find_service(account, params)
    wanted = params.get("Instances") or list(account.state(Discovery).registry(service.id).instances)
    start = int(params.get("NextToken", "0"))
    end = start + params.get("MaxResults", PAGE)
    answer: Parsed = {"Status": {key: find_instance(account, service, key).health for key in wanted[start:end]}}
    if end < len(wanted):
        answer["NextToken"] = str(end)
    return answer


def _matching(instances: Iterable[Instance], wanted: Mapping[str, str]) -> list[Instance]:
    return [one for one in instances if all(one.attributes.get(key) == value for key, value in wanted.items())]


def _of_health(instances: list[Instance], wanted: str) -> list[Instance]:
    if wanted == "ALL":
        return instances
    healthy = [one for one in instances if one.health in ("HEALTHY", "UNKNOWN")]
    if wanted == "UNHEALTHY":
        return [one for one in instances if one.health in ("UNHEALTHY", "UNKNOWN")]
    return healthy or (instances if wanted == "HEALTHY_OR_ELSE_ALL" else [])


HANDLERS: Handlers = {
    "servicediscovery:DiscoverInstances": discover_instances,
    "servicediscovery:DiscoverInstancesRevision": discover_instances_revision,
    "servicediscovery:UpdateInstanceCustomHealthStatus": update_instance_custom_health_status,
    "servicediscovery:GetInstancesHealthStatus": get_instances_health_status,
}
