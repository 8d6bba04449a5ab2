"""What events say of interfaces and rules; those that are spoiled name the field."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from berthmaster.security_groups.aws_events import Clue, read
from berthmaster.security_groups.model.origins import RecordedOrigin
from berthmaster.security_groups.model.removals import Origin
from tests.support.spoiled import messages, refused_field, spoiled

ENI, GROUP, RULE = "eni-0e5f60718293a4b5c", "sg-0e5f60718293a4b5c", "sgr-0a1b2c3d4e5f60718"
CALLED = 1795346997.0
MADE = RecordedOrigin(
    id=RULE,
    origin=Origin.PEOPLE,
    at=datetime(2026, 11, 22, 11, 29, 57, tzinfo=UTC),
    caller="arn:aws:iam::123456789012:role/prod-nodes",
    agent="aws-cli/2.31.0",
)
SAMPLES = messages("security_groups_track_*.json")


def sample(name: str) -> dict[str, Any]:
    """One of the sample events."""
    (found,) = messages(f"security_groups_track_{name}.json")
    return found


@pytest.mark.parametrize(
    ("name", "clue"),
    [
        ("interface_created", Clue(interfaces=frozenset({ENI}), absent=frozenset({(ENI, CALLED)}))),
        ("interface_deleted", Clue(absent=frozenset({(ENI, CALLED + 5)}))),
        ("groups_changed", Clue(interfaces=frozenset({ENI}))),
        ("addresses_assigned", Clue(interfaces=frozenset({ENI}))),
        ("instance_groups_changed", Clue(instances=frozenset({"i-0123456789abcdef0"}))),
        (
            "rules_authorized",
            Clue(groups=frozenset({GROUP}), absent=frozenset({(RULE, CALLED)}), made=frozenset({MADE})),
        ),
        ("rules_revoked", Clue(groups=frozenset({GROUP}), absent=frozenset({(RULE, CALLED + 5)}))),
        ("prefix_list_modified", Clue(prefix_lists=frozenset({"pl-0a1b2c3d4e5f60718"}))),
    ],
)
def test_a_call_says_where_to_look_and_what_was_not_there(name: str, clue: Clue) -> None:
    assert read(json.dumps(sample(name))) == clue


def test_a_call_that_failed_says_nothing() -> None:
    event = sample("interface_created")
    event["detail"]["errorCode"] = "Client.UnauthorizedOperation"
    assert read(json.dumps(event)) == Clue()


def test_a_tasks_interface_was_not_there_before_the_task_and_is_gone_when_it_is_deleted() -> None:
    running = read(json.dumps(sample("task_running")))
    assert running.interfaces == {ENI}
    ((interface, time),) = running.absent
    assert (interface, time) == (ENI, 1795346971.402)
    event = sample("task_stopped")
    event["detail"]["attachments"][0]["status"] = "DELETED"
    stopped = read(json.dumps(event))
    assert stopped.interfaces == frozenset()
    assert len(stopped.absent) == 2


def test_a_spoiled_event_is_read_or_its_error_names_the_field() -> None:
    bodies = [json.dumps(one) for event in SAMPLES for one in spoiled(event)]
    refused = [field for body in bodies if (field := refused_field(read, body))]
    assert {"detail.eventTime", "detail.eventName", "detail.createdAt", "detail.attachments"} <= set(refused)
    assert len(refused) < len(bodies) / 2
