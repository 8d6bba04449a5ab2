"""What capacity publishes: which event, with what detail, and for whom."""

import json
from dataclasses import replace

import pytest

from berthmaster.capacity.ledger.expansions import ExpansionState
from berthmaster.capacity.model.plan import Policy
from berthmaster.capacity.model.shortage import Cause, Shortage
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.report.notices import diagnosis, outcome
from tests.support.capacity.builders import NOON, VPC, a_full_vpc, a_need, a_service, an_expansion

EXPANSION = f"{VPC}.20260302T120000Z"


@pytest.mark.parametrize(
    ("state", "detail_type", "subject"),
    [
        (ExpansionState.REPORTED, "Expansion Reported", "would be expanded; nothing is done"),
        (ExpansionState.IMPOSSIBLE, "Expansion Impossible", "is short of addresses and cannot be expanded"),
        (ExpansionState.PROPOSED, "Expansion Proposed", "can be expanded if you approve"),
        (ExpansionState.DONE, "Expansion Completed", "was expanded"),
        (ExpansionState.FAILED, "Expansion Failed", "could not be expanded"),
        (ExpansionState.RETIRED, "Expansion Retired", "had an expansion undone"),
    ],
)
def test_people_are_notified_of_every_outcome(state: ExpansionState, detail_type: str, subject: str) -> None:
    notice = outcome(an_expansion(state), "berthmaster", "eu-central-1")
    assert (notice.detail_type, notice.resources) == (detail_type, (VPC,))
    assert notice.subject == f"{VPC} {subject}"
    assert notice.text.startswith(f"{notice.subject}.\nExpansion {EXPANSION}, plan ")


def test_people_read_the_name_of_the_vpc() -> None:
    expansion = an_expansion(ExpansionState.DONE)
    named = replace(expansion, plan=replace(expansion.plan, vpc_name="production"))
    assert outcome(named, "berthmaster", "eu-central-1").subject == f"{VPC} (production) was expanded"


def test_only_the_event_of_a_proposal_names_a_proposal() -> None:
    proposed = outcome(an_expansion(ExpansionState.PROPOSED), "berthmaster", "eu-central-1")
    assert proposed.detail["proposal"] == f"capacity.{EXPANSION}"
    assert "proposal" not in outcome(an_expansion(ExpansionState.DONE), "berthmaster", "eu-central-1").detail


def test_the_detail_of_an_event_is_json() -> None:
    detail = json.loads(json.dumps(outcome(an_expansion(ExpansionState.REJECTED), "bus", "eu-central-1").detail))
    assert (detail["expansion"], detail["block"]) == (EXPANSION, "100.64.0.0/20")
    assert detail["subnets"][0]["cidr"] == "100.64.0.0/25"


def test_an_expansion_in_use_is_not_retired_and_the_event_says_why() -> None:
    kept = replace(an_expansion(ExpansionState.DONE), kept_because="1 interfaces are in subnet-1")
    notice = outcome(kept, "bus", "eu-central-1")
    assert (notice.detail_type, notice.detail["reason"]) == ("Retirement Refused", "1 interfaces are in subnet-1")
    assert "1 interfaces are in subnet-1" in notice.text
    assert notice.is_warning


def test_an_expansion_of_a_thousand_services_fits_into_an_event() -> None:
    services = tuple(a_service(f"service-{number}-of-a-shop", [1], managed=number % 2 == 0) for number in range(2000))
    plan = plan_expansion(a_full_vpc(services=services), [a_need(1)], Policy())
    expansion = replace(an_expansion(ExpansionState.DONE), plan=plan)
    assert len(expansion.plan.services) == 1000
    left_out = tuple(f"{one.cluster} {one.service}" for one in expansion.plan.services)
    notice = outcome(replace(expansion, left_out=left_out), "bus", "eu-central-1")
    assert len(json.dumps({**notice.detail, "message": notice.text})) < 128 * 1024
    assert "900 more" in notice.text
    assert sum("more warnings" in one for one in notice.detail["warnings"]) == 1


@pytest.mark.parametrize("cause", [cause for cause in Cause if not cause.is_shortage])
def test_every_other_cause_has_a_remedy(cause: Cause) -> None:
    shortage = Shortage(source="aws.ecs ECS Service Action", time=NOON, cause=cause, subnet_ids=("subnet-1",), text="x")
    notice = diagnosis(shortage)
    assert (notice.detail_type, notice.resources) == ("Failure Diagnosed", ("subnet-1",))
    assert notice.detail["cause"] == cause
    assert notice.detail["remedy"]
