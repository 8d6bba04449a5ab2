"""A plan is the cheapest way to enough room that AWS would accept, and says why."""

import itertools
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.model import (
    BlockSource,
    Cause,
    IpamPool,
    Mention,
    Plan,
    Policy,
    Quotas,
    Route,
    RouteTable,
    Subnet,
    SubnetAttributes,
    VpcSnapshot,
)
from berthmaster.capacity.plan.cidr_rules import TO_AVOID, violations
from berthmaster.capacity.plan.expansion import plan_expansion, prefix_reservations, rebased, subnet_length
from tests.support.capacity.builders import a_full_vpc, a_need, a_service, a_subnet, a_vpc, subnet_id

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
    """A VPC whose surroundings collide with the small pool in every way the rules know."""
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
    quota = vpc.quotas.cidrs_per_vpc
    assert quota is not None
    broken = violations(
        block,
        vpc_cidrs=vpc.cidrs,
        route_destinations=[route.destination for table in vpc.route_tables for route in table.routes],
        peer_cidrs=vpc.peer_cidrs,
        pending_peering=vpc.pending_peering,
        quota_left=quota - len(vpc.cidrs),
    )
    return [str(one) for one in broken]


def disjoint(networks: list[IPv4Network]) -> bool:
    return not any(one.overlaps(other) for one, other in itertools.combinations(networks, 2))


@given(vpc=vpcs(), addresses=st.lists(st.integers(1, 250), min_size=1, max_size=3))
def test_whatever_the_vpc_a_planned_block_breaks_no_rule_and_its_subnets_lie_apart(
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
def test_if_any_legal_block_of_the_wanted_size_is_in_the_pool_one_is_found(vpc: VpcSnapshot, addresses: int) -> None:
    length = subnet_length(a_need(1, addresses=addresses), SMALL)
    legal = [block for block in SMALL_POOL.subnets(new_prefix=length) if not rules_against(vpc, block)]
    plan = plan_expansion(vpc, [a_need(1, addresses=addresses)], SMALL)
    assert bool(legal) == (plan.block is not None and plan.subnets[0].cidr.prefixlen == length)


@given(vpc=vpcs(), addresses=st.integers(1, 250))
def test_a_plan_adds_room_or_says_for_every_candidate_what_stands_in_the_way(vpc: VpcSnapshot, addresses: int) -> None:
    plan = plan_expansion(vpc, [a_need(1, addresses=addresses)], SMALL)
    assert bool(plan.subnets) != bool(plan.obstacles)
    assert all(one.candidate and one.rule and one.remedy for one in plan.obstacles)
    if plan.obstacles:
        assert {one.candidate for one in plan.obstacles} >= {"free space inside the VPC"}
        assert any(str(SMALL_POOL) in one.candidate for one in plan.obstacles)


@given(st.integers(1, 300_000))
def test_a_subnet_holds_what_is_needed_within_the_bounds(addresses: int) -> None:
    policy = Policy()
    length = subnet_length(a_need(1, addresses=addresses), policy)
    room = 2 ** (32 - length) - 5
    assert room >= addresses or length == policy.largest_subnet
    assert 2 ** (31 - length) - 5 < addresses or length == policy.smallest_subnet


def test_free_space_inside_the_vpc_comes_before_a_new_block() -> None:
    vpc = a_vpc(["10.0.0.0/16"], [a_subnet(1, "10.0.0.0/24")])
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert plan.block is None
    assert plan.subnets[0].cidr.subnet_of(IPv4Network("10.0.0.0/16"))


def test_a_block_that_is_still_associating_holds_no_subnet_yet() -> None:
    vpc = a_full_vpc()
    coming = (
        a_vpc(["10.0.0.0/24"], vpc.subnets)
        .associations[0]
        .__replace__(id="vpc-cidr-assoc-2", cidr=IPv4Network("100.64.0.0/16"), state="associating")
    )
    plan = plan_expansion(vpc.__replace__(associations=(*vpc.associations, coming)), [a_need(1)], Policy())
    assert plan.block is not None
    assert not plan.block.cidr.overlaps(coming.cidr)


def test_a_new_block_is_larger_than_needed_because_a_vpc_has_few_of_them() -> None:
    plan = plan_expansion(a_full_vpc(), [a_need(1)], Policy(block_prefix_length=20))
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("100.64.0.0/20")
    assert "no room for /25 inside 10.0.0.0/24" in plan.block.reason


def test_a_pool_with_little_left_gives_what_it_has() -> None:
    policy = Policy(pools=(IPv4Network("100.64.0.0/24"),), block_prefix_length=20)
    plan = plan_expansion(a_full_vpc(), [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("100.64.0.0/24")


def test_a_smaller_subnet_is_better_than_none_and_a_warning_says_so() -> None:
    policy = Policy(pools=(IPv4Network("100.64.0.0/26"),))
    plan = plan_expansion(a_full_vpc(), [a_need(1, addresses=500)], policy)
    assert [one.cidr for one in plan.subnets] == [IPv4Network("100.64.0.0/26")]
    assert any("smaller" in warning for warning in plan.warnings)


def test_a_block_whose_acceptance_aws_leaves_open_comes_last() -> None:
    vpc = a_vpc(["10.0.0.0/26", "100.64.0.0/26"], [a_subnet(1, "10.0.0.0/26"), a_subnet(2, "100.64.0.0/26")])
    policy = Policy(pools=(IPv4Network("10.9.0.0/16"), IPv4Network("100.64.0.0/10")))
    plan = plan_expansion(vpc, [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr.subnet_of(IPv4Network("100.64.0.0/10"))


def test_blocks_in_use_elsewhere_and_dockers_own_are_avoided() -> None:
    policy = Policy(
        pools=(TO_AVOID[0], IPv4Network("172.18.0.0/16")), avoid=(IPv4Network("172.18.0.0/17"),), block_prefix_length=18
    )
    vpc = a_vpc(["172.16.0.0/26"], [a_subnet(1, "172.16.0.0/26")])
    plan = plan_expansion(vpc, [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("172.18.128.0/18")


def test_a_block_that_another_vpc_has_is_taken_only_when_there_is_no_other() -> None:
    other = IPv4Network("100.64.0.0/20")
    plan = plan_expansion(a_full_vpc(neighbours=(other,)), [a_need(1)], Policy())
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("100.64.16.0/20")
    only = plan_expansion(a_full_vpc(neighbours=(other,)), [a_need(1)], Policy(pools=(other,)))
    assert only.block is not None
    assert only.block.cidr == other
    assert any("another VPC" in warning for warning in only.warnings)


def test_a_block_aws_refused_before_is_not_tried_again() -> None:
    plan = plan_expansion(a_full_vpc(), [a_need(1)], Policy(), refused=[IPv4Network("100.64.0.0/20")])
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("100.64.16.0/20")


def test_an_ipam_pool_takes_the_place_of_the_configured_pools() -> None:
    pool = IpamPool(
        id="ipam-pool-0a1",
        provisioned=(IPv4Network("10.64.0.0/16"),),
        allocated=(IPv4Network("10.64.0.0/18"),),
    )
    plan = plan_expansion(a_full_vpc(ipam=pool), [a_need(1)], Policy())
    assert plan.block is not None
    assert (plan.block.source, plan.block.ipam_pool_id) == (BlockSource.IPAM, pool.id)
    assert plan.block.cidr == IPv4Network("10.64.64.0/20")


def test_when_ipam_hands_out_another_block_the_plan_moves_with_it() -> None:
    pool = IpamPool(id="ipam-pool-0a1", provisioned=(IPv4Network("10.64.0.0/16"),), allocated=())
    vpc = a_full_vpc(ipam=pool, services=(a_service("shop", [1, 2]),))
    plan = plan_expansion(vpc, [a_need(1), a_need(2, zone=1, cause=Cause.PREFIXES)], Policy())
    moved = rebased(plan, IPv4Network("10.64.240.0/20"))
    assert moved.block is not None
    assert plan.block is not None
    assert all(one.cidr.subnet_of(moved.block.cidr) for one in moved.subnets)
    assert set(moved.services[0].add_cidrs) == {one.cidr for one in moved.subnets}
    assert rebased(moved, plan.block.cidr) == plan


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"quotas": Quotas(cidrs_per_vpc=1, subnets_per_vpc=200)}, "quota"),
        ({"pending_peering": True}, "pending-peering"),
        ({"peer_cidrs": (IPv4Network("100.64.0.0/10"),)}, "peer-overlap"),
    ],
)
def test_an_obstacle_names_the_rule_that_closes_the_whole_pool(more: dict[str, object], rule: str) -> None:
    plan = plan_expansion(a_full_vpc(**more), [a_need(1)], Policy())
    assert not plan.changes_anything
    assert any(one.rule.startswith(rule) for one in plan.obstacles)


def test_the_quota_of_subnets_is_an_obstacle_of_its_own() -> None:
    vpc = a_full_vpc(quotas=Quotas(cidrs_per_vpc=5, subnets_per_vpc=3))
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert [one.rule for one in plan.obstacles] == ["quota: 3 of 3 subnets per VPC are taken"]


def test_a_new_subnet_borrows_its_siblings_wiring_but_not_its_load_balancers() -> None:
    vpc = a_full_vpc()
    attributes = SubnetAttributes(map_public_ip_on_launch=True, private_dns_hostname_type="resource-name")
    tags = {
        "Name": "apps",
        "team": "web",
        "kubernetes.io/cluster/prod": "shared",
        "kubernetes.io/role/internal-elb": "1",
        "aws:cloudformation:stack-name": "net",
    }
    sibling = vpc.subnets[0].__replace__(attributes=attributes, tags=tags)
    plan = plan_expansion(vpc.__replace__(subnets=(sibling, *vpc.subnets[1:])), [a_need(1)], Policy())
    made = plan.subnets[0]
    assert (made.zone, made.sibling_id) == (sibling.zone, sibling.id)
    assert (made.route_table_id, made.network_acl_id) == ("rtb-00000000000000001", "acl-00000000000000001")
    assert made.attributes == attributes
    assert made.tags == {"Name": "apps berth", "team": "web"}
    assert made.admission_tags == {
        "kubernetes.io/cluster/prod": "shared",
        "kubernetes.io/role/cni": "1",
        "berthmaster:sibling": sibling.id,
    }
    assert [one.cidr for one in plan.eni_configs] == [made.cidr]


def test_a_sibling_that_is_closed_to_the_cni_is_no_pattern_for_an_open_one() -> None:
    vpc = a_full_vpc()
    closed = vpc.subnets[0].__replace__(tags={"kubernetes.io/role/cni": "0"})
    plan = plan_expansion(vpc.__replace__(subnets=(closed, *vpc.subnets[1:])), [a_need(1)], Policy())
    assert plan.subnets[0].admission_tags["kubernetes.io/role/cni"] == "0"


def test_a_subnet_for_prefixes_keeps_room_for_the_interfaces_own_addresses() -> None:
    plan = plan_expansion(a_full_vpc(), [a_need(1, addresses=200, cause=Cause.PREFIXES)], Policy())
    made = plan.subnets[0]
    reserved = sum(one.num_addresses for one in made.prefix_reservations)
    assert made.cidr.num_addresses - reserved == made.cidr.num_addresses // 8
    assert made.cidr.network_address not in made.prefix_reservations[0]


@given(st.integers(16, 28))
def test_prefix_reservations_are_parts_of_the_subnet_that_lie_apart(length: int) -> None:
    subnet = IPv4Network((int(IPv4Network("100.64.0.0/16").network_address), length))
    parts = list(prefix_reservations(subnet))
    assert all(part.subnet_of(subnet) and part.prefixlen <= 28 for part in parts)
    assert disjoint(parts)
    assert sum(part.num_addresses for part in parts) <= subnet.num_addresses - 16


def wired(plan: Plan) -> list[str]:
    return [one.service for one in plan.services]


def test_managed_services_in_the_short_subnets_are_wired_and_no_other() -> None:
    vpc = a_full_vpc(
        services=(
            a_service("in-it", [1, 2]),
            a_service("elsewhere", [2]),
            a_service("untagged", [1], managed=False),
            a_service("blue-green", [1], controller="CODE_DEPLOY"),
        )
    )
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert wired(plan) == ["in-it"]
    assert plan.services[0].add_cidrs == (plan.subnets[0].cidr,)
    assert {warning.split()[2] for warning in plan.warnings} >= {"untagged", "blue-green"}


def test_a_service_never_lists_more_than_sixteen_subnets() -> None:
    many = tuple(a_subnet(number, f"10.1.{number}.0/28") for number in range(1, 17))
    vpc = a_vpc(["10.1.0.0/18"], many, services=(a_service("wide", range(1, 17)),))
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert wired(plan) == []
    assert any("more than 16 subnets" in warning for warning in plan.warnings)


def test_a_need_of_no_addresses_only_wires_what_is_there() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [1, 2]),))
    berth: Subnet = a_subnet(9, "10.0.1.0/24", free=200, tags={"berthmaster:sibling": subnet_id(1)})
    plan = plan_expansion(vpc.__replace__(subnets=(*vpc.subnets, berth)), [a_need(1, addresses=0)], Policy())
    assert (plan.block, plan.subnets) == (None, ())
    assert [(one.service, one.add_ids) for one in plan.services] == [("shop", (berth.id,))]


def test_who_knows_only_the_old_block_is_named() -> None:
    mentions = (
        Mention(where="security group sg-1 inbound", cidr=IPv4Network("10.0.0.0/24")),
        Mention(where="security group sg-2 inbound", cidr=IPv4Network("10.0.0.0/8")),
        Mention(where="network ACL acl-1 inbound", cidr=IPv4Network("0.0.0.0/0")),
        Mention(where="route table rtb-9 of vpc-2", cidr=IPv4Network("192.168.0.0/16")),
    )
    plan = plan_expansion(a_full_vpc(mentions=mentions), [a_need(1)], Policy())
    assert [warning.split(" names ")[0] for warning in plan.warnings] == [
        "security group sg-1 inbound",
        "security group sg-2 inbound",
    ]


def test_inside_the_vpc_nobody_needs_to_learn_a_new_block() -> None:
    mentions = (Mention(where="security group sg-1 inbound", cidr=IPv4Network("10.0.0.0/16")),)
    vpc = a_vpc(["10.0.0.0/16"], [a_subnet(1, "10.0.0.0/24")], mentions=mentions)
    assert plan_expansion(vpc, [a_need(1)], Policy()).warnings == ()
