"""What new subnets get from their siblings, and which services must list them."""

from berthmaster.capacity.model import Plan, Policy, SubnetAttributes
from berthmaster.capacity.plan.expansion import plan_expansion
from tests.support.capacity.builders import a_full_vpc, a_need, a_service, a_subnet, a_vpc, an_added_subnet


def test_a_new_subnet_gets_its_siblings_routing_and_tags_but_no_load_balancers() -> None:
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
    assert made.tags == {"Name": "apps berthmaster", "team": "web"}
    assert made.admission_tags == {
        "kubernetes.io/cluster/prod": "shared",
        "kubernetes.io/role/cni": "1",
        "berthmaster:sibling": sibling.id,
    }
    assert [one.cidr for one in plan.eni_configs] == [made.cidr]


def test_a_sibling_excluded_from_the_cni_gets_an_excluded_subnet() -> None:
    vpc = a_full_vpc()
    closed = vpc.subnets[0].__replace__(tags={"kubernetes.io/role/cni": "0"})
    plan = plan_expansion(vpc.__replace__(subnets=(closed, *vpc.subnets[1:])), [a_need(1)], Policy())
    assert plan.subnets[0].admission_tags["kubernetes.io/role/cni"] == "0"


def wired(plan: Plan) -> list[str]:
    return [one.service for one in plan.services]


def test_only_managed_services_in_the_short_subnets_are_wired() -> None:
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


def test_a_need_of_zero_addresses_only_wires_existing_subnets() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [1, 2]),))
    added = an_added_subnet(9, "10.0.1.0/24", of=1, free=200)
    plan = plan_expansion(vpc.__replace__(subnets=(*vpc.subnets, added)), [a_need(1, addresses=0)], Policy())
    assert (plan.block, plan.subnets) == (None, ())
    assert [(one.service, one.add_ids) for one in plan.services] == [("shop", (added.id,))]
