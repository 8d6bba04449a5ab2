"""Messages are read strictly, and a field that is wrong is named."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.approval import Decision
from berthmaster.errors import InvalidEvent
from berthmaster.proposals import Outcome
from berthmaster.switch import SwitchRequest
from berthmaster.targets.model import Phase
from berthmaster.targets.triggers import OWNERS_PER_MESSAGE, DrainRequest, Recheck, TaskStateChange, parse
from tests.support.json_values import JSON, changed, paths_of
from tests.support.targets.builders import task_arn

EVENTS = Path(__file__).parents[3] / "events"
PREFIX = "targets_sync_"
ALL = sorted(path.stem.removeprefix(PREFIX) for path in EVENTS.glob(f"{PREFIX}*.json"))


def bodies(name: str) -> list[str]:
    return [record["body"] for record in json.loads((EVENTS / f"{PREFIX}{name}.json").read_text())["Records"]]


def an_event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(bodies(name)[0])
    return event


@pytest.mark.parametrize("name", ALL)
def test_every_sample_event_is_valid(name: str) -> None:
    for body in bodies(name):
        assert parse(body)


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("task_running", Phase.RUNNING),
        ("task_deactivating", Phase.LEAVING),
        ("task_stopping", Phase.LEAVING),
        ("task_stopped", Phase.LEAVING),
        ("spot_notice", Phase.LEAVING),
    ],
)
def test_the_phase_of_a_task_is_read_from_its_event(name: str, phase: Phase) -> None:
    event = an_event(name)
    change = parse(json.dumps(event))
    assert isinstance(change, TaskStateChange)
    assert change.task.phase is phase
    assert change.at == change.task.seen_at == datetime.fromisoformat(event["time"])


def test_requests_and_rechecks_are_read() -> None:
    drain, recheck = parse(bodies("drain_requested")[0]), parse(bodies("check_targets")[0])
    assert isinstance(drain, DrainRequest)
    assert drain.by == "ann@example.com"
    assert recheck == Recheck((drain.task,))
    for name, pause in (("pause_requested", True), ("resume_requested", False)):
        request = parse(bodies(name)[0])
        assert isinstance(request, SwitchRequest)
        assert (request.pause, request.by) == (pause, "ann@example.com")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_decisions_are_read(outcome: Outcome) -> None:
    decision = parse(bodies(f"proposal_{outcome}")[0])
    assert isinstance(decision, Decision)
    assert (decision.outcome, decision.by) == (outcome, "ann@example.com")
    assert decision.proposal.startswith("targets.")


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("drain_requested", {"detail": {}}, "detail.task"),
        ("drain_requested", {"detail": {"task": "web/1"}}, "detail.task"),
        ("drain_requested", {"detail": {"task": task_arn(1), "by": "x" * 300}}, "detail.by"),
        ("check_targets", {"detail": {"owners": task_arn(1)}}, "detail.owners"),
        ("check_targets", {"detail": {"owners": ["*"]}}, "detail.owners[0]"),
        ("check_targets", {"detail": {"owners": [task_arn(1)] * (OWNERS_PER_MESSAGE + 1)}}, "detail.owners"),
        ("check_targets", {"detail": {"owners": [task_arn(1)], "tries": -1}}, "detail.tries"),
        ("check_targets", {"detail": {"owners": [task_arn(1)], "since": "2026-03-02T12:00:00"}}, "detail.since"),
        ("proposal_approved", {"detail": {"proposal": "front"}}, "detail.proposal"),
        ("proposal_rejected", {"detail": {"proposal": "capacity.vpc-1.20260302T120000Z"}}, "detail.proposal"),
        ("pause_requested", {"detail": {"automation": "capacity"}}, "detail.automation"),
        ("proposal_approved", {"source": "berthmaster"}, "detail-type"),
        ("check_targets", {"source": "berthmaster.operator"}, "detail-type"),
        ("task_running", {"detail-type": "ECS Service Action"}, "detail-type"),
        ("task_running", {"time": "noon"}, "time"),
        ("task_running", {"detail": []}, "detail"),
        ("task_running", {"source": None}, "source"),
    ],
)
def test_an_invalid_event_is_refused_with_the_name_of_the_field(name: str, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse(json.dumps(an_event(name) | change))
    assert refused.value.field == field


@given(data=st.data(), name=st.sampled_from(ALL))
def test_an_event_with_any_value_in_a_field_is_read_or_refused_by_name(data: st.DataObject, name: str) -> None:
    event = an_event(name)
    path = data.draw(st.sampled_from(paths_of(event)))
    hostile = changed(event, path, data.draw(JSON))
    try:
        read = str(parse(json.dumps(hostile)))
    except InvalidEvent as refused:
        read = refused.field
    assert read
