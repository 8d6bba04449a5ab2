"""Each finding is reported once, and the status of a destination says what is known of it."""

from dataclasses import replace
from typing import Any

from berthmaster.targets.ledger.findings import MOST_REPORTED, MOST_ROOM, fingerprint, status_of, unreported
from berthmaster.targets.model import DestinationStatus, Finding, Target, TargetState
from berthmaster.targets.plan.reconciliation import Survey
from tests.support.targets.builders import NOON, a_target_group, a_task, key_of, seconds

FRONT = a_target_group()
PORT = Finding(destination=FRONT.arn, code="port", text="choose one")
QUOTA = Finding(destination=FRONT.arn, code="quota reached", text="wait")


def a_survey(**more: Any) -> Survey:
    defaults: dict[str, Any] = {"desired": {}, "leaving": frozenset(), "claims": {}, "targets": {}}
    return Survey(destination=FRONT, **(defaults | more))


def status(
    known: DestinationStatus | None, survey: Survey | None, *findings: Finding, minutes: float = 0
) -> DestinationStatus:
    return status_of(FRONT.arn, known, survey, findings, waiting={}, now=NOON + seconds(60 * minutes))


def test_a_finding_is_new_until_it_was_reported() -> None:
    assert unreported(None, [PORT, PORT, QUOTA]) == [PORT, QUOTA]
    known = status(None, a_survey(), PORT)
    assert unreported(known, [PORT, QUOTA]) == [QUOTA]


def test_a_finding_that_was_not_found_for_an_hour_is_new_when_it_comes_again() -> None:
    known = status(status(None, a_survey(), PORT), a_survey())
    assert unreported(status(known, a_survey(), minutes=59), [PORT]) == []
    assert unreported(status(known, a_survey(), minutes=61), [PORT]) == [PORT]


def test_a_finding_that_comes_and_goes_is_reported_once() -> None:
    known = status(None, a_survey(), PORT)
    for minutes in range(30, 400, 30):
        assert unreported(known, [PORT]) == []
        known = status(known, a_survey(), *([PORT] if minutes % 60 else []), minutes=minutes)


def test_an_hour_in_which_no_run_looked_does_not_count() -> None:
    known = status(None, a_survey(), PORT)
    assert unreported(status(status(known, None), None, minutes=61), [PORT]) == []


def test_a_finding_with_a_topic_is_the_same_whatever_its_text() -> None:
    one, other = (
        Finding(destination=FRONT.arn, code="late", text=text, topic="late") for text in ("1 task", "2 tasks")
    )
    assert unreported(None, [one, other]) == [other]
    assert unreported(status(None, a_survey(), one), [other]) == []


def test_the_findings_that_are_remembered_longest_are_forgotten_first() -> None:
    many = [Finding(destination=FRONT.arn, code="port", text=str(number)) for number in range(MOST_REPORTED)]
    known = status(status(None, a_survey(), PORT), a_survey(), *many, minutes=1)
    assert unreported(status(known, a_survey(), minutes=2), [PORT, *many]) == [PORT]


def test_the_status_has_the_room_and_whether_others_register_targets() -> None:
    found = status(None, a_survey(limit=7, targets={key_of(a_task(), FRONT): Target(TargetState.PRESENT)}))
    assert (found.shared, found.room, found.checked_at) == (True, 6, NOON)
    assert status(None, a_survey(limit=10_000)).room == MOST_ROOM
    assert status(None, a_survey()).room is None


def test_a_destination_that_could_not_be_read_keeps_its_status() -> None:
    earlier = replace(status(None, a_survey(limit=7), PORT), checked_at=NOON - seconds(60), version=4)
    assert status(earlier, None) == earlier
    assert status(earlier, None, QUOTA) == replace(earlier, reported=frozenset(map(fingerprint, [PORT, QUOTA])))
    assert status(None, None).shared
