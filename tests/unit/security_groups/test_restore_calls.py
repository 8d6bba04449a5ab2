"""Alarms and messages that have rules restored, as EventBridge and SNS send them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.errors import InvalidEvent
from berthmaster.security_groups.change_triggers import read
from berthmaster.security_groups.restore_calls import RestoreCall, published

TOPIC = "arn:aws:sns:eu-central-1:123456789012:restore"
CHANGED = "CloudWatch Alarm State Change"


def notification(message: str, **given: Any) -> str:
    fields = {"Type": "Notification", "MessageId": "1", "TopicArn": TOPIC, "Message": message}
    return json.dumps(fields | {"Timestamp": "2026-11-22T12:00:00.152Z"} | given)


def event(state: str, name: str = "shop") -> dict[str, Any]:
    detail = {"alarmName": name, "state": {"value": state, "reason": "…"}}
    return {"source": "aws.cloudwatch", "detail-type": CHANGED, "time": "2026-11-22T12:00:00Z", "id": "1"} | {
        "detail": detail
    }


@pytest.mark.parametrize("state", ["ALARM", "OK", "INSUFFICIENT_DATA"])
@pytest.mark.parametrize("way", ["bus", "alarm action", "event by SNS"])
def test_an_alarm_is_on_only_in_the_state_alarm(state: str, way: str) -> None:
    body = {
        "bus": json.dumps(event(state)),
        "alarm action": notification(json.dumps({"AlarmName": "shop", "NewStateValue": state})),
        "event by SNS": notification(json.dumps(event(state))),
    }[way]
    call = read(body)
    assert isinstance(call, RestoreCall)
    assert (call.alarm, call.is_on, call.topic) == ("shop", state == "ALARM", "" if way == "bus" else TOPIC)
    assert call.time.replace(microsecond=0) == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert call.by == "the alarm shop"


@given(st.text(min_size=1, max_size=300))
def test_any_other_message_is_a_call_and_never_a_command(message: str) -> None:
    call = read(notification(message))
    assert isinstance(call, RestoreCall)
    assert call.topic == TOPIC


def test_what_a_message_says_is_shown_on_one_short_line() -> None:
    call = published(notification("x\n" * 500))
    assert call is not None
    assert "\n" not in call.by
    assert len(call.by) < 150
    assert "the shop is down" in str(published(notification("…", Subject="the shop is down")))


@pytest.mark.parametrize(
    "body",
    [
        notification("x", Type="SubscriptionConfirmation"),
        json.dumps(event("ALARM") | {"detail": {"alarmName": "shop"}}),
        "restore everything",
        json.dumps({"AlarmName": "shop", "NewStateValue": "ALARM"}),
    ],
)
def test_what_is_neither_an_event_nor_published_is_invalid(body: str) -> None:
    with pytest.raises(InvalidEvent):
        read(body)
