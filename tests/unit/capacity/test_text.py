"""A notification has the plan, its reasons, its cost, and the very command that decides about it."""

from berthmaster.capacity.ledger.expansions import ExpansionState
from berthmaster.capacity.model.vpc import Quotas
from berthmaster.capacity.report.text import text
from tests.support.capacity.builders import an_expansion


def test_a_proposal_has_all_that_a_decision_needs() -> None:
    proposal = an_expansion(ExpansionState.PROPOSED)
    notification = text(proposal, "berthmaster", "eu-central-1")
    for part in (
        "associate 100.64.0.0/20",
        "create subnet 100.64.0.0/25 in eu-central-1a",
        "add 100.64.0.0/25 to ECS service shop",
        "the forecast says so",
        "123 addresses",
        "3 left afterwards",
        "until 2026-03-09 12:00 UTC",
        proposal.proposal,
        proposal.fingerprint,
        "aws events put-events --region eu-central-1",
    ):
        assert part in notification


def test_only_a_proposal_can_be_approved_and_only_what_is_done_can_be_undone() -> None:
    done = text(an_expansion(ExpansionState.DONE), "berthmaster", "eu-central-1")
    assert "Proposal Approved" not in done
    assert "Retirement Requested" in done
    assert "put-events" not in text(an_expansion(ExpansionState.REPORTED), "berthmaster", "eu-central-1")


def test_an_obstacle_comes_with_what_a_person_can_do() -> None:
    blocked = an_expansion(ExpansionState.IMPOSSIBLE, quotas=Quotas(cidrs_per_vpc=1, subnets_per_vpc=200))
    notification = text(blocked, "berthmaster", "eu-central-1")
    assert "Blocked by:" in notification
    assert "→ ask for a higher quota of IPv4 CIDR blocks per VPC" in notification
    assert "Cost:" not in notification


def test_what_was_left_out_is_to_be_done_by_hand() -> None:
    done = an_expansion(ExpansionState.DONE).__replace__(left_out=("web till",))
    assert "To do by hand:\n- web till" in text(done, "berthmaster", "eu-central-1")
