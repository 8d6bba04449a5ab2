"""Tasks, destinations and ledger items for tests."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

from berthmaster.targets.model import (
    Address,
    AddressHolder,
    Claim,
    ClaimKey,
    ClaimState,
    Container,
    Declaration,
    Definition,
    Destination,
    DiscoveryService,
    EcsSelector,
    Endpoint,
    Fence,
    Policy,
    Selector,
    TargetGroup,
    Task,
)
from berthmaster.targets.plan.events import Scene
from berthmaster.targets.plan.mapping import endpoint

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
INVOCATION_ID = "11111111-2222-4333-8444-555555555555"
"""Of the invocation that plans at noon."""
SUBNET = "subnet-0a11111111111111a"
VPC = "vpc-0a1b2c3d4e5f60718"
PORT = 8080
ONE_PORT = Definition((Container("app", {str(PORT): PORT}),))
CHECKED = Definition((Container("app", {str(PORT): PORT}),), has_health_check=True)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def task_arn(number: int, cluster: str = "web") -> str:
    return f"arn:aws:ecs:eu-central-1:123456789012:task/{cluster}/{number:032x}"


def definition_arn(family: str) -> str:
    return f"arn:aws:ecs:eu-central-1:123456789012:task-definition/{family}:1"


def a_task(number: int = 1, *, ip: str = "10.0.0.4", family: str = "shop", **more: Any) -> Task:
    """A task of the service `shop` that has run for a minute, seen at noon; it has no address if `ip` is empty."""
    address = Address(ip, SUBNET, f"eni-{number:017x}", "eu-central-1a") if ip else None
    defaults: Mapping[str, Any] = {
        "cluster": "web",
        "service": "shop",
        "version": 3,
        "last_status": "RUNNING",
        "desired_status": "RUNNING",
        "seen_at": NOON,
        "started_at": NOON - timedelta(minutes=1),
    }
    return Task(arn=task_arn(number), definition=definition_arn(family), address=address, **(dict(defaults) | more))


def a_stopped_task(number: int = 1, **more: Any) -> Task:
    return a_task(number, **({"version": 9, "last_status": "STOPPED", "desired_status": "STOPPED"} | more))


def target_group_arn(name: str) -> str:
    return f"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/0123456789abcdef"


def cloud_map_arn(name: str) -> str:
    return f"arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-{name}"


SHOP = EcsSelector("web", services=("shop",))


def a_target_group(
    name: str = "front",
    *,
    selector: Selector = SHOP,
    registered_by_ecs: Iterable[str] = (),
    declared: Mapping[str, Any] | None = None,
    **body: Any,
) -> Destination:
    """A managed group for the service `shop`, behind an Application Load Balancer, with a drain of a minute."""
    arn = target_group_arn(name)
    defaults: Mapping[str, Any] = {
        "vpc_id": VPC,
        "subnet_cidrs": (IPv4Network("10.0.0.0/16"),),
        "protocol": "HTTP",
        "port": 80,
        "deregistration_delay": seconds(60),
    }
    return Destination(
        arn=arn,
        name=name,
        declaration=Declaration(arn=arn, selector=selector, **(declared or {})),
        body=TargetGroup(**(dict(defaults) | body)),
        registered_by_ecs=frozenset((service, PORT) for service in registered_by_ecs),
    )


def a_cloud_map_service(name: str = "shop", *, selector: Selector = SHOP, arn: str = "", **body: Any) -> Destination:
    """A managed Cloud Map service for the service `shop` with a TTL of 50 seconds, and so a drain of a minute."""
    arn = arn or cloud_map_arn(name)
    return Destination(
        arn=arn,
        name=name,
        declaration=Declaration(arn=arn, selector=selector),
        body=DiscoveryService(**({"service_id": arn.rpartition("/")[2], "ttl": 50} | body)),
    )


def an_endpoint(task: Task, destination: Destination) -> Endpoint:
    return endpoint(destination, task, ONE_PORT)


def key_of(task: Task, destination: Destination, port: int = PORT) -> ClaimKey:
    assert task.address is not None
    return ClaimKey(destination.arn, task.address.ip, port)


def a_claim(task: Task, destination: Destination, state: ClaimState = ClaimState.REGISTERED, **more: Any) -> Claim:
    """A claim of a task that was written five minutes before noon."""
    assert task.address is not None
    defaults: Mapping[str, Any] = {
        "changed_at": NOON - timedelta(minutes=5),
        "eni_id": task.address.eni_id,
        "version": task.version,
        "revision": 2,
    }
    return Claim(key=key_of(task, destination), owner=task.arn, state=state, **(dict(defaults) | more))


def a_fence(task: Task, *claims: Claim, **more: Any) -> Fence:
    since = NOON - timedelta(minutes=5)
    defaults: Mapping[str, Any] = {"version": task.version, "since": since, "changed_at": since, "revision": 2}
    return Fence(owner=task.arn, claims=frozenset(claim.key for claim in claims), **(dict(defaults) | more))


def an_address_holder(task: Task, *, since: datetime = NOON - timedelta(minutes=5)) -> AddressHolder:
    assert task.address is not None
    return AddressHolder(subnet_id=task.address.subnet_id, ip=task.address.ip, owner=task.arn, since=since, revision=2)


def a_scene(
    *destinations: Destination,
    claims: Iterable[Claim] = (),
    fences: Iterable[Fence] = (),
    address_holders: Iterable[AddressHolder] = (),
    **more: Any,
) -> Scene:
    """What an invocation at noon knows; the task definitions `shop` and `checked` have one container with one port."""
    defaults: Mapping[str, Any] = {
        "now": NOON,
        "invocation_id": INVOCATION_ID,
        "policy": Policy(),
        "definitions": {definition_arn("shop"): ONE_PORT, definition_arn("checked"): CHECKED},
    }
    return Scene(
        destinations={one.arn: one for one in destinations},
        claims={claim.key: claim for claim in claims},
        fences={fence.owner: fence for fence in fences},
        address_holders={holder.key: holder for holder in address_holders},
        **(dict(defaults) | more),
    )
