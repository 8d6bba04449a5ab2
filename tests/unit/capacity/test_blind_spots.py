"""Warnings about what names only the old blocks of a VPC."""

from ipaddress import IPv4Network

from berthmaster.capacity.model.plan import Policy
from berthmaster.capacity.model.vpc import Mention, Route, RouteTable
from berthmaster.capacity.plan.expansion import plan_expansion
from tests.support.capacity.builders import a_full_vpc, a_need, a_subnet, a_vpc


def test_rules_and_routes_that_name_only_the_old_block_are_warned_about() -> None:
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


def test_a_subnet_inside_the_vpcs_own_block_needs_no_warning() -> None:
    mentions = (Mention(where="security group sg-1 inbound", cidr=IPv4Network("10.0.0.0/16")),)
    vpc = a_vpc(["10.0.0.0/16"], [a_subnet(1, "10.0.0.0/24")], mentions=mentions)
    assert plan_expansion(vpc, [a_need(1)], Policy()).warnings == ()


def test_a_rule_that_names_a_smaller_range_than_the_new_subnets_inside_the_vpc_is_warned_about() -> None:
    mentions = (
        Mention(where="security group sg-1 inbound tcp 443", cidr=IPv4Network("10.0.0.0/25")),
        Mention(where="security group sg-2 inbound tcp 443", cidr=IPv4Network("10.0.0.128/26")),
    )
    subnets = [a_subnet(1, "10.0.0.0/26"), a_subnet(2, "10.0.0.64/26"), a_subnet(3, "10.0.0.128/26")]
    plan = plan_expansion(a_vpc(["10.0.0.0/24"], subnets, mentions=mentions), [a_need(1, addresses=50)], Policy())
    assert plan.block is None
    assert plan.warnings == ("security group sg-1 inbound tcp 443 names 10.0.0.0/25 and not 10.0.0.192/26",)


def test_a_place_that_names_the_new_block_too_is_not_warned_about() -> None:
    mentions = tuple(
        Mention(where="transit gateway route table tgw-rtb-1", cidr=IPv4Network(cidr))
        for cidr in ("10.0.0.0/24", "100.64.0.0/21", "100.64.8.0/21")
    )
    plan = plan_expansion(a_full_vpc(mentions=mentions), [a_need(1)], Policy())
    assert plan.block is not None
    assert plan.block.cidr == IPv4Network("100.64.0.0/20")
    assert plan.warnings == ()


def test_an_edge_table_that_leads_the_old_subnet_through_a_firewall_is_warned_about() -> None:
    edge = RouteTable(
        id="rtb-edge",
        gateway_ids=("igw-1",),
        routes=(
            Route(destination=IPv4Network("10.0.0.0/26"), target="vpce-1"),
            Route(destination=IPv4Network("10.0.0.64/26"), target="vpce-1"),
            Route(destination=IPv4Network("10.0.0.0/8"), target="tgw-1"),
        ),
    )
    vpc = a_full_vpc()
    plan = plan_expansion(vpc.__replace__(route_tables=(*vpc.route_tables, edge)), [a_need(1)], Policy())
    assert plan.warnings == (
        "route table rtb-edge of igw-1, which leads to vpce-1, names 10.0.0.0/26 and not 100.64.0.0/20",
    )


def test_what_could_not_be_read_is_said() -> None:
    table = RouteTable(id="rtb-1", unread_lists=("pl-1",))
    plan = plan_expansion(
        a_full_vpc(route_tables=(table,), unread=("security groups: throttled",)), [a_need(1)], Policy()
    )
    assert plan.warnings == (
        "the entries of pl-1 in route table rtb-1 cannot be read: AWS refuses 100.64.0.0/20 if it contains one of them",
        "could not be read: security groups: throttled",
    )
