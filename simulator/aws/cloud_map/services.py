"""Cloud Map's services: moto's, described with the number of their instances."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulator.aws.cloud_map.registry import Discovery
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params, Parsed, Patches


def get_service(account: Account, params: Params) -> Parsed:
    """GetService, by id or ARN."""
    return {"Service": _described(account, find_service(account, {"ServiceId": params["Id"]}))}


def show_service(account: Account, _: Params, response: Parsed) -> None:
    """CreateService shows the service as GetService does."""
    response["Service"] = _described(account, find_service(account, {"ServiceId": response["Service"]["Id"]}))


def list_services(account: Account, params: Params) -> Parsed:
    """ListServices, filtered by namespace."""
    services = list(account.backend("servicediscovery").list_services())
    for condition in params.get("Filters", []):
        if condition["Name"] == "NAMESPACE_ID":
            services = [service for service in services if service.namespace_id in condition["Values"]]
    summaries = [_described(account, service) for service in services]
    for summary in summaries:
        del summary["NamespaceId"], summary["CreatorRequestId"]
    return {"Services": summaries}


def delete_service(account: Account, params: Params) -> Parsed:
    """DeleteService, by id or ARN: not while it has instances."""
    service = find_service(account, {"ServiceId": params["Id"]})
    if account.state(Discovery).registry(service.id).count():
        raise AwsError(
            "ResourceInUse", "Service contains registered instances; delete the instances before the service"
        )
    account.state(Discovery).forget(service.id)
    account.backend("servicediscovery").delete_service(service.id)
    return {}


def find_named_service(account: Account, params: Params) -> Any:
    """The service (moto's) that a request names by the names of its namespace and itself."""
    backend = account.backend("servicediscovery")
    namespaces = {one.id for one in backend.list_namespaces() if one.name == params["NamespaceName"]}
    if not namespaces:
        raise AwsError("NamespaceNotFound", f"Namespace {params['NamespaceName']} not found")
    for service in backend.list_services():
        if service.name == params["ServiceName"] and service.namespace_id in namespaces:
            return service
    raise AwsError("ServiceNotFound", f"Service {params['ServiceName']} not found")


def find_service(account: Account, params: Params) -> Any:
    """The service (moto's) that a request names by id or ARN."""
    return account.backend("servicediscovery").get_service(params["ServiceId"].rsplit("/", 1)[-1])


def _described(account: Account, service: Any) -> Parsed:
    by_dns = bool((service.dns_config or {}).get("DnsRecords"))
    described = service.to_json() | {
        "InstanceCount": len(account.state(Discovery).registry(service.id).instances),
        "Type": service.service_type or ("DNS_HTTP" if by_dns else "HTTP"),
        "ResourceOwner": account.account_id,
        "CreatedByAccount": account.account_id,
    }
    if by_dns:
        described["DnsConfig"] = {
            "RoutingPolicy": "MULTIVALUE",
            "NamespaceId": service.namespace_id,
        } | service.dns_config
    if service.health_check_custom_config is not None:
        described["HealthCheckCustomConfig"] = {"FailureThreshold": 1}
    return dated(described)


def dated(described: Parsed) -> Parsed:
    """A description with times in place of moto's seconds, without what has no value."""
    dates = {
        key: datetime.fromtimestamp(described[key], UTC) for key in ("CreateDate", "UpdateDate") if key in described
    }
    return {key: value for key, value in (described | dates).items() if value is not None}


HANDLERS: Handlers = {
    "servicediscovery:GetService": get_service,
    "servicediscovery:ListServices": list_services,
    "servicediscovery:DeleteService": delete_service,
}
PATCHES: Patches = {"servicediscovery:CreateService": show_service}
