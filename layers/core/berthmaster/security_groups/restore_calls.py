"""What else than a request has rules restored: an alarm of CloudWatch, or a message to the restore topic.

An alarm may come from EventBridge or from SNS. Any other text that is published to the topic is a call as well: whoever
may publish there has a tool that knows no AWS CLI.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from berthmaster.envelope import Envelope
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Request

RESTORE_REQUESTED = "Restore Requested"
"""The detail type of the request that does the same, and of the answers."""
ALARM_CHANGED = "CloudWatch Alarm State Change"
ALARM = "ALARM"
_SHOWN = 100
"""Characters of a message that the answer repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreCall(Request):
    """What was changed last is to be restored. alarm: its name; empty for another message.

    is_on: whether the alarm is in the state ALARM: in any other one nothing is done. topic: to which it was published;
    empty if it came from EventBridge.
    """

    alarm: str = ""
    is_on: bool = True
    topic: str = ""

    @property
    def detail_type(self) -> str:
        """As of the request."""
        return RESTORE_REQUESTED

    @property
    def subject(self) -> str:
        """The alarm."""
        return self.alarm


class _State(Struct):
    value: str


class _AlarmDetail(Struct, rename="camel"):
    alarm_name: str
    state: _State


class _Notification(Struct, rename="pascal"):
    """SNS's envelope."""

    type: str
    message: str
    topic_arn: str
    message_id: str = ""
    subject: str = ""
    timestamp: datetime | None = None


def alarm_changed(event: Envelope) -> RestoreCall:
    """Of an event of CloudWatch."""
    detail = event.as_(_AlarmDetail)
    is_on = detail.state.value == ALARM
    return RestoreCall(
        alarm=detail.alarm_name, is_on=is_on, by=f"the alarm {detail.alarm_name}", id=event.id, time=event.at
    )


def published(body: str | bytes) -> RestoreCall | None:
    """Of a message that SNS has put into the queue; None for one that has come otherwise."""
    try:
        found = msgspec.json.decode(body, type=_Notification)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if found.type != "Notification":
        raise InvalidEvent("Type", f"{found.type!r} is no notification")
    at = found.timestamp or datetime.fromtimestamp(0, UTC)
    name, is_on = _alarm_in(found.message)
    by = f"the alarm {name}" if name else f"a message to the restore topic ({_short(found.subject or found.message)})"
    time = at if at.tzinfo else at.replace(tzinfo=UTC)
    return RestoreCall(alarm=name, is_on=is_on, topic=found.topic_arn, by=by, id=found.message_id, time=time)


def _alarm_in(message: str) -> tuple[str, bool]:
    """The alarm that a message is about, and whether it is on; ("", True) if it is about none."""
    try:
        content = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return "", True
    if not isinstance(content, Mapping):
        return "", True
    if content.get("detail-type") == ALARM_CHANGED:
        return _alarm_of_event(content)
    name, state = content.get("AlarmName"), content.get("NewStateValue")
    return (name, state == ALARM) if isinstance(name, str) and isinstance(state, str) else ("", True)


def _alarm_of_event(content: Mapping[str, Any]) -> tuple[str, bool]:
    try:
        detail = msgspec.convert(content.get("detail"), _AlarmDetail)
    except msgspec.ValidationError:
        return "", True
    return detail.alarm_name, detail.state.value == ALARM


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
