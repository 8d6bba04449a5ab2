"""Warnings about what names only the old blocks of a VPC."""

from ipaddress import IPv4Network

from berthmaster.capacity.model import Mention, Policy
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
