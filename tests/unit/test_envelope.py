"""An event's envelope is read strictly, and what is wrong is named by its path."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct

from berthmaster.envelope import open_envelope
from berthmaster.errors import InvalidEvent

EVENT: dict[str, Any] = {
    "source": "aws.ecs",
    "detail-type": "ECS Task State Change",
    "time": "2026-11-22T11:30:00+02:00",
    "detail": {"task": {"version": 3}},
}


class Task(Struct):
    version: int


class Detail(Struct):
    task: Task


def read(event: object) -> Detail:
    return open_envelope(json.dumps(event)).as_(Detail)


def test_an_event_has_its_origin_and_time() -> None:
    envelope = open_envelope(json.dumps(EVENT))
    assert envelope.origin == "aws.ecs ECS Task State Change"
    assert envelope.at == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    assert envelope.as_(Detail).task.version == 3


def test_a_time_without_a_zone_is_utc() -> None:
    assert open_envelope(json.dumps(EVENT | {"time": "2026-11-22T11:30:00"})).at.isoformat().endswith("+00:00")


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ([], "event"),
        ({}, "source"),
        ({name: value for name, value in EVENT.items() if name != "detail"}, "detail"),
        (EVENT | {"time": "yesterday"}, "time"),
        (EVENT | {"detail": 1}, "detail"),
        (EVENT | {"detail": {"task": {}}}, "detail.task.version"),
        (EVENT | {"detail": {"task": {"version": "3"}}}, "detail.task.version"),
    ],
)
def test_what_is_wrong_is_named(event: object, field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        read(event)
    assert refused.value.field == field


@pytest.mark.parametrize("body", ["", "{", b"\xff"])
def test_what_is_not_json_is_refused(body: str | bytes) -> None:
    with pytest.raises(InvalidEvent) as refused:
        open_envelope(body)
    assert refused.value.field == "event"
