"""Cloud Map: instances that come and go by operations, which take time, may fail, and exclude one another.

Namespaces, services and their tags are moto's. Source: the AWS Cloud Map API reference.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulator.aws.cloud_map.instance_rules import refusal, shape_of
from simulator.aws.cloud_map.registry import Instance, Operation, Registry
from simulator.calls import OPERATOR, WORKLOAD, caller
from simulator.errors import AwsError, Throttled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulator.aws.throttling import TokenBucket
    from simulator.cloud import Answers, Cloud, Mends

type Params = Mapping[str, Any]
type Parsed = dict[str, Any]

DISCOVERED_AT_ONCE = 100
PAGE = 100
API_NAMES = {"REGISTER_INSTANCE": "RegisterInstance", "DEREGISTER_INSTANCE": "DeregisterInstance"}


def register_instance(cloud: Cloud, params: Params) -> Parsed:
    """RegisterInstance: an upsert by service and instance id.

    A CreatorRequestId seen before with the same content gives the same operation, even if the instance has been
    deregistered since; with other content it is refused. Both are unverified: the stricter readings.
    """
    discovery = cloud.discovery
    _throttle(cloud, discovery.registrations)
    service = _service(cloud, params)
    instance_id, attributes = params["InstanceId"], dict(params["Attributes"])
    if problem := refusal(instance_id, attributes, shape_of(service)):
        raise AwsError("InvalidInput", problem)
    registry, request_id = discovery.registry(service.id), params["CreatorRequestId"]
    if request_id in registry.requests:
        *content, operation = registry.requests[request_id]
        if content != [instance_id, attributes]:
            raise _duplicate(operation)
        return {"OperationId": operation.operation_id}
    _check_free(registry, instance_id)
    if instance_id not in registry.instances:
        _check_quotas(cloud, service)
    custom = service.health_check_custom_config is not None
    health = attributes.get("AWS_INIT_HEALTH_STATUS", "HEALTHY")
    if not custom and not service.health_check_config:
        health = "UNKNOWN"
    instance = Instance(instance_id, attributes, request_id, caller(), health)

    def effect(registry: Registry) -> None:
        registry.instances[instance_id] = instance

    operation = discovery.begin("REGISTER_INSTANCE", service.id, instance_id, effect)
    registry.requests[request_id] = (instance_id, attributes, operation)
    return {"OperationId": operation.operation_id}


def deregister_instance(cloud: Cloud, params: Params) -> Parsed:
    """DeregisterInstance."""
    _throttle(cloud, cloud.discovery.deregistrations)
    service, instance_id = _service(cloud, params), params["InstanceId"]
    _check_free(cloud.discovery.registry(service.id), instance_id)
    _instance(cloud, service, instance_id)

    def effect(registry: Registry) -> None:
        del registry.instances[instance_id]

    return {"OperationId": cloud.discovery.begin("DEREGISTER_INSTANCE", service.id, instance_id, effect).operation_id}


def get_operation(cloud: Cloud, params: Params) -> Parsed:
    """GetOperation: SUBMITTED, PENDING, and then SUCCESS or FAIL; operations on namespaces and services are moto's."""
    operation = cloud.discovery.operations.get(params["OperationId"])
    if operation is None:
        return {"Operation": _dated(_motos(cloud).get_operation(params["OperationId"]).to_json())}
    status, since = operation.status_at(cloud.clock.now())
    described = {
        "Id": operation.operation_id,
        "OwnerAccount": cloud.account,
        "Type": operation.kind,
        "Status": status,
        "CreateDate": operation.submitted,
        "UpdateDate": since,
        "Targets": {"SERVICE": operation.service_id, "INSTANCE": operation.instance_id},
    }
    if status == "FAIL":
        described |= {"ErrorCode": operation.error, "ErrorMessage": f"The operation failed with {operation.error}."}
    return {"Operation": described}


def get_service(cloud: Cloud, params: Params) -> Parsed:
    """GetService, by id or ARN."""
    return {"Service": _described(cloud, _service(cloud, {"ServiceId": params["Id"]}))}


def show_service(cloud: Cloud, _: Params, answer: Parsed) -> None:
    """CreateService answers as GetService does."""
    answer["Service"] = _described(cloud, _service(cloud, {"ServiceId": answer["Service"]["Id"]}))


def list_services(cloud: Cloud, params: Params) -> Parsed:
    """ListServices, filtered by namespace."""
    services = list(_motos(cloud).list_services())
    for condition in params.get("Filters", []):
        if condition["Name"] == "NAMESPACE_ID":
            services = [service for service in services if service.namespace_id in condition["Values"]]
    summaries = [_described(cloud, service) for service in services]
    for summary in summaries:
        del summary["NamespaceId"], summary["CreatorRequestId"]
    return {"Services": summaries}


def delete_service(cloud: Cloud, params: Params) -> None:
    """DeleteService: not while it has instances; the rest is moto's."""
    service = _service(cloud, {"ServiceId": params["Id"]})
    if cloud.discovery.registry(service.id).count():
        raise AwsError(
            "ResourceInUse", "Service contains registered instances; delete the instances before the service"
        )
    cloud.discovery.forget(service.id)


def list_instances(cloud: Cloud, params: Params) -> Parsed:
    """ListInstances, oldest first."""
    registry = cloud.discovery.registry(_service(cloud, params).id)
    return {
        "ResourceOwner": cloud.account,
        "Instances": [
            {"Id": key, "Attributes": dict(instance.attributes), "CreatedByAccount": cloud.account}
            for key, instance in registry.instances.items()
        ],
    }


def get_instance(cloud: Cloud, params: Params) -> Parsed:
    """GetInstance."""
    instance = _instance(cloud, _service(cloud, params), params["InstanceId"])
    return {
        "ResourceOwner": cloud.account,
        "Instance": {
            "Id": instance.instance_id,
            "CreatorRequestId": instance.creator_request_id,
            "Attributes": dict(instance.attributes),
            "CreatedByAccount": cloud.account,
        },
    }


def discover_instances(cloud: Cloud, params: Params) -> Parsed:
    """DiscoverInstances: in random order, 100 unless more are asked for, and no next page.

    What a request without HealthStatus gives is unverified; here, all.
    """
    service = _named_service(cloud, params)
    registry = cloud.discovery.registry(service.id)
    found = _matching(registry.instances.values(), params.get("QueryParameters", {}))
    found = _matching(found, params.get("OptionalParameters", {})) or found
    found = _of_health(found, params.get("HealthStatus", "ALL"))
    cloud.discovery.random.shuffle(found)
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


def discover_instances_revision(cloud: Cloud, params: Params) -> Parsed:
    """DiscoverInstancesRevision: changes with each operation that succeeds, and not with health."""
    return {"InstancesRevision": cloud.discovery.registry(_named_service(cloud, params).id).revision}


def update_instance_custom_health_status(cloud: Cloud, params: Params) -> Parsed:
    """UpdateInstanceCustomHealthStatus: seen `health_delay` later; asking again does not hasten it."""
    service = _service(cloud, params)
    instance, status = _instance(cloud, service, params["InstanceId"]), params["Status"]
    if service.health_check_custom_config is None:
        raise AwsError("CustomHealthNotFound", f"Service {service.id} has no custom health check.")

    def apply() -> None:
        instance.health = status

    cloud.later(cloud.discovery.health_delay, apply)
    return {}


def get_instances_health_status(cloud: Cloud, params: Params) -> Parsed:
    """GetInstancesHealthStatus, of all instances or of those named."""
    service = _service(cloud, params)
    wanted = params.get("Instances") or list(cloud.discovery.registry(service.id).instances)
    start = int(params.get("NextToken", "0"))
    end = start + params.get("MaxResults", PAGE)
    answer: Parsed = {"Status": {key: _instance(cloud, service, key).health for key in wanted[start:end]}}
    if end < len(wanted):
        answer["NextToken"] = str(end)
    return answer


def _motos(cloud: Cloud) -> Any:
    return cloud.backend("servicediscovery")


def _service(cloud: Cloud, params: Params) -> Any:
    return _motos(cloud).get_service(params["ServiceId"].rsplit("/", 1)[-1])


def _named_service(cloud: Cloud, params: Params) -> Any:
    backend = _motos(cloud)
    namespaces = {one.id for one in backend.list_namespaces() if one.name == params["NamespaceName"]}
    if not namespaces:
        raise AwsError("NamespaceNotFound", f"Namespace {params['NamespaceName']} not found")
    for service in backend.list_services():
        if service.name == params["ServiceName"] and service.namespace_id in namespaces:
            return service
    raise AwsError("ServiceNotFound", f"Service {params['ServiceName']} not found")


def _instance(cloud: Cloud, service: Any, instance_id: str) -> Instance:
    instance = cloud.discovery.registry(service.id).instances.get(instance_id)
    if instance is None:
        raise AwsError("InstanceNotFound", f"Instance {instance_id} not found in service {service.id}")
    return instance


def _throttle(cloud: Cloud, bucket: TokenBucket) -> None:
    if caller() not in (OPERATOR, WORKLOAD) and not bucket.take(cloud.clock.timestamp()):
        # RequestLimitExceeded is DiscoverInstances' own; the control plane throttles as most of AWS does.
        raise Throttled("ThrottlingException", "Rate exceeded")


def _check_free(registry: Registry, instance_id: str) -> None:
    if operation := registry.under_way.get(instance_id):
        raise _duplicate(operation)


def _duplicate(operation: Operation) -> AwsError:
    state = "has completed" if operation.finished else "is in progress"
    return AwsError(
        "DuplicateRequest",
        f"Another operation of type {API_NAMES[operation.kind]} and id {operation.operation_id} {state}",
        DuplicateOperationId=operation.operation_id,
    )


def _check_quotas(cloud: Cloud, service: Any) -> None:
    discovery = cloud.discovery
    if discovery.registry(service.id).count() >= discovery.instances_per_service:
        raise AwsError("ResourceLimitExceeded", f"Service {service.id} has reached its limit of instances.")
    neighbours = [one.id for one in _motos(cloud).list_services() if one.namespace_id == service.namespace_id]
    if sum(discovery.registry(one).count() for one in neighbours) >= discovery.instances_per_namespace:
        raise AwsError("ResourceLimitExceeded", f"Namespace {service.namespace_id} has reached its limit of instances.")


def _matching(instances: Iterable[Instance], wanted: Mapping[str, str]) -> list[Instance]:
    return [one for one in instances if all(one.attributes.get(key) == value for key, value in wanted.items())]


def _of_health(instances: list[Instance], wanted: str) -> list[Instance]:
    if wanted == "ALL":
        return instances
    healthy = [one for one in instances if one.health in ("HEALTHY", "UNKNOWN")]
    if wanted == "UNHEALTHY":
        return [one for one in instances if one.health in ("UNHEALTHY", "UNKNOWN")]
    return healthy or (instances if wanted == "HEALTHY_OR_ELSE_ALL" else [])


def _described(cloud: Cloud, service: Any) -> Parsed:
    by_dns = bool((service.dns_config or {}).get("DnsRecords"))
    described = service.to_json() | {
        "InstanceCount": len(cloud.discovery.registry(service.id).instances),
        "Type": service.service_type or ("DNS_HTTP" if by_dns else "HTTP"),
        "ResourceOwner": cloud.account,
        "CreatedByAccount": cloud.account,
    }
    if by_dns:
        described["DnsConfig"] = {
            "RoutingPolicy": "MULTIVALUE",
            "NamespaceId": service.namespace_id,
        } | service.dns_config
    if service.health_check_custom_config is not None:
        described["HealthCheckCustomConfig"] = {"FailureThreshold": 1}
    return _dated(described)


def _dated(described: Parsed) -> Parsed:
    dates = {
        key: datetime.fromtimestamp(described[key], UTC) for key in ("CreateDate", "UpdateDate") if key in described
    }
    return {key: value for key, value in (described | dates).items() if value is not None}


ANSWERS: Answers = {
    "servicediscovery:RegisterInstance": register_instance,
    "servicediscovery:DeregisterInstance": deregister_instance,
    "servicediscovery:GetOperation": get_operation,
    "servicediscovery:GetService": get_service,
    "servicediscovery:ListServices": list_services,
    "servicediscovery:DeleteService": delete_service,
    "servicediscovery:ListInstances": list_instances,
    "servicediscovery:GetInstance": get_instance,
    "servicediscovery:DiscoverInstances": discover_instances,
    "servicediscovery:DiscoverInstancesRevision": discover_instances_revision,
    "servicediscovery:UpdateInstanceCustomHealthStatus": update_instance_custom_health_status,
    "servicediscovery:GetInstancesHealthStatus": get_instances_health_status,
}
MENDS: Mends = {"servicediscovery:CreateService": show_service}
