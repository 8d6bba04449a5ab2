"""When a proposal stands although the plan is a little different by now, and when it is replaced."""

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from berthmaster.capacity.model.plan import Plan, Policy
from berthmaster.capacity.model.vpc import Association, VpcSnapshot
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.plan.materiality import difference, is_same_obstacle, why_replaced
from tests.support.capacity.builders import a_full_vpc, a_need, a_service, a_subnet, a_vpc, associated, networks

POLICY = Policy()
ASSOCIATING = Association(id="vpc-cidr-assoc-9", cidr=IPv4Network("100.64.8.0/24"), state="associating")


def a_plan(vpc: VpcSnapshot | None = None, *, addresses: int = 100, zones: int = 1, **policy: Any) -> Plan:
    """What is planned when the first subnets need so many addresses; the service `shop` runs in all of them."""
    snapshot = vpc or a_full_vpc(services=(a_service("shop", [1, 2, 3]),))
    needs = [a_need(number + 1, addresses=addresses, zone=number) for number in range(zones)]
    return plan_expansion(snapshot, needs, Policy(**policy))


def elsewhere(plan: Plan) -> Plan:
    """The same plan with another block of the same size."""
    assert plan.block is not None
    return a_plan(refused_pool(plan.block.cidr))


def refused_pool(taken: IPv4Network) -> VpcSnapshot:
    return a_full_vpc(services=(a_service("shop", [1, 2, 3]),), neighbours=(taken,))


@pytest.mark.parametrize(
    "current",
    [
        a_plan(),
        elsewhere(a_plan()),
        a_plan(addresses=200),
        a_plan(addresses=30),
        a_plan(a_full_vpc(services=(a_service("shop", [1, 2, 3]), a_service("cart", [1])))),
        a_plan(a_full_vpc()),
    ],
    ids=["the same", "another block", "twice as large", "smaller", "one service more", "one service less"],
)
def test_a_proposal_stands_beside_a_plan_that_is_a_little_different(current: Plan) -> None:
    assert difference(a_plan(), current) == ""


@pytest.mark.parametrize(
    ("current", "says"),
    [
        (a_plan(zones=2), "needs addresses too"),
        (a_plan(addresses=400), "would have 512 addresses, and not 128"),
        (
            a_plan(a_full_vpc(services=tuple(a_service(name, [1]) for name in ("shop", "cart", "till")))),
            "cart, till would get subnets too",
        ),
        (a_plan(a_full_vpc(route_tables=())), "the route table"),
        (a_plan(pools=networks("10.9.0.0/28")), "the pool is smaller"),
    ],
    ids=["another zone", "four times as large", "two services more", "another route table", "no room"],
)
def test_a_proposal_is_replaced_if_something_else_would_be_built(current: Plan, says: str) -> None:
    assert says in difference(a_plan(), current)


def test_a_proposal_that_does_more_than_is_needed_now_stands() -> None:
    assert difference(a_plan(zones=3), a_plan(zones=1)) == ""
    assert "100.64.0.0/20 is not needed" in difference(a_plan(), a_plan(with_room()))


def with_room() -> VpcSnapshot:
    """The full VPC with another block, in which nothing is yet."""
    vpc = a_full_vpc(services=(a_service("shop", [1, 2, 3]),))
    return replace(vpc, associations=associated("10.0.0.0/24", "10.0.4.0/22"))


def test_a_person_gets_as_many_addresses_as_were_asked_for() -> None:
    assert difference(a_plan(addresses=100), a_plan(addresses=200), at_least=True) != ""
    assert difference(a_plan(addresses=200), a_plan(addresses=100), at_least=True) == ""


def test_a_plan_that_only_lists_subnets_is_replaced_by_one_that_lists_another() -> None:
    sibling = a_subnet(9, "10.0.4.0/24", free=200, tags={"berthmaster:sibling": a_subnet(1, "10.0.0.0/26").id})
    subnets = (a_subnet(1, "10.0.0.0/26", free=0), sibling)

    def listing(*names: str) -> Plan:
        services = tuple(a_service(name, [1]) for name in names)
        return plan_expansion(a_vpc(["10.0.0.0/16"], subnets, services=services), [a_need(1, addresses=0)], POLICY)

    assert difference(listing("shop"), listing("cart", "shop")) == "cart would get subnets too"
    assert difference(listing("cart", "shop"), listing("shop")) == ""


def test_a_proposal_to_list_a_subnet_that_is_gone_is_replaced() -> None:
    full = a_subnet(1, "10.0.0.0/26", free=0)
    added = a_subnet(9, "10.0.4.0/24", free=200, tags={"berthmaster:sibling": full.id})
    vpc = a_vpc(["10.0.0.0/16"], (full, added), services=(a_service("shop", [1]),))
    proposed = plan_expansion(vpc, [a_need(1, addresses=0)], POLICY)
    assert proposed.services
    without = replace(vpc, subnets=(full,))
    current = plan_expansion(without, [a_need(1, addresses=0)], POLICY)
    assert why_replaced(proposed, current, vpc, POLICY) == ""
    assert why_replaced(proposed, current, without, POLICY) == f"{added.id} is gone"


@pytest.mark.parametrize(
    ("vpc", "says"),
    [
        ({"associations": (*associated("10.0.0.0/24"), ASSOCIATING)}, "overlaps"),
        ({"neighbours": networks("100.64.0.0/20")}, "another VPC of the account has 100.64.0.0/20"),
        ({"subnets": a_full_vpc().subnets[1:]}, "is gone"),
    ],
    ids=["associated", "another VPC's", "subnet gone"],
)
def test_a_proposal_that_cannot_be_carried_out_any_more_is_replaced(vpc: dict[str, Any], says: str) -> None:
    snapshot = replace(a_full_vpc(), **vpc)
    current = plan_expansion(snapshot, [a_need(1 if says != "is gone" else 2)], POLICY)
    proposed = a_plan(a_full_vpc(), zones=2 if says == "is gone" else 1)
    assert says in why_replaced(proposed, current, snapshot, POLICY)


def test_a_proposal_whose_block_is_refused_or_to_be_avoided_by_now_is_replaced() -> None:
    block = networks("100.64.0.0/20")
    snapshot = a_full_vpc()
    proposed = a_plan(snapshot)
    other = a_plan(refused_pool(block[0]))
    assert "refused by AWS" in why_replaced(proposed, other, snapshot, POLICY, block)
    assert "to be avoided" in why_replaced(proposed, other, snapshot, Policy(avoid=block))
    assert "no pool has" in why_replaced(proposed, other, snapshot, Policy(pools=networks("100.70.0.0/16")))
    assert why_replaced(proposed, other, snapshot, POLICY) == ""


def test_what_prevents_an_expansion_is_the_same_whatever_the_sizes_are() -> None:
    vpc = replace(a_full_vpc(), pending_peering=True)
    assert is_same_obstacle(a_plan(vpc), a_plan(vpc, addresses=900))
    assert not is_same_obstacle(a_plan(vpc), a_plan(vpc, zones=2))
    assert not is_same_obstacle(a_plan(vpc), a_plan(pools=networks("10.9.0.0/28")))
