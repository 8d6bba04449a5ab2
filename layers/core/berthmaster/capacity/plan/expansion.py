"""What to do for a VPC that is short of addresses: the cheapest, least irreversible way, with its reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from berthmaster.capacity.model.plan import Need, NewSubnet, Plan, Policy
from berthmaster.capacity.model.shortage import Cause
from berthmaster.capacity.model.vpc import RESERVED_PER_SUBNET, Subnet, VpcSnapshot
from berthmaster.capacity.plan.blind_spots import blind_spots
from berthmaster.capacity.plan.demand import groups_of
from berthmaster.capacity.plan.placement import Placement, place
from berthmaster.capacity.plan.siblings import siblings
from berthmaster.capacity.plan.wiring import (
    admission_tags,
    copied_tags,
    eks_warnings,
    eni_configs,
    is_for_pods,
    wire,
)

MOST_WARNINGS = 100


def plan_expansion(
    snapshot: VpcSnapshot, needs: Sequence[Need], policy: Policy, refused: Sequence[IPv4Network] = ()
) -> Plan:
    """Choose where the next addresses come from, and which services, rules and schedules must list the new subnets.

    A need of zero addresses asks only to list subnets that exist. If there is no way to add addresses, the plan has
    the obstacles, and still lists what exists. A need with an obstacle leads to no step.
    refused: blocks that AWS has refused before.
    """
    beside = siblings(snapshot, (snapshot.subnet(need.origin_id) for need in needs if need.addresses))
    needs = [
        replace(need, addresses=0, obstacle=beside.barriers[need.origin_id])
        if need.origin_id in beside.barriers
        else need
        for need in needs
    ]
    wanting = [need for need in needs if need.addresses]
    placed = place(snapshot, [subnet_length(need, policy) for need in wanting], policy, refused) if wanting else None
    placement = placed if isinstance(placed, Placement) else None
    subnets = tuple(_subnets(snapshot, wanting, placement, beside.ipv6)) if placement else ()
    short = {need.origin_id for need in needs if not need.obstacle}
    groups = [group for group in groups_of(snapshot.subnets) if group.origin.id in short]
    wiring = wire(snapshot, groups, subnets, policy.caller_roles)
    unread = (_unread(one, is_built=bool(subnets)) for one in snapshot.unread_workloads)
    warnings = [*wiring.warnings, *eks_warnings(snapshot, subnets), *unread]
    stuck = tuple(need.obstacle for need in needs if need.obstacle)
    # Beside steps they are no reason to propose the same steps anew.
    if short:
        warnings += [f"{one.candidate}: {one.rule} → {one.remedy}" for one in stuck]
    if placement:
        warnings += blind_spots(snapshot, placement.block, subnets, eks=any(is_for_pods(one) for one in subnets))
        warnings += [f"could not be read: {one}" for one in snapshot.unread]
    if placement and placement.shrunk:
        warnings.append(
            f"the subnets are too small for {policy.horizon_days} days of growth: there are no larger blocks"
        )
    return Plan(
        vpc_id=snapshot.vpc_id,
        needs=tuple(needs),
        block=placement.block if placement else None,
        subnets=subnets,
        services=wiring.services,
        callers=wiring.callers,
        eni_configs=eni_configs(subnets),
        warnings=_some_of(warnings),
        obstacles=(placed if isinstance(placed, tuple) else ()) if short else stuck,
        cidrs_left=_cidrs_left(snapshot, placement),
        vpc_name=snapshot.tags.get("Name", ""),
    )


def _unread(workloads: str, *, is_built: bool) -> str:
    what = "does not list the new ones yet" if is_built else "is not known"
    return f"{workloads} could not be read: what of them runs in the short subnets {what}"


def _some_of(warnings: Sequence[str]) -> tuple[str, ...]:
    """The first warnings, and how many more there are: an event has 256 KB, and a record 400."""
    if len(warnings) <= MOST_WARNINGS:
        return tuple(warnings)
    return (*warnings[:MOST_WARNINGS], f"{len(warnings) - MOST_WARNINGS} more warnings")


def _cidrs_left(snapshot: VpcSnapshot, placement: Placement | None) -> int | None:
    left = snapshot.cidrs_left
    return left - 1 if left is not None and placement and placement.block else left


def subnet_length(need: Need, policy: Policy) -> int:
    """The prefix length of the smallest subnet that has the addresses needed, within the bounds of the policy."""
    addresses = need.addresses + RESERVED_PER_SUBNET
    return max(policy.largest_subnet, min(policy.smallest_subnet, 32 - (addresses - 1).bit_length()))


def prefix_reservations(subnet: IPv4Network) -> tuple[IPv4Network, ...]:
    """All but the first eighth, and at least all but a /28: each interface also needs a single address."""
    left = min(subnet.prefixlen + 3, 28)
    rest = IPv4Network((subnet.network_address, left))
    return tuple(sorted(subnet.address_exclude(rest))) if left > subnet.prefixlen else ()


def _subnets(
    snapshot: VpcSnapshot, needs: Sequence[Need], placement: Placement, ipv6: Mapping[str, IPv6Network]
) -> Sequence[NewSubnet]:
    return [
        _subnet(snapshot, need, snapshot.subnet(need.origin_id), cidr, ipv6.get(need.origin_id))
        for need, cidr in zip(needs, placement.cidrs, strict=True)
    ]


def _subnet(
    snapshot: VpcSnapshot, need: Need, sibling: Subnet, cidr: IPv4Network, ipv6_cidr: IPv6Network | None
) -> NewSubnet:
    return NewSubnet(
        cidr=cidr,
        zone=sibling.zone,
        sibling_id=sibling.id,
        route_table_id=_route_table(snapshot, sibling),
        network_acl_id=next((acl.id for acl in snapshot.network_acls if sibling.id in acl.subnet_ids), ""),
        attributes=sibling.attributes,
        tags=copied_tags(sibling),
        admission_tags=admission_tags(snapshot, sibling, cidr, for_pods=need.cause is Cause.PREFIXES),
        prefix_reservations=prefix_reservations(cidr) if need.cause is Cause.PREFIXES else (),
        ipv6_cidr=str(ipv6_cidr or ""),
        reason=f"{sibling.id} in {sibling.zone}: {need.reason}",
    )


def _route_table(snapshot: VpcSnapshot, sibling: Subnet) -> str:
    """The sibling's route table; "" if it uses the main one, which a new subnet uses without an association."""
    return next((table.id for table in snapshot.route_tables if sibling.id in table.subnet_ids), "")
