"""A plan is the cheapest way to enough addresses that AWS would accept; or it says what prevents that."""

import itertools
from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.model.plan import Policy
from berthmaster.capacity.model.shortage import Cause
from berthmaster.capacity.model.vpc import Quotas, Route, RouteTable, VpcSnapshot
from berthmaster.capacity.plan.cidr_rules import Constraints, violations
from berthmaster.capacity.plan.expansion import plan_expansion, prefix_reservations, subnet_length
from tests.support.capacity.builders import a_full_vpc, a_need, a_subnet, a_vpc

SMALL_POOL = IPv4Network("100.64.0.0/22")
SMALL = Policy(pools=(SMALL_POOL,), block_prefix_length=28, smallest_subnet=28, largest_subnet=24)


def blocks_within(pool: IPv4Network, longest: int = 28) -> st.SearchStrategy[IPv4Network]:
    return st.integers(pool.prefixlen, longest).flatmap(
        lambda length: st.integers(0, 2 ** (length - pool.prefixlen) - 1).map(
            lambda index: IPv4Network((int(pool.network_address) + (index << (32 - length)), length))
        )
    )


@st.composite
def vpcs(draw: st.DrawFn) -> VpcSnapshot:
    """A VPC whose routes, peers and quotas conflict with the small pool in every way that the rules know."""
    primary = draw(st.sampled_from(["10.0.0.0/26", "10.1.0.0/26", "172.16.0.0/26", "192.168.0.0/26", "100.64.0.0/26"]))
    routes = draw(st.lists(blocks_within(IPv4Network("100.64.0.0/20")), max_size=4))
    peers = draw(st.lists(blocks_within(SMALL_POOL), max_size=2))
    return a_vpc(
        [primary],
        [a_subnet(1, primary)],
        route_tables=(RouteTable(id="rtb-1", routes=tuple(Route(destination=one, target="x") for one in routes)),),
        peer_cidrs=tuple(peers),
        pending_peering=draw(st.integers(0, 9)) == 0,
        quotas=Quotas(cidrs_per_vpc=draw(st.integers(1, 5)), subnets_per_vpc=200),
    )


def rules_against(vpc: VpcSnapshot, block: IPv4Network) -> list[str]:
    return [str(one) for one in violations(block, Constraints.of(vpc))]


def disjoint(networks: list[IPv4Network]) -> bool:
    return not any(one.overlaps(other) for one, other in itertools.combinations(networks, 2))


@given(vpc=vpcs(), addresses=st.lists(st.integers(1, 250), min_size=1, max_size=3))
def test_a_planned_block_breaks_no_rule_and_planned_subnets_do_not_overlap(
    vpc: VpcSnapshot, addresses: list[int]
) -> None:
    plan = plan_expansion(vpc, [a_need(1, addresses=count) for count in addresses], SMALL)
    if plan.block is not None:
        assert rules_against(vpc, plan.block.cidr) == []
        assert plan.block.cidr.subnet_of(SMALL_POOL)
    parents = [*vpc.cidrs, *([plan.block.cidr] if plan.block else [])]
    planned = [one.cidr for one in plan.subnets]
    assert all(any(cidr.subnet_of(parent) for parent in parents) for cidr in planned)
    assert disjoint([*(subnet.cidr for subnet in vpc.subnets), *planned])


@given(vpc=vpcs(), addresses=st.integers(1, 250))
def test_if_the_pool_has_a_legal_block_of_the_wanted_size_one_is_found(vpc: VpcSnapshot, addresses: int) -> None:
    length = subnet_length(a_need(1, addresses=addresses), SMALL)
    legal = [block for block in SMALL_POOL.subnets(new_prefix=length) if not rules_against(vpc, block)]
    plan = plan_expansion(vpc, [a_need(1, addresses=addresses)], SMALL)
    assert bool(legal) == (plan.block is not None and plan.subnets[0].cidr.prefixlen == length)


@given(vpc=vpcs(), addresses=st.integers(1, 250))
def test_a_plan_adds_addresses_or_names_what_blocks_every_candidate(vpc: VpcSnapshot, addresses: int) -> None:
    plan = plan_expansion(vpc, [a_need(1, addresses=addresses)], SMALL)
    assert bool(plan.subnets) != bool(plan.obstacles)
    assert all(one.candidate and one.rule and one.remedy for one in plan.obstacles)
    if plan.obstacles:
        assert {one.candidate for one in plan.obstacles} >= {"free addresses inside the VPC"}
        assert any(str(SMALL_POOL) in one.candidate for one in plan.obstacles)


@given(st.integers(1, 300_000))
def test_a_subnet_has_the_addresses_needed_within_the_bounds(addresses: int) -> None:
    policy = Policy()
    length = subnet_length(a_need(1, addresses=addresses), policy)
    room = 2 ** (32 - length) - 5
    assert room >= addresses or length == policy.largest_subnet
    assert 2 ** (31 - length) - 5 < addresses or length == policy.smallest_subnet


def test_a_subnet_for_prefixes_leaves_an_eighth_for_single_addresses() -> None:
    plan = plan_expansion(a_full_vpc(), [a_need(1, addresses=200, cause=Cause.PREFIXES)], Policy())
    made = plan.subnets[0]
    reserved = sum(one.num_addresses for one in made.prefix_reservations)
    assert made.cidr.num_addresses - reserved == made.cidr.num_addresses // 8
    assert made.cidr.network_address not in made.prefix_reservations[0]


@given(st.integers(16, 28))
def test_prefix_reservations_are_parts_of_the_subnet_that_do_not_overlap(length: int) -> None:
    subnet = IPv4Network((int(IPv4Network("100.64.0.0/16").network_address), length))
    parts = list(prefix_reservations(subnet))
    assert all(part.subnet_of(subnet) and part.prefixlen <= 28 for part in parts)
    assert disjoint(parts)
    assert sum(part.num_addresses for part in parts) <= subnet.num_addresses - 16
