"""VPCs, subnets, services and needs, as values."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

from berthmaster.capacity.ledger.expansions import Expansion, ExpansionState, new_id
from berthmaster.capacity.model.plan import Need, Policy
from berthmaster.capacity.model.shortage import Cause
from berthmaster.capacity.model.vpc import Association, NetworkAcl, Quotas, Route, RouteTable, Subnet, VpcSnapshot
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.plan.expansion import plan_expansion

VPC = "vpc-0a1b2c3d4e5f60718"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")


def networks(*cidrs: str) -> tuple[IPv4Network, ...]:
    """Each in canonical form: 10.0.3.7/16 is 10.0.0.0/16."""
    return tuple(IPv4Network(cidr, strict=False) for cidr in cidrs)


def subnet_id(number: int) -> str:
    return f"subnet-{number:017x}"


def a_subnet(number: int, cidr: str | IPv4Network, *, zone: int = 0, free: int = 10, **more: Any) -> Subnet:
    return Subnet(id=subnet_id(number), vpc_id=VPC, zone=ZONES[zone], cidr=IPv4Network(cidr), free=free, **more)


def associated(*cidrs: str | IPv4Network) -> tuple[Association, ...]:
    return tuple(
        Association(id=f"vpc-cidr-assoc-{number:017x}", cidr=IPv4Network(cidr), state="associated")
        for number, cidr in enumerate(cidrs)
    )


def a_vpc(cidrs: Iterable[str | IPv4Network], subnets: Iterable[Subnet], **more: Any) -> VpcSnapshot:
    """A managed VPC at noon with AWS's default quotas."""
    defaults: dict[str, Any] = {"quotas": Quotas(cidrs_per_vpc=5, subnets_per_vpc=200)}
    return VpcSnapshot(
        vpc_id=VPC, taken_at=NOON, associations=associated(*cidrs), subnets=tuple(subnets), **(defaults | more)
    )


def a_full_vpc(**more: Any) -> VpcSnapshot:
    """10.0.0.0/24, which three nearly full subnets fill, one in each zone, each with its own route table."""
    subnets = [
        a_subnet(1, "10.0.0.0/26", zone=0, free=3),
        a_subnet(2, "10.0.0.64/26", zone=1, free=3),
        a_subnet(3, "10.0.0.128/25", zone=2, free=3),
    ]
    defaults: dict[str, Any] = {
        "route_tables": tuple(
            RouteTable(
                id=f"rtb-{number:017x}",
                subnet_ids=(subnet_id(number),),
                routes=(Route(destination=IPv4Network("0.0.0.0/0"), target=f"nat-{number:017x}"),),
            )
            for number in (1, 2, 3)
        ),
        "network_acls": (
            NetworkAcl(id="acl-00000000000000001", subnet_ids=tuple(subnet_id(number) for number in (1, 2, 3))),
        ),
    }
    return a_vpc(["10.0.0.0/24"], subnets, **(defaults | more))


def a_need(number: int, *, addresses: int = 100, zone: int = 0, cause: Cause = Cause.ADDRESSES) -> Need:
    return Need(
        origin_id=subnet_id(number), zone=ZONES[zone], cause=cause, addresses=addresses, reason="the forecast says so"
    )


def an_added_subnet(number: int, cidr: str, *, of: int, free: int, zone: int = 0) -> Subnet:
    """A subnet that Berthmaster has added for another."""
    return a_subnet(number, cidr, zone=zone, free=free, tags={"berthmaster:sibling": subnet_id(of)})


def a_service(name: str, subnets: Iterable[int], *, managed: bool = True, **more: Any) -> Service:
    defaults: Mapping[str, Any] = {"desired": 10, "running": 10}
    return Service(
        cluster="web",
        name=name,
        subnet_ids=tuple(subnet_id(number) for number in subnets),
        managed=managed,
        **(dict(defaults) | more),
    )


def an_expansion(state: ExpansionState, **vpc: Any) -> Expansion:
    """100 more addresses for the first subnet of a full VPC, in which the service `shop` runs."""
    plan = plan_expansion(a_full_vpc(services=(a_service("shop", [1]),), **vpc), [a_need(1)], Policy())
    return Expansion(
        id=new_id(VPC, NOON), vpc_id=VPC, state=state, plan=plan, created_at=NOON, changed_at=NOON, by="the forecast"
    )
