"""Messages of batch_control are read strictly, and a field that is wrong is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.control_triggers import PARSERS, read
from berthmaster.batch.file_requests import ChangeRequest, StatusRequest
from berthmaster.batch.model.orders import Action
from berthmaster.envelope import parse
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Unreadable
from tests.support.json_values import JSON, changed, paths_of

EVENTS = Path(__file__).parents[3] / "events"
PREFIX = "batch_control_"
ALL = sorted(path.stem.removeprefix(PREFIX) for path in EVENTS.glob(f"{PREFIX}*.json"))
FILE = "bbfc0a20436bf0acb68eb3fc2ecc0a"
KEY = "scans/2026/Hafen plan+deck%20b.tif"


def an_event(name: str) -> dict[str, Any]:
    (record,) = json.loads((EVENTS / f"{PREFIX}{name}.json").read_text())["Records"]
    event: dict[str, Any] = json.loads(record["body"])
    return event


def parsed(event: dict[str, Any]) -> Any:
    return parse(json.dumps(event), PARSERS)


def test_requests_are_read_with_raw_keys() -> None:
    status = parsed(an_event("object_status_requested"))
    assert isinstance(status, StatusRequest)
    assert (status.bucket, status.key, status.by) == ("incoming", KEY, "ann@example.com")
    assert status.subject == f"s3://incoming/{KEY}"
    cancel, replay = parsed(an_event("cancel_requested")), parsed(an_event("pipeline_replay_requested"))
    assert isinstance(cancel, ChangeRequest)
    assert isinstance(replay, ChangeRequest)
    assert (cancel.action, cancel.file, cancel.since) == (Action.CANCEL, FILE, None)
    assert (replay.action, replay.pipeline, replay.most) == (Action.REPLAY, "ocr", 100)
    assert str(replay.since) == "2026-11-21 00:00:00+00:00"


@pytest.mark.parametrize(
    ("detail", "field"),
    [
        ({}, "detail"),
        ({"file": FILE, "pipeline": "ocr"}, "detail"),
        ({"file": FILE, "bucket": "incoming", "key": KEY}, "detail"),
        ({"bucket": "incoming"}, "detail.key"),
        ({"key": KEY}, "detail.bucket"),
        ({"file": FILE, "version_id": "1"}, "detail.version_id"),
        ({"file": FILE.upper()}, "detail.file"),
        ({"bucket": "incoming", "key": "k" * 1025}, "detail.key"),
        ({"pipeline": ""}, "detail.pipeline"),
        ({"pipeline": "ocr", "by": "x" * 300}, "detail.by"),
        ({"pipeline": "ocr", "since": "2026-03-02T12:00:00"}, "detail.since"),
        ({"pipeline": "ocr", "most": 100_001}, "detail.most"),
        ({"pipeline": "ocr", "most": "all"}, "detail.most"),
    ],
)
def test_an_invalid_request_is_refused_with_the_name_of_the_field(detail: dict[str, Any], field: str) -> None:
    event = an_event("replay_requested") | {"detail": detail}
    with pytest.raises(InvalidEvent) as refused:
        parsed(event)
    assert refused.value.field == field
    answered = read(json.dumps(event))
    assert isinstance(answered, Unreadable)
    assert answered.answer().detail_type == "Request Refused"


@given(data=st.data(), name=st.sampled_from(ALL))
def test_an_event_with_any_value_in_a_field_is_read_or_refused_by_name(data: st.DataObject, name: str) -> None:
    event = an_event(name)
    path = data.draw(st.sampled_from(paths_of(event)))
    hostile = changed(event, path, data.draw(JSON))
    try:
        found = str(parsed(hostile))
    except InvalidEvent as refused:
        found = refused.field
    assert found
