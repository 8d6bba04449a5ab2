"""Each finding is reported once, and the status of a destination says what is known of it."""

from dataclasses import replace
from typing import Any

from berthmaster.targets.ledger.findings import MOST_ROOM, fingerprint, status_of, unreported
from berthmaster.targets.model import ClaimState, DestinationStatus, Finding, Target, TargetState
from berthmaster.targets.plan.reconciliation import Survey
from tests.support.targets.builders import NOON, a_claim, a_target_group, a_task, key_of, seconds

FRONT = a_target_group()
PORT = Finding(destination=FRONT.arn, code="port", text="choose one")
QUOTA = Finding(destination=FRONT.arn, code="quota reached", text="wait")


def a_survey(**more: Any) -> Survey:
    defaults: dict[str, Any] = {"desired": {}, "leaving": frozenset(), "claims": {}, "targets": {}}
    return Survey(destination=FRONT, **(defaults | more))


def status(known: DestinationStatus | None, survey: Survey | None, *findings: Finding) -> DestinationStatus:
    return status_of(FRONT.arn, known, survey, findings, NOON)


def test_a_finding_is_new_until_it_was_reported() -> None:
    assert unreported(None, [PORT, PORT, QUOTA]) == [PORT, QUOTA]
    known = status(None, a_survey(), PORT)
    assert unreported(known, [PORT, QUOTA]) == [QUOTA]


def test_a_finding_that_has_disappeared_is_new_when_it_comes_again() -> None:
    known = status(None, a_survey(), PORT)
    assert unreported(status(known, a_survey()), [PORT]) == [PORT]


def test_while_aws_refuses_targets_earlier_findings_stay_reported() -> None:
    """What was refused is tried again only now and then, and not found in between."""
    refused = a_claim(a_task(), FRONT, ClaimState.REFUSED)
    known = status(None, a_survey(), QUOTA)
    assert status(known, a_survey(claims={refused.key: refused})).reported == {fingerprint(QUOTA)}


def test_the_status_has_the_room_and_whether_others_register_targets() -> None:
    found = status(None, a_survey(limit=7, targets={key_of(a_task(), FRONT): Target(TargetState.PRESENT)}))
    assert (found.shared, found.room, found.checked_at) == (True, 6, NOON)
    assert status(None, a_survey(limit=10_000)).room == MOST_ROOM
    assert status(None, a_survey()).room is None


def test_a_destination_that_could_not_be_read_keeps_its_status() -> None:
    earlier = replace(status(None, a_survey(limit=7), PORT), checked_at=NOON - seconds(60), version=4)
    assert status(earlier, None) == earlier
    assert status(earlier, None, QUOTA) == replace(earlier, reported=frozenset({fingerprint(QUOTA)}))
    assert status(None, None).shared
