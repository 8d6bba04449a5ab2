"""Whether a plan that was proposed still stands, or another one must be proposed in its place.

Tasks start and stop, deployments begin and end: the plan for one need is a little different every few minutes. A
person decides about what is built and which workloads are changed, so only a difference in that replaces a proposal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from berthmaster.capacity.model.plan import CallerWiring, NewSubnet, Plan, Policy, ServiceWiring
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.plan.cidr_rules import TO_AVOID, Constraints, violations

MOST_TIMES_LARGER = 2
"""A subnet twice as large as the proposed one is the next size that AWS has."""
MOST_TIMES_SMALLER = 4
"""More than was needed is proposed now and then, when a peak passes: it costs addresses of a pool only."""
FEW_WORKLOADS = 10
"""One more workload in so many, and one in any case, does not replace a proposal: it is wired by the next plan."""

type _Workload = tuple[str, ...]
"""What identifies a service, or the target of a rule or a schedule."""


def why_replaced(
    proposed: Plan,
    current: Plan,
    snapshot: VpcSnapshot,
    policy: Policy,
    refused: Sequence[IPv4Network] = (),
    *,
    at_least: bool = False,
) -> str:
    """Why a proposed plan does not stand any more, beside the one that would be made now; "" if it stands.

    It stands if it does what is needed now, and can be carried out as it was proposed. refused, at_least: see
    `plan_expansion` and `difference`.
    """
    return difference(proposed, current, at_least=at_least) or _why_impossible(
        proposed, current, snapshot, policy, refused
    )


def difference(proposed: Plan, current: Plan, *, at_least: bool = False) -> str:
    """What the current plan does that the proposed one does not do, or does otherwise; "" if nothing material.

    A proposal that does more than is needed now stands: what is needed changes back within minutes. at_least: whether
    every subnet must be as large as in the current plan, because a person has asked for so many addresses.
    """
    before, now = _by_sibling(proposed.subnets), _by_sibling(current.subnets)
    if current.obstacles and not proposed.obstacles and before.keys() - now.keys():
        return "; ".join(f"{one.candidate}: {one.rule}" for one in current.obstacles)
    if more := sorted(now.keys() - before.keys()):
        return f"{', '.join(more)} needs addresses too"
    for sibling, subnets in now.items():
        if changed := _changed(sibling, before[sibling], subnets, at_least=at_least):
            return changed
    return _change_of_block(proposed, current) or _change_of_workloads(proposed, current)


def is_same_obstacle(before: Plan, now: Plan) -> bool:
    """Whether two plans without a step are prevented by the same, as far as a person can do something about it."""
    origins = {need.origin_id for need in now.needs} - {need.origin_id for need in before.needs}
    return not origins and {one.remedy for one in before.obstacles} == {one.remedy for one in now.obstacles}


def _by_sibling(subnets: Iterable[NewSubnet]) -> Mapping[str, list[NewSubnet]]:
    found: dict[str, list[NewSubnet]] = {}
    for one in subnets:
        found.setdefault(one.sibling_id, []).append(one)
    return found


def _changed(sibling: str, before: Sequence[NewSubnet], now: Sequence[NewSubnet], *, at_least: bool) -> str:
    if {_connected(one) for one in before} != {_connected(one) for one in now}:
        return f"the route table, the network ACL, the attributes or the tags of {sibling} are others by now"
    was, needed = _addresses(before), _addresses(now)
    if needed > was * (1 if at_least else MOST_TIMES_LARGER) or needed * MOST_TIMES_SMALLER < was:
        return f"the new subnet beside {sibling} would have {needed} addresses, and not {was}"
    return ""


def _addresses(subnets: Iterable[NewSubnet]) -> int:
    return sum(one.cidr.num_addresses for one in subnets)


def _connected(subnet: NewSubnet) -> object:
    """What decides who reaches a subnet, and who uses it."""
    return (
        subnet.zone,
        subnet.route_table_id,
        subnet.network_acl_id,
        subnet.attributes,
        frozenset(subnet.admission_tags.items()),
        bool(subnet.prefix_reservations),
    )


def _change_of_block(proposed: Plan, current: Plan) -> str:
    needs_none = current.subnets and not current.block
    is_for_the_same = _by_sibling(proposed.subnets).keys() == _by_sibling(current.subnets).keys()
    if proposed.block and needs_none and is_for_the_same:
        return f"there is room inside the VPC, and {proposed.block.cidr} is not needed"
    if proposed.block and current.block and proposed.block.source is not current.block.source:
        return f"the block would come from the {current.block.source}"
    return ""


def _change_of_workloads(proposed: Plan, current: Plan) -> str:
    before = {_name(one): set(one.add_ids) for one in _workloads(proposed)}
    more = [
        _name(one)
        for one in _workloads(current)
        if _name(one) not in before or not set(one.add_ids) <= before[_name(one)]
    ]
    # If nothing is built, to change these workloads is all that the plan is for.
    most = max(1, len(before) // FEW_WORKLOADS) if current.subnets else 0
    names = sorted(name[-1] for name in more)
    return f"{', '.join(names[:FEW_WORKLOADS])} would get subnets too" if len(more) > most else ""


def _workloads(plan: Plan) -> Iterator[ServiceWiring | CallerWiring]:
    yield from plan.services
    yield from plan.callers


def _name(wiring: ServiceWiring | CallerWiring) -> _Workload:
    if isinstance(wiring, ServiceWiring):
        return (wiring.cluster, wiring.service)
    return (wiring.kind, wiring.group, wiring.target_id, wiring.name)


def _why_impossible(
    plan: Plan, current: Plan, snapshot: VpcSnapshot, policy: Policy, refused: Sequence[IPv4Network]
) -> str:
    """Why a proposed plan cannot be carried out as it is; "" if it can. What the current plan chooses too is free."""
    existing = {subnet.id for subnet in snapshot.subnets}
    named = {one.sibling_id for one in plan.subnets} | {id_ for one in _workloads(plan) for id_ in one.add_ids}
    if gone := sorted(named - existing):
        return f"{', '.join(gone)} is gone"
    block = plan.block.cidr if plan.block else None
    is_chosen = block is not None and current.block is not None and current.block.cidr == block
    if block and not is_chosen and (problem := _problem_of_block(block, current, snapshot, policy, refused)):
        return problem
    chosen = {one.cidr for one in current.subnets}
    spaces = [block] if block else [one.cidr for one in snapshot.associations if one.state == "associated"]
    for cidr in (one.cidr for one in plan.subnets if one.cidr not in chosen):
        if not any(cidr.subnet_of(space) for space in spaces):
            return f"the VPC has no block for {cidr} any more"
        if other := next((one for one in snapshot.subnets if one.cidr.overlaps(cidr)), None):
            return f"{other.id} has {other.cidr} by now"
        if not block and any(cidr.overlaps(one) for one in policy.avoid):
            return f"{cidr} is to be avoided by now"
    return ""


def _problem_of_block(
    block: IPv4Network, current: Plan, snapshot: VpcSnapshot, policy: Policy, refused: Sequence[IPv4Network]
) -> str:
    if broken := violations(block, Constraints.of(snapshot)):
        return str(broken[0])
    ipam = snapshot.ipam
    if ipam and (problem := ipam.why_not_for(snapshot.tags)):
        return problem
    if ipam and not ipam.allows(block):
        return f"the IPAM pool allocates no /{block.prefixlen} any more"
    pools = ipam.provisioned if ipam else policy.pools
    if not any(block.subnet_of(pool) for pool in pools):
        return f"no pool has {block} any more"
    if any(block.overlaps(one) for one in (*policy.avoid, *TO_AVOID, *refused, *(ipam.allocated if ipam else ()))):
        return f"{block} is in use, refused by AWS, or to be avoided by now"
    elsewhere = snapshot.neighbours
    if any(block.overlaps(one) for one in elsewhere) and not (
        current.block and any(current.block.cidr.overlaps(one) for one in elsewhere)
    ):
        return f"another VPC of the account has {block} by now"
    return ""
