"""A request is read, or what is wrong with it is said, with what may have been meant; each answer names it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from berthmaster.batch import control_triggers as batch
from berthmaster.capacity import triggers as capacity
from berthmaster.errors import InvalidEvent
from berthmaster.requests import (
    DETAIL_TYPES,
    LONGEST_QUOTE,
    About,
    Unreadable,
    accepted,
    not_done,
    refused,
)
from berthmaster.security_groups import change_triggers, report_triggers
from berthmaster.targets import triggers as targets
from berthmaster.targets.triggers import DrainRequest

TASK = "arn:aws:ecs:eu-central-1:123456789012:task/web/9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5"
SENT = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)
DRAIN = DrainRequest(task=TASK, by="Ann", id="1-2-3", time=SENT)
PARSERS = (batch.PARSERS, capacity.PARSERS, change_triggers.PARSERS, report_triggers.PARSERS, targets.PARSERS)
NAMED = {"request": "Drain Requested", "subject": TASK, "by": "Ann", "request_id": "1-2-3"}


def event(detail_type: str, detail: Any, source: str = "berthmaster.operator") -> str:
    sent = {"source": source, "detail-type": detail_type, "time": "2026-11-22T11:30:00Z", "id": "1-2-3"}
    return json.dumps(sent | {"detail": detail})


def unreadable(detail_type: str, detail: Any, source: str = "berthmaster.operator") -> Unreadable:
    found = targets.read(event(detail_type, detail, source))
    assert isinstance(found, Unreadable)
    return found


def test_the_list_of_requests_has_all_that_the_automations_understand() -> None:
    understood = {name for parsers in PARSERS for source, name in parsers if "op" in source}
    assert understood == set(DETAIL_TYPES)


def test_a_request_knows_the_event_that_made_it() -> None:
    assert targets.read(event("Drain Requested", {"task": TASK, "by": "Ann"})) == DRAIN


@pytest.mark.parametrize(
    ("detail_type", "detail", "hint"),
    [
        ("drain requested", {}, "Drain Requested"),
        ("Drain_Requested", {}, "Drain Requested"),
        ("Requested Drain", {}, "Drain Requested"),
        ("Proposal Aproved", {}, "Proposal Approved"),
        ("Coffee", {}, ""),
        ("", {}, ""),
        ("Pause Requested", {"automation": "TARGETS"}, "targets"),
        ("Pause Requested", {"automation": "capactiy"}, "capacity"),
        ("Pause Requested", {"automation": ""}, ""),
        ("Proposal Approved", {"proposal": "capcity.vpc-1.20261122T113000Z"}, "capacity"),
        ("Proposal Approved", {"proposal": "targets"}, "targets"),
    ],
)
def test_what_is_unknown_has_a_hint(detail_type: str, detail: Any, hint: str) -> None:
    found = unreadable(detail_type, detail)
    assert (found.is_unknown, found.hint) == (True, hint)
    assert found.answer().detail_type == "Request Unknown"
    assert (f"Did you mean {hint}?" in found.answer().text) == bool(hint)


@pytest.mark.parametrize("detail", [None, 7, [], "text", {}, {"task": None}, {"task": {}}, {"taskArn": TASK}])
def test_a_wrong_field_is_named_and_the_request_is_not_unknown(detail: Any) -> None:
    found = unreadable("Drain Requested", detail)
    assert not found.is_unknown
    assert found.problem.startswith("detail")
    assert found.answer().detail_type == "Request Refused"


def test_a_proposal_of_another_automation_is_no_proposal_of_nobody() -> None:
    found = unreadable("Proposal Approved", {"proposal": "capacity.vpc-0a1b2c3d4e5f60718.20261122T113000Z"})
    assert not found.is_unknown


def test_events_of_others_are_not_answered() -> None:
    for source, name in [("aws.ecs", "ECS Task State Change"), ("berthmaster", "Check Targets"), ("aws.ec2", "x")]:
        with pytest.raises(InvalidEvent):
            targets.read(event(name, {}, source))


def test_what_an_answer_repeats_is_short() -> None:
    found = unreadable("x" * 100_000, {"task": "y" * 100_000, "by": "z" * 100_000})
    assert len(found.answer().text) < 10 * LONGEST_QUOTE


def test_an_answer_names_the_request_what_it_is_about_and_who_sent_it() -> None:
    until = SENT + timedelta(minutes=5)
    notice = accepted(DRAIN, "it is drained", until=until)
    assert notice.detail == {**NAMED, "text": "it is drained", "until": "2026-11-22T11:35:00+00:00"}
    assert notice.resources == (TASK,)
    assert notice.subject == "Drain Requested accepted: task web/9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5"
    assert "sent by Ann" in notice.text
    assert "11:35:00 UTC" in notice.text
    refusal = refused(DRAIN, "the mode is off", about=About("shop", ("arn:shop",)))
    assert refusal.detail == {**NAMED, "reason": "the mode is off"}
    assert (refusal.subject, refusal.resources) == ("Drain Requested refused: shop", ("arn:shop",))
    assert "it was not done, because AWS failed" in not_done(DRAIN, ValueError("x" * 5000)).text


@pytest.mark.parametrize(("seconds", "retried"), [(-3600, False), (-1, True), (0, True), (29, True), (31, False)])
def test_a_request_is_tried_again_only_while_there_is_time_to_answer_it(seconds: int, *, retried: bool) -> None:
    assert DRAIN.is_retried(SENT + timedelta(seconds=seconds)) == retried
