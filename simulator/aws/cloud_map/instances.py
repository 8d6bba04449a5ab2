"""Cloud Map's instances. They are registered and deregistered by operations, which take time and may fail.

Namespaces, services and their tags are moto's. Source: the AWS Cloud Map API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.cloud_map.instance_rules import refusal, shape_of
from simulator.aws.cloud_map.registry import Discovery, Instance, Operation, Registry
from simulator.aws.cloud_map.services import dated, find_service
from simulator.calls import caller
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params, Parsed

API_NAMES = {"REGISTER_INSTANCE": "RegisterInstance", "DEREGISTER_INSTANCE": "DeregisterInstance"}


def register_instance(account: Account, params: Params) -> Parsed:
    """RegisterInstance: an upsert by service and instance id.

    A CreatorRequestId seen before with the same content gives the same operation, even if the instance has been
    deregistered since; with other content it is refused. Both are unverified: the stricter readings.
    """
    discovery = account.state(Discovery)
    discovery.registrations.admit(account)
    service = find_service(account, params)
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
        _check_quotas(account, service)
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


def deregister_instance(account: Account, params: Params) -> Parsed:
    """DeregisterInstance."""
    account.state(Discovery).deregistrations.admit(account)
    service, instance_id = find_service(account, params), params["InstanceId"]
    _check_free(account.state(Discovery).registry(service.id), instance_id)
    find_instance(account, service, instance_id)

    def effect(registry: Registry) -> None:
        del registry.instances[instance_id]

    return {
        "OperationId": account.state(Discovery)
        .begin("DEREGISTER_INSTANCE", service.id, instance_id, effect)
        .operation_id
    }


def get_operation(account: Account, params: Params) -> Parsed:
    """GetOperation: SUBMITTED, PENDING, and then SUCCESS or FAIL; operations on namespaces and services are moto's."""
    operation = account.state(Discovery).operations.get(params["OperationId"])
    if operation is None:
        return {"Operation": dated(account.backend("servicediscovery").get_operation(params["OperationId"]).to_json())}
    status, since = operation.status_at(account.clock.now())
    described = {
        "Id": operation.operation_id,
        "OwnerAccount": account.account_id,
        "Type": operation.kind,
        "Status": status,
        "CreateDate": operation.submitted,
        "UpdateDate": since,
        "Targets": {"SERVICE": operation.service_id, "INSTANCE": operation.instance_id},
    }
    if status == "FAIL":
        error = operation.ending.error
        described |= {"ErrorCode": error, "ErrorMessage": f"The operation failed with {error}."}
    return {"Operation": described}


def list_instances(account: Account, params: Params) -> Parsed:
    """ListInstances, oldest first."""
    registry = account.state(Discovery).registry(find_service(account, params).id)
    return {
        "ResourceOwner": account.account_id,
        "Instances": [
            {"Id": key, "Attributes": dict(instance.attributes), "CreatedByAccount": account.account_id}
            for key, instance in registry.instances.items()
        ],
    }


def get_instance(account: Account, params: Params) -> Parsed:
    """GetInstance."""
    instance = find_instance(account, find_service(account, params), params["InstanceId"])
    return {
        "ResourceOwner": account.account_id,
        "Instance": {
            "Id": instance.instance_id,
            "CreatorRequestId": instance.creator_request_id,
            "Attributes": dict(instance.attributes),
            "CreatedByAccount": account.account_id,
        },
    }


def find_instance(account: Account, service: Any, instance_id: str) -> Instance:
    """A registered instance of a service (moto's), or AWS's error."""
    instance = account.state(Discovery).registry(service.id).instances.get(instance_id)
    if instance is None:
        raise AwsError("InstanceNotFound", f"Instance {instance_id} not found in service {service.id}")
    return instance


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


def _check_quotas(account: Account, service: Any) -> None:
    discovery = account.state(Discovery)
    if discovery.registry(service.id).count() >= discovery.instances_per_service:
        raise AwsError("ResourceLimitExceeded", f"Service {service.id} has reached its limit of instances.")
    neighbours = [
        one.id
        for one in account.backend("servicediscovery").list_services()
        if one.namespace_id == service.namespace_id
    ]
    if sum(discovery.registry(one).count() for one in neighbours) >= discovery.instances_per_namespace:
        raise AwsError("ResourceLimitExceeded", f"Namespace {service.namespace_id} has reached its limit of instances.")


HANDLERS: Handlers = {
    "servicediscovery:RegisterInstance": register_instance,
    "servicediscovery:DeregisterInstance": deregister_instance,
    "servicediscovery:GetOperation": get_operation,
    "servicediscovery:ListInstances": list_instances,
    "servicediscovery:GetInstance": get_instance,
}
