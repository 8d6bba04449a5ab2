"""A new subnet is where its sibling is, or it is refused with the reason."""

from ipaddress import IPv6Network
from typing import Any

from berthmaster.capacity.model.plan import Policy
from berthmaster.capacity.plan.expansion import plan_expansion
from tests.support.capacity.builders import a_full_vpc, a_need, a_subnet, a_vpc, subnet_id

OUTPOST = "arn:aws:outposts:eu-central-1:123456789012:outpost/op-0a1b2c3d4e5f60718"


def ipv6(*cidrs: str) -> tuple[IPv6Network, ...]:
    return tuple(IPv6Network(cidr) for cidr in cidrs)


def a_dual_stack_vpc(*ranges: str, **more: Any) -> Any:
    """A VPC with two dual-stack subnets, whose IPv6 ranges come first in `ranges`."""
    subnets = [
        a_subnet(1, "10.0.0.0/26", ipv6_cidrs=ipv6(ranges[0])),
        a_subnet(2, "10.0.0.64/26", zone=1, ipv6_cidrs=ipv6(ranges[1])),
    ]
    return a_vpc(["10.0.0.0/16"], subnets, ipv6_subnets=ipv6(*ranges), **more)


def test_beside_dual_stack_subnets_each_new_one_has_a_free_range_of_the_same_block() -> None:
    vpc = a_dual_stack_vpc(
        "2001:db8:1:100::/64",
        "2001:db8:1:101::/64",
        "2001:db8:1:103::/64",
        ipv6_blocks=ipv6("2001:db8:9::/56", "2001:db8:1:100::/56"),
    )
    plan = plan_expansion(vpc, [a_need(1), a_need(2)], Policy())
    assert [one.ipv6_cidr for one in plan.subnets] == ["2001:db8:1:102::/64", "2001:db8:1:104::/64"]


def test_a_large_range_that_is_taken_is_skipped() -> None:
    vpc = a_dual_stack_vpc("2001:db8:0:1000::/64", "2001:db8::/52", ipv6_blocks=ipv6("2001:db8::/44"))
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert [one.ipv6_cidr for one in plan.subnets] == ["2001:db8:0:1001::/64"]


def test_without_a_free_ipv6_range_a_dual_stack_subnet_gets_no_sibling() -> None:
    vpc = a_dual_stack_vpc("2001:db8::/64", "2001:db8:0:1::/64", ipv6_blocks=ipv6("2001:db8::/63"))
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert not plan.changes_anything
    assert [one.rule.partition(":")[0] for one in plan.obstacles] == ["ipv6"]


def test_beside_a_subnet_with_ipv4_only_the_new_one_has_no_ipv6_range() -> None:
    plan = plan_expansion(a_full_vpc(ipv6_blocks=ipv6("2001:db8::/56")), [a_need(1)], Policy())
    assert [one.ipv6_cidr for one in plan.subnets] == [""]


def test_a_subnet_on_an_outpost_is_refused_and_the_others_are_expanded() -> None:
    vpc = a_full_vpc()
    on_outpost = vpc.__replace__(subnets=(vpc.subnets[0].__replace__(outpost_arn=OUTPOST), *vpc.subnets[1:]))
    plan = plan_expansion(on_outpost, [a_need(1), a_need(2, zone=1)], Policy())
    assert [one.sibling_id for one in plan.subnets] == [subnet_id(2)]
    assert plan.obstacles == ()
    assert any(one.startswith(f"a subnet beside {subnet_id(1)}: outpost") for one in plan.warnings)
    alone = plan_expansion(on_outpost, [a_need(1)], Policy())
    assert not alone.changes_anything
    assert [OUTPOST in one.rule for one in alone.obstacles] == [True]


def test_in_a_vpc_of_another_account_nothing_is_added() -> None:
    plan = plan_expansion(a_full_vpc(shared_by="210987654321"), [a_need(1)], Policy())
    assert not plan.changes_anything
    assert ["210987654321" in one.remedy for one in plan.obstacles] == [True]
