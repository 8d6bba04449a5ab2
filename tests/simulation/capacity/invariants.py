"""What must hold at the end, whatever went wrong before. The docstring of each invariant states it."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from itertools import combinations

from berthmaster.capacity.act.canary import DESCRIPTION
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.lease import Leases
from simulator.aws.ec2.lookup import subnets_of
from simulator.aws.ec2.vpcs import Associations
from tests.simulation.one_at_a_time import overlaps
from tests.support.capacity.scene import EXPAND, CapacityScene

type Invariant = Callable[[CapacityScene, list[Expansion]], Iterator[str]]


def broken(scene: CapacityScene) -> list[str]:
    """Every invariant that does not hold, with the evidence."""
    records = expansions(scene)
    return [
        f"{invariant.__doc__} But {evidence}." for invariant in INVARIANTS for evidence in invariant(scene, records)
    ]


def expansions(scene: CapacityScene) -> list[Expansion]:
    return Expansions(scene.cloud.client("dynamodb"), scene.table).of_vpc(scene.vpc_id)


def no_expansion_is_unfinished(_: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """Every expansion has ended."""
    yield from (f"{one.id} is {one.state}" for one in records if one.state.is_unfinished)


def one_invocation_changes_the_network_at_a_time(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """One invocation changes the VPC at a time, and one its workloads."""
    for service in CHANGED:
        yield from overlaps(
            call for call in scene.cloud.calls.of(EXPAND) if call.service == service and not call.is_read
        )


def begun_expansions_keep_within_the_limit(_: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """No more expansions of a VPC begin in a day than the template allows."""
    begun = [one for one in records if one.state in BEGUN and one.plan.subnets]
    if len(begun) > EXPANSIONS_PER_DAY:
        yield f"{len(begun)} did"


def no_lease_is_held(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """No invocation holds the lease."""
    lease = Leases(scene.cloud.client("dynamodb"), scene.table).look(scene.vpc_id)
    if lease and lease.until > scene.cloud.clock.now():
        yield f"{lease.owner} does until {lease.until}"


def every_block_has_the_owner_that_made_it(scene: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """Every block that Berthmaster made is on the record of exactly one expansion, and no other block is on one."""
    made_by = scene.cloud.state(Associations).made_by
    for association in scene.secondary_blocks():
        owners = [one.id for one in records if one.association_id == association]
        if len(owners) != (made_by[association] == EXPAND):
            yield f"{association}, made by {made_by[association]}, is on {owners or 'no record'}"


def every_added_subnet_is_on_record(scene: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """Every added subnet is on the record of an expansion, and every subnet of a completed expansion exists."""
    existing = {str(one["SubnetId"]) for one in scene.added_subnets()}
    done = _subnets_of_completed(records)
    recorded = done | {subnet for one in records if one.state in HOLDS_SPACE for subnet in one.subnet_ids.values()}
    has_failed = any(one.state is ExpansionState.FAILED for one in records)
    if done - existing:
        yield f"{sorted(done - existing)} do not exist"
    if existing - recorded and not has_failed:
        yield f"{sorted(existing - recorded)} are on no record"


def no_subnets_overlap(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """No two subnets overlap."""
    found = scene.cloud.client("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": [scene.vpc_id]}])
    cidrs = [IPv4Network(one["CidrBlock"]) for one in found["Subnets"]]
    yield from (f"{one} and {other} do" for one, other in combinations(cidrs, 2) if one.overlaps(other))


def added_subnets_are_wired_like_their_siblings(scene: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """Every subnet of a completed expansion has the route table and the network ACL of its zone."""
    ec2 = scene.cloud.client("ec2")
    done = _subnets_of_completed(records)
    for added in scene.added_subnets():
        subnet = added["SubnetId"]
        if subnet not in done:
            continue
        of_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
        tables = [one["RouteTableId"] for one in ec2.describe_route_tables(Filters=of_subnet)["RouteTables"]]
        if tables != [scene.network.route_tables[added["AvailabilityZone"][-1]]]:
            yield f"{subnet} uses {tables}"
        acls = [one["NetworkAclId"] for one in ec2.describe_network_acls(Filters=of_subnet)["NetworkAcls"]]
        if acls != [scene.network.acl_id]:
            yield f"{subnet} has {acls}"


def no_canary_is_left(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """No test interface is left."""
    canaries = [{"Name": "description", "Values": [DESCRIPTION]}]
    found = scene.cloud.client("ec2").describe_network_interfaces(Filters=canaries)
    yield from (f"{one['NetworkInterfaceId']} is" for one in found["NetworkInterfaces"])


def no_service_lost_a_subnet(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """A service lists every subnet that it listed at first, and at most sixteen."""
    listed = scene.service_subnets("shop")
    if missing := set(scene.subnets) - set(listed):
        yield f"{sorted(missing)} are missing"
    if len(listed) > 16:
        yield f"it lists {len(listed)}"


def services_list_existing_subnets_only(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """A service lists only subnets that exist."""
    existing = {subnet.id for subnet in subnets_of(scene.cloud, scene.vpc_id)}
    if gone := set(scene.service_subnets("shop")) - existing:
        yield f"{sorted(gone)} do not"


def _subnets_of_completed(records: list[Expansion]) -> set[str]:
    return {subnet for one in records if one.state is ExpansionState.DONE for subnet in one.subnet_ids.values()}


HOLDS_SPACE = frozenset({ExpansionState.DONE, ExpansionState.FAILED})
BEGUN = HOLDS_SPACE | {ExpansionState.RUNNING, ExpansionState.RETIRING, ExpansionState.RETIRED}
EXPANSIONS_PER_DAY = 3
"""The template's default of CapacityExpansionsPerDay."""
CHANGED = ("ec2", "ecs")
"""The services whose resources make up the network; each is changed under a lease of its own."""
INVARIANTS: tuple[Invariant, ...] = (
    one_invocation_changes_the_network_at_a_time,
    begun_expansions_keep_within_the_limit,
    no_expansion_is_unfinished,
    no_lease_is_held,
    every_block_has_the_owner_that_made_it,
    every_added_subnet_is_on_record,
    no_subnets_overlap,
    added_subnets_are_wired_like_their_siblings,
    no_canary_is_left,
    no_service_lost_a_subnet,
    services_list_existing_subnets_only,
)
