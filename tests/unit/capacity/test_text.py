"""What people read names the plan, the reason, the cost, and the very command that decides it."""

import json

from berthmaster.capacity.ledger.expansions import Expansion, ExpansionState, new_id
from berthmaster.capacity.model import Policy, Quotas
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.report.text import command, detail, text
from tests.support.capacity.builders import NOON, VPC, a_full_vpc, a_need, a_service


def an_expansion(state: ExpansionState, **vpc: object) -> Expansion:
    plan = plan_expansion(a_full_vpc(services=(a_service("shop", [1]),), **vpc), [a_need(1)], Policy())
    return Expansion(
        id=new_id(VPC, NOON), vpc_id=VPC, state=state, plan=plan, created_at=NOON, changed_at=NOON, by="the forecast"
    )


def test_a_proposal_tells_all_that_a_decision_needs() -> None:
    proposal = an_expansion(ExpansionState.PROPOSED)
    story = text(proposal, "berthmaster")
    for told in (
        "associate 100.64.0.0/20",
        "create subnet 100.64.0.0/25 in eu-central-1a",
        "add 100.64.0.0/25 to ECS service shop",
        "the forecast says so",
        "123 addresses",
        "3 left after it",
        "until 2026-03-09 12:00 UTC",
        proposal.fingerprint,
    ):
        assert told in story


def test_the_command_is_what_a_shell_and_the_api_take() -> None:
    proposal = an_expansion(ExpansionState.PROPOSED)
    line = command("Plan Approved", proposal, "berthmaster", fingerprint=proposal.fingerprint)
    (entry,) = json.loads(line[line.index("'") + 1 : line.rindex("'")])
    assert json.loads(entry["Detail"]) == {"expansion": proposal.id, "fingerprint": proposal.fingerprint}
    assert (entry["EventBusName"], entry["Source"]) == ("berthmaster", "berthmaster.operator")


def test_only_a_proposal_asks_for_a_decision_and_only_what_is_done_can_be_undone() -> None:
    assert "Plan Approved" not in text(an_expansion(ExpansionState.DONE), "berthmaster")
    assert "Expansion Retired" in text(an_expansion(ExpansionState.DONE), "berthmaster")
    assert "aws events put-events" not in text(an_expansion(ExpansionState.REPORTED), "berthmaster")


def test_what_stands_in_the_way_comes_with_what_a_person_can_do() -> None:
    stuck = an_expansion(ExpansionState.IMPOSSIBLE, quotas=Quotas(cidrs_per_vpc=1, subnets_per_vpc=200))
    story = text(stuck, "berthmaster")
    assert "quota" in story
    assert "→ ask for a higher quota of IPv4 CIDR blocks per VPC" in story
    assert "Cost:" not in story


def test_an_event_is_json() -> None:
    assert json.loads(json.dumps(detail(an_expansion(ExpansionState.DONE))))["block"] == "100.64.0.0/20"
