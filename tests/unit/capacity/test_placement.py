"""Where new subnets are placed: inside the VPC, or in the best block of the pools; or what prevents it."""

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from berthmaster.capacity.model.plan import BlockSource, Policy
from berthmaster.capacity.model.vpc import IpamPool, Mention, Quotas, RouteTable
from berthmaster.capacity.plan.cidr_rules import TO_AVOID
from berthmaster.capacity.plan.expansion import plan_expansion
from tests.support.capacity.builders import a_full_vpc, a_need, a_subnet, a_vpc


def test_free_addresses_inside_the_vpc_come_before_a_new_block() -> None:
    vpc = a_vpc(["10.0.0.0/16"], [a_subnet(1, "10.0.0.0/24")])
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert plan.block is None
    assert plan.subnets[0].cidr.subnet_of(IPv4Network("10.0.0.0/16"))


def test_a_block_that_is_still_associating_is_not_used() -> None:
    vpc = a_full_vpc()
    coming = (
        a_vpc(["10.0.0.0/24"], vpc.subnets)
        .associations[0]
        .__replace__(id="vpc-cidr-assoc-2", cidr=IPv4Network("100.64.0.0/16"), state="associating")
    )
    plan = plan_expansion(vpc.__replace__(associations=(*vpc.associations, coming)), [a_need(1)], Policy())
    assert plan.block is not None
    assert not plan.block.cidr.overlaps(coming.cidr)


def test_a_new_block_is_larger_than_needed_because_a_vpc_can_have_few() -> None:
    plan = plan_expansion(a_full_vpc(), [a_need(1)], Policy(block_prefix_length=20))
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("100.64.0.0/20")
    assert "no room for /25 inside 10.0.0.0/24" in plan.block.reason


def test_a_small_pool_gives_a_smaller_block() -> None:
    policy = Policy(pools=(IPv4Network("100.64.0.0/24"),), block_prefix_length=20)
    plan = plan_expansion(a_full_vpc(), [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("100.64.0.0/24")


def test_a_smaller_subnet_is_planned_with_a_warning_if_there_is_no_larger_block() -> None:
    policy = Policy(pools=(IPv4Network("100.64.0.0/26"),))
    plan = plan_expansion(a_full_vpc(), [a_need(1, addresses=500)], policy)
    assert [one.cidr for one in plan.subnets] == [IPv4Network("100.64.0.0/26")]
    assert any("too small" in warning for warning in plan.warnings)


def test_an_ambiguous_block_comes_last() -> None:
    vpc = a_vpc(["10.0.0.0/26", "100.64.0.0/26"], [a_subnet(1, "10.0.0.0/26"), a_subnet(2, "100.64.0.0/26")])
    policy = Policy(pools=(IPv4Network("10.9.0.0/16"), IPv4Network("100.64.0.0/10")))
    plan = plan_expansion(vpc, [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr.subnet_of(IPv4Network("100.64.0.0/10"))


def test_blocks_in_use_elsewhere_and_the_one_of_docker_are_avoided() -> None:
    policy = Policy(
        pools=(TO_AVOID[0], IPv4Network("172.18.0.0/16")), avoid=(IPv4Network("172.18.0.0/17"),), block_prefix_length=18
    )
    vpc = a_vpc(["172.16.0.0/26"], [a_subnet(1, "172.16.0.0/26")])
    plan = plan_expansion(vpc, [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("172.18.128.0/18")


def test_a_block_of_another_vpc_is_used_only_if_there_is_no_other() -> None:
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


def test_an_ipam_pool_replaces_the_configured_pools() -> None:
    pool = IpamPool(
        id="ipam-pool-0a1",
        provisioned=(IPv4Network("10.64.0.0/16"),),
        allocated=(IPv4Network("10.64.0.0/18"),),
    )
    plan = plan_expansion(a_full_vpc(ipam=pool), [a_need(1)], Policy())
    assert plan.block is not None
    assert (plan.block.source, plan.block.ipam_pool_id) == (BlockSource.IPAM, pool.id)
    assert plan.block.cidr == IPv4Network("10.64.64.0/20")


def a_pool(**more: Any) -> IpamPool:
    return IpamPool(id="ipam-pool-0a1", provisioned=(IPv4Network("10.64.0.0/16"),), allocated=(), **more)


@pytest.mark.parametrize(
    ("rules", "length"),
    [
        ({}, 20),
        ({"shortest": 24}, 24),
        ({"shortest": 22, "longest": 22}, 22),
        ({"longest": 18}, 18),
    ],
)
def test_a_block_has_a_length_that_the_ipam_pool_allows(rules: dict[str, int], length: int) -> None:
    plan = plan_expansion(a_full_vpc(ipam=a_pool(**rules)), [a_need(1)], Policy())
    assert plan.block is not None
    assert plan.block.cidr.prefixlen == length


def test_if_the_ipam_pool_allows_smaller_blocks_only_the_subnets_are_smaller() -> None:
    plan = plan_expansion(a_full_vpc(ipam=a_pool(shortest=26)), [a_need(1, addresses=100)], Policy())
    assert plan.block is not None
    assert plan.block.cidr.prefixlen == plan.subnets[0].cidr.prefixlen == 26


@pytest.mark.parametrize(
    ("pool", "rule"),
    [
        (a_pool(shortest=28), "netmask: the pool allocates no block larger than a /28"),
        (a_pool(required_tags={"Owner": "net"}), "the pool requires VPCs to be tagged Owner=net"),
        (a_pool(problem="the pool's locale is eu-west-1"), "the pool's locale is eu-west-1"),
        (replace(a_pool(), allocated=(IPv4Network("10.64.0.0/16"),)), "allocated: the IPAM pool has allocated it"),
    ],
)
def test_why_an_ipam_pool_gives_no_block_is_said(pool: IpamPool, rule: str) -> None:
    plan = plan_expansion(a_full_vpc(ipam=pool), [a_need(1)], Policy())
    assert not plan.changes_anything
    assert any(one.rule.startswith(rule) for one in plan.obstacles)


def test_a_vpc_that_has_the_tags_gets_a_block_of_the_ipam_pool() -> None:
    vpc = a_full_vpc(ipam=a_pool(required_tags={"Owner": "net"}), tags={"Owner": "net", "Name": "shop"})
    assert plan_expansion(vpc, [a_need(1)], Policy()).block is not None


def test_what_is_to_be_avoided_is_avoided_in_an_ipam_pool_too() -> None:
    policy = Policy(avoid=(IPv4Network("10.64.0.0/18"),))
    plan = plan_expansion(a_full_vpc(ipam=a_pool()), [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("10.64.64.0/20")


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"quotas": Quotas(cidrs_per_vpc=1, subnets_per_vpc=200)}, "quota"),
        ({"pending_peering": True}, "pending-peering"),
        ({"peer_cidrs": (IPv4Network("100.64.0.0/10"),)}, "peer-overlap"),
    ],
)
def test_an_obstacle_names_the_rule_that_every_block_of_the_pool_breaks(more: dict[str, object], rule: str) -> None:
    plan = plan_expansion(a_full_vpc(**more), [a_need(1)], Policy())
    assert not plan.changes_anything
    assert any(one.rule.startswith(rule) for one in plan.obstacles)


def test_the_quota_of_subnets_is_an_obstacle() -> None:
    vpc = a_full_vpc(quotas=Quotas(cidrs_per_vpc=5, subnets_per_vpc=3))
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert [one.rule for one in plan.obstacles] == ["quota: 3 of 3 subnets per VPC are in use"]


def test_what_is_in_use_elsewhere_is_avoided_inside_the_vpc_too() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26")])
    policy = Policy(avoid=(IPv4Network("10.0.0.128/25"),))
    plan = plan_expansion(vpc, [a_need(1, addresses=50)], policy)
    assert [one.cidr for one in plan.subnets] == [IPv4Network("10.0.0.64/26")]


def test_a_block_of_docker_that_the_vpc_has_is_used() -> None:
    plan = plan_expansion(a_vpc(["172.17.0.0/16"], [a_subnet(1, "172.17.0.0/24")]), [a_need(1)], Policy())
    assert plan.subnets[0].cidr.subnet_of(TO_AVOID[0])


def test_ranges_of_the_vpcs_eks_clusters_are_avoided() -> None:
    services = Mention(where="services of EKS cluster shop", cidr=IPv4Network("10.100.0.0/16"))
    policy = Policy(pools=(IPv4Network("10.100.0.0/15"),))
    plan = plan_expansion(a_full_vpc(cluster_cidrs=(services,)), [a_need(1)], policy)
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("10.101.0.0/20")
    only = Policy(pools=(services.cidr,))
    blocked = plan_expansion(a_full_vpc(cluster_cidrs=(services,)), [a_need(1)], only)
    assert any("avoid: in use for services of EKS cluster shop" in one.rule for one in blocked.obstacles)


def test_no_block_is_added_if_a_route_table_has_no_room_for_its_local_route() -> None:
    quotas = Quotas(cidrs_per_vpc=5, subnets_per_vpc=200, routes_per_table=50)
    tables = (RouteTable(id="rtb-1", size=49), RouteTable(id="rtb-2", size=50))
    plan = plan_expansion(a_full_vpc(route_tables=tables, quotas=quotas), [a_need(1)], Policy())
    assert not plan.changes_anything
    (obstacle,) = (one for one in plan.obstacles if one.rule.startswith("route-quota"))
    assert "rtb-2" in obstacle.rule
    assert "rtb-1" not in obstacle.rule
    assert "L-93826ACB" in obstacle.remedy
