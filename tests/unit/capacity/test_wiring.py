"""What new subnets get from their siblings, and which services must list them."""

import pytest

from berthmaster.capacity.model.plan import Plan, Policy
from berthmaster.capacity.model.vpc import Occupancy, SubnetAttributes
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.interface_services import EKS_CONTROL_PLANE, EKS_PODS_AND_NODES
from tests.support.capacity.builders import a_full_vpc, a_need, a_service, a_subnet, a_vpc, an_added_subnet, subnet_id


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
    vpc = vpc.__replace__(subnets=(sibling, *vpc.subnets[1:]), occupancy=held_by(1, EKS_PODS_AND_NODES))
    plan = plan_expansion(vpc, [a_need(1)], Policy())
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


def held_by(number: int, holder: str, *clusters: str) -> dict[str, Occupancy]:
    subnet = subnet_id(number)
    return {subnet: Occupancy(subnet_id=subnet, holders={holder: 50}, clusters=clusters)}


def test_the_subnets_of_an_eks_control_plane_are_not_opened_to_pods() -> None:
    vpc = a_full_vpc(occupancy=held_by(1, EKS_CONTROL_PLANE))
    tagged = vpc.subnets[0].__replace__(tags={"kubernetes.io/cluster/prod": "shared"})
    plan = plan_expansion(vpc.__replace__(subnets=(tagged, *vpc.subnets[1:])), [a_need(1)], Policy())
    assert "kubernetes.io/role/cni" not in plan.subnets[0].admission_tags
    assert plan.eni_configs == ()


def test_a_new_subnet_is_for_the_cluster_whose_pods_use_its_sibling() -> None:
    occupancy = held_by(1, EKS_PODS_AND_NODES, "prod") | held_by(2, EKS_PODS_AND_NODES, "test")
    first, second = plan_expansion(a_full_vpc(occupancy=occupancy), [a_need(1), a_need(2, zone=1)], Policy()).subnets
    scopes = [{key for key in one.admission_tags if key.startswith("cni.networking")} for one in (first, second)]
    assert scopes == [{"cni.networking.k8s.aws/cluster/prod"}, {"cni.networking.k8s.aws/cluster/test"}]
    alone = plan_expansion(a_full_vpc(occupancy=held_by(1, EKS_PODS_AND_NODES, "prod")), [a_need(1)], Policy())
    assert not any(key.startswith("cni.networking") for key in alone.subnets[0].admission_tags)


def test_a_scope_of_the_sibling_is_kept_as_it_is() -> None:
    occupancy = held_by(1, EKS_PODS_AND_NODES, "prod") | held_by(2, EKS_PODS_AND_NODES, "test")
    vpc = a_full_vpc(occupancy=occupancy)
    scoped = vpc.subnets[0].__replace__(tags={"cni.networking.k8s.aws/cluster/other": "shared"})
    plan = plan_expansion(vpc.__replace__(subnets=(scoped, *vpc.subnets[1:])), [a_need(1)], Policy())
    assert plan.subnets[0].admission_tags == {
        "cni.networking.k8s.aws/cluster/other": "shared",
        "kubernetes.io/role/cni": "1",
        "berthmaster:sibling": scoped.id,
    }


def test_if_it_is_not_known_which_of_several_clusters_uses_a_subnet_a_warning_says_so() -> None:
    occupancy = held_by(1, EKS_PODS_AND_NODES) | held_by(2, EKS_PODS_AND_NODES, "prod", "test")
    plan = plan_expansion(a_full_vpc(occupancy=occupancy), [a_need(1)], Policy())
    assert any("pods of each of the clusters prod, test may use" in warning for warning in plan.warnings)


@pytest.mark.parametrize(("cidrs", "copied"), [(["10.0.0.0/23"], True), (["10.0.0.0/24"], False)])
def test_karpenter_launches_nodes_only_in_the_block_of_the_sibling(cidrs: list[str], *, copied: bool) -> None:
    subnet = a_subnet(1, "10.0.0.0/24", tags={"karpenter.sh/discovery": "prod"})
    vpc = a_vpc(cidrs, [subnet], occupancy=held_by(1, EKS_PODS_AND_NODES))
    plan = plan_expansion(vpc, [a_need(1)], Policy())
    assert ("karpenter.sh/discovery" in plan.subnets[0].admission_tags) is copied
    assert any("karpenter.sh/discovery=prod" in warning for warning in plan.warnings) is not copied


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


def test_of_more_subnets_than_ecs_takes_as_many_are_listed_as_fit() -> None:
    subnets = (a_subnet(1, "10.1.1.0/28"), a_subnet(2, "10.1.2.0/28", zone=1))
    others = tuple(a_subnet(number, f"10.1.{number}.0/28", zone=2) for number in range(3, 16))
    vpc = a_vpc(["10.1.0.0/18"], (*subnets, *others), services=(a_service("wide", range(1, 16)),))
    plan = plan_expansion(vpc, [a_need(1), a_need(2, zone=1)], Policy())
    assert plan.services[0].add_cidrs == (plan.subnets[0].cidr,)
    assert any("more than 16 subnets" in warning for warning in plan.warnings)


def test_a_subnet_that_a_person_took_off_a_list_is_not_listed_again() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [9]),))
    added = an_added_subnet(9, "10.0.1.0/24", of=1, free=0)
    plan = plan_expansion(vpc.__replace__(subnets=(*vpc.subnets, added)), [a_need(1)], Policy())
    assert [(one.add_ids, one.add_cidrs) for one in plan.services] == [((), (plan.subnets[0].cidr,))]


def test_a_need_of_zero_addresses_only_wires_existing_subnets() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [1, 2]),))
    added = an_added_subnet(9, "10.0.1.0/24", of=1, free=200)
    plan = plan_expansion(vpc.__replace__(subnets=(*vpc.subnets, added)), [a_need(1, addresses=0)], Policy())
    assert (plan.block, plan.subnets) == (None, ())
    assert [(one.service, one.add_ids) for one in plan.services] == [("shop", (added.id,))]
