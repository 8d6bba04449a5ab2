"""Ids, states and fingerprints of expansions; an approval is bound to what would change and to nothing else."""

from ipaddress import IPv4Network

from berthmaster.capacity.ledger.expansions import ExpansionState, expansion_of, fingerprint, new_id, vpc_of
from berthmaster.capacity.model.plan import Plan, Policy
from berthmaster.capacity.model.vpc import Mention
from berthmaster.capacity.plan.expansion import plan_expansion
from tests.support.capacity.builders import NOON, VPC, a_full_vpc, a_need, a_service, an_expansion, networks


def a_plan(*, addresses: int = 100, **vpc: object) -> Plan:
    services = (a_service("shop", [1, 2]),)
    needs = [a_need(1, addresses=addresses), a_need(2, zone=1)]
    return plan_expansion(a_full_vpc(services=services, **vpc), needs, Policy())


def test_a_plan_made_twice_has_one_fingerprint() -> None:
    assert fingerprint(a_plan()) == fingerprint(a_plan())


def test_reasons_and_warnings_do_not_change_the_fingerprint() -> None:
    later = a_plan(addresses=101, mentions=(Mention(where="sg-1", cidr=IPv4Network("10.0.0.0/24")),))
    assert later != a_plan()
    assert fingerprint(later) == fingerprint(a_plan())


def test_another_block_or_another_service_changes_the_fingerprint() -> None:
    services = (a_service("shop", [1, 2]),)
    needs = [a_need(1), a_need(2, zone=1)]
    elsewhere = plan_expansion(a_full_vpc(services=services), needs, Policy(), networks("100.64.0.0/20"))
    unwired = plan_expansion(a_full_vpc(), needs, Policy())
    assert len({fingerprint(a_plan()), fingerprint(elsewhere), fingerprint(unwired)}) == 3


def test_ids_sort_by_time_and_name_their_vpc() -> None:
    assert new_id(VPC, NOON) == f"{VPC}.20260302T120000Z"
    assert new_id(VPC, NOON) < new_id(VPC, NOON.replace(second=1))
    assert vpc_of(new_id(VPC, NOON)) == VPC


def test_a_proposal_names_its_automation_and_its_expansion() -> None:
    expansion = an_expansion(ExpansionState.PROPOSED)
    assert expansion.proposal == f"capacity.{expansion.id}"
    assert expansion_of(expansion.proposal) == expansion.id


def test_the_record_stays_if_something_is_left_in_aws() -> None:
    assert not any(
        state.left_nothing
        for state in (ExpansionState.RUNNING, ExpansionState.DONE, ExpansionState.FAILED, ExpansionState.RETIRING)
    )
