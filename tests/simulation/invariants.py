"""What must hold when the dust has settled, whatever went wrong on the way. Each invariant is a sentence."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from itertools import combinations

from berthmaster.capacity.act.network import CANARY
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.lease import Leases
from tests.support.capacity.scene import CapacityScene

type Invariant = Callable[[CapacityScene, list[Expansion]], Iterator[str]]


def broken(scene: CapacityScene) -> list[str]:
    """Every invariant that does not hold, with the evidence."""
    records = expansions(scene)
    return [
        f"{invariant.__doc__} But {evidence}." for invariant in INVARIANTS for evidence in invariant(scene, records)
    ]


def expansions(scene: CapacityScene) -> list[Expansion]:
    return Expansions(scene.cloud.client("dynamodb"), scene.table).of_vpc(scene.vpc_id)


def nothing_is_left_unfinished(_: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """No expansion is left half done."""
    yield from (f"{one.id} is {one.state}" for one in records if one.state.is_unfinished)


def no_lease_is_lost(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """Nobody holds the lease any more."""
    lease = Leases(scene.cloud.client("dynamodb"), scene.table).look(scene.vpc_id)
    if lease and lease.until > scene.cloud.clock.now():
        yield f"{lease.owner} does until {lease.until}"


def every_block_is_on_record(scene: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """Every block of the VPC was there before, or has exactly one owner: who added it, or who still lives in it."""
    owners = [str(one.plan.block.cidr) for one in records if one.plan.block and one.state in HOLDS_SPACE]
    lived_in = [IPv4Network(berth["CidrBlock"]) for berth in scene.berths()]
    for block in scene.blocks()[1:]:
        if owners.count(block) > 1 or not (
            block in owners or any(berth.subnet_of(IPv4Network(block)) for berth in lived_in)
        ):
            yield f"{block} belongs to {owners.count(block)}"


def every_berth_is_on_record(scene: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """Every subnet Berthmaster made is named by its expansion, and every subnet of a finished expansion exists."""
    there = {str(one["SubnetId"]) for one in scene.berths()}
    done = {subnet for one in records if one.state is ExpansionState.DONE for subnet in one.subnet_ids.values()}
    held = done | {subnet for one in records if one.state in HOLDS_SPACE for subnet in one.subnet_ids.values()}
    failed = [one for one in records if one.state is ExpansionState.FAILED]
    if done - there:
        yield f"{sorted(done - there)} are gone"
    if there - held and not failed:
        yield f"{sorted(there - held)} are strays"


def no_subnets_overlap(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """Subnets lie apart."""
    found = scene.cloud.client("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": [scene.vpc_id]}])
    cidrs = [IPv4Network(one["CidrBlock"]) for one in found["Subnets"]]
    yield from (f"{one} and {other} do not" for one, other in combinations(cidrs, 2) if one.overlaps(other))


def berths_are_wired_like_their_siblings(scene: CapacityScene, records: list[Expansion]) -> Iterator[str]:
    """Every subnet of a finished expansion has the route table and the network ACL of its zone."""
    ec2 = scene.cloud.client("ec2")
    done = {subnet for one in records if one.state is ExpansionState.DONE for subnet in one.subnet_ids.values()}
    for berth in scene.berths():
        subnet = berth["SubnetId"]
        if subnet not in done:
            continue
        only = [{"Name": "association.subnet-id", "Values": [subnet]}]
        tables = [one["RouteTableId"] for one in ec2.describe_route_tables(Filters=only)["RouteTables"]]
        if tables != [scene.network.route_tables[berth["AvailabilityZone"][-1]]]:
            yield f"{subnet} uses {tables}"
        acls = [one["NetworkAclId"] for one in ec2.describe_network_acls(Filters=only)["NetworkAcls"]]
        if acls != [scene.network.acl_id]:
            yield f"{subnet} is guarded by {acls}"


def no_canary_is_left(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """No interface of Berthmaster's own is left."""
    found = scene.cloud.client("ec2").describe_network_interfaces(Filters=[{"Name": "description", "Values": [CANARY]}])
    yield from (f"{one['NetworkInterfaceId']} is" for one in found["NetworkInterfaces"])


def no_service_lost_a_subnet(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """A service still lists every subnet it listed at first, and at most sixteen."""
    listed = scene.service_subnets("shop")
    if missing := set(scene.subnets) - set(listed):
        yield f"{sorted(missing)} are missing"
    if len(listed) > 16:
        yield f"it lists {len(listed)}"


def no_service_lists_what_is_gone(scene: CapacityScene, _: list[Expansion]) -> Iterator[str]:
    """A service lists only subnets that exist."""
    there = {subnet.id for subnet in scene.cloud.subnets_of(scene.vpc_id)}
    if gone := set(scene.service_subnets("shop")) - there:
        yield f"{sorted(gone)} do not"


HOLDS_SPACE = frozenset({ExpansionState.DONE, ExpansionState.FAILED})
INVARIANTS: tuple[Invariant, ...] = (
    nothing_is_left_unfinished,
    no_lease_is_lost,
    every_block_is_on_record,
    every_berth_is_on_record,
    no_subnets_overlap,
    berths_are_wired_like_their_siblings,
    no_canary_is_left,
    no_service_lost_a_subnet,
    no_service_lists_what_is_gone,
)
