"""A record survives the ledger, and an approval binds what would change and nothing else."""

from ipaddress import IPv4Network

from berthmaster.capacity.ledger.expansions import ExpansionState, fingerprint, new_id
from berthmaster.capacity.model import Mention, Policy
from berthmaster.capacity.plan.expansion import plan_expansion
from tests.support.capacity.builders import NOON, VPC, a_full_vpc, a_need, a_service

PLAN = plan_expansion(a_full_vpc(services=(a_service("shop", [1, 2]),)), [a_need(1), a_need(2, zone=1)], Policy())


def test_a_plan_made_twice_has_one_fingerprint() -> None:
    again = plan_expansion(a_full_vpc(services=(a_service("shop", [1, 2]),)), [a_need(1), a_need(2, zone=1)], Policy())
    assert fingerprint(again) == fingerprint(PLAN)


def test_figures_and_warnings_may_drift_under_an_approval() -> None:
    vpc = a_full_vpc(
        services=(a_service("shop", [1, 2]),), mentions=(Mention(where="sg-1", cidr=IPv4Network("10.0.0.0/24")),)
    )
    later = plan_expansion(vpc, [a_need(1, addresses=101), a_need(2, zone=1)], Policy())
    assert later != PLAN
    assert fingerprint(later) == fingerprint(PLAN)


def test_another_block_or_another_service_is_another_plan() -> None:
    elsewhere = plan_expansion(
        a_full_vpc(services=(a_service("shop", [1, 2]),)),
        [a_need(1), a_need(2, zone=1)],
        Policy(),
        refused=[IPv4Network("100.64.0.0/20")],
    )
    unwired = plan_expansion(a_full_vpc(), [a_need(1), a_need(2, zone=1)], Policy())
    assert len({fingerprint(PLAN), fingerprint(elsewhere), fingerprint(unwired)}) == 3


def test_ids_sort_by_time() -> None:
    assert new_id(VPC, NOON) == f"{VPC}.20260302T120000Z"
    assert new_id(VPC, NOON) < new_id(VPC, NOON.replace(second=1))


def test_only_what_left_nothing_in_aws_is_forgotten() -> None:
    assert not any(
        state.left_nothing
        for state in (ExpansionState.RUNNING, ExpansionState.DONE, ExpansionState.FAILED, ExpansionState.RETIRING)
    )
