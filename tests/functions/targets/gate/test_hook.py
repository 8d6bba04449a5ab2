"""The contract with ECS: stages, steps, rollbacks, hook details, and payloads that are not valid."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.targets.gate import MINUTES, SERVICE, a_gate_scene
from tests.support.targets.scene import GATE

EVENTS = Path(__file__).parents[4] / "events"


def test_the_first_answer_asks_ecs_to_call_again_and_keeps_configured_hook_details() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        gate.details = {"S3_BUCKET_NAME": "my-approval-bucket"}
        answer = gate.hook(gate.deploy())
        assert (answer["hookStatus"], answer["callBackDelay"]) == ("IN_PROGRESS", 15)
        assert answer["hookDetails"].keys() == {"S3_BUCKET_NAME", "since", "stage_step"}


def test_fields_at_the_top_of_the_payload_are_read_too() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        event = {"serviceArn": SERVICE, "targetServiceRevisionArn": gate.deploy()}
        assert gate.call(event)["hookStatus"] == "IN_PROGRESS"
        gate.scene.wait(180)
        assert gate.call(event)["hookStatus"] == "SUCCEEDED"


@pytest.mark.parametrize("stage", ["RECONCILE_SERVICE", "PRE_SCALE_UP"])
def test_before_the_new_tasks_exist_there_is_nothing_to_wait_for(stage: str) -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        assert gate.hook(gate.deploy(), stage) == {"hookStatus": "SUCCEEDED"}
        assert gate.logged("deployment continues")[0]["reason"] == "no task of this deployment exists at this stage"
        assert len(gate.scene.cloud.calls.of(GATE)) == 0


@pytest.mark.parametrize(
    ("stage", "weights"), [("PRODUCTION_TRAFFIC_SHIFT", "production"), ("TEST_TRAFFIC_SHIFT", "test")]
)
def test_a_rollback_is_not_held(stage: str, weights: str) -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        blue, green = gate.deploy(), gate.deploy()
        name = f"{weights}TrafficWeights"
        assert gate.status(green, stage, **{name: {green: 100, blue: 0}}) == "IN_PROGRESS"
        assert gate.status(green, stage, **{name: {green: 0, blue: 100}}) == "SUCCEEDED"
        before = "PRE_PRODUCTION_TRAFFIC_SHIFT"
        assert gate.status(green, before, **{name: {green: 0, blue: 100}}) == "IN_PROGRESS"


def test_each_stage_and_each_step_may_wait_until_the_limit() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        gate.scene.cloud.targets.answers = lambda _ip, _port: False
        revision = gate.deploy()
        gate.hook(revision)
        stage = "PRE_PRODUCTION_TRAFFIC_SHIFT"
        for weight, status in ((0, "IN_PROGRESS"), (10.5, "IN_PROGRESS"), (10.5, "FAILED")):
            gate.scene.wait(MINUTES * 60 + 1)
            assert gate.status(revision, stage, productionTrafficWeights={revision: weight}) == status


REVISION = SERVICE.replace(":service/", ":service-revision/") + "/9313423515462893900"
VALID = {"serviceArn": SERVICE, "targetServiceRevisionArn": REVISION}


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ([], "event"),
        (None, "event"),
        ({}, "serviceArn"),
        ({"executionDetails": []}, "executionDetails"),
        ({"executionDetails": {"serviceArn": SERVICE}}, "targetServiceRevisionArn"),
        (VALID | {"serviceArn": "shop"}, "serviceArn"),
        (VALID | {"targetServiceRevisionArn": 7}, "targetServiceRevisionArn"),
        (VALID | {"lifecycleStage": 7}, "lifecycleStage"),
        (VALID | {"productionTrafficWeights": [1]}, "productionTrafficWeights"),
        (VALID | {"hookDetails": {"since": "yesterday"}}, "hookDetails.since"),
    ],
)
def test_an_invalid_payload_fails_with_the_name_of_the_field(event: Any, field: str) -> None:
    with a_gate_scene() as gate:
        answer = gate.call(event)
        assert answer["hookStatus"] == "FAILED"
        assert answer["reason"].startswith(f"malformed payload: {field}: ")
        assert gate.logged("payload malformed")[0]["field"] == field
        assert len(gate.scene.cloud.calls.of(GATE)) == 0


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("pre_scale_up", "SUCCEEDED"),
        ("post_scale_up", "IN_PROGRESS"),
        ("test_traffic_shift", "IN_PROGRESS"),
        ("production_traffic_shift", "IN_PROGRESS"),
        ("rollback", "SUCCEEDED"),
    ],
)
def test_the_sample_events_are_valid(name: str, status: str) -> None:
    with a_gate_scene() as gate:
        assert gate.call(json.loads((EVENTS / f"targets_gate_{name}.json").read_text()))["hookStatus"] == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)
FIELDS = ("serviceArn", "targetServiceRevisionArn", "lifecycleStage", "hookDetails", "executionDetails")


@settings(max_examples=3, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5), min_size=30, max_size=30))
def test_every_payload_is_answered_and_changes_nothing(events: list[dict[str, Any]]) -> None:
    with a_gate_scene() as gate:
        for event in events:
            assert gate.call(VALID | event)["hookStatus"] in {"IN_PROGRESS", "SUCCEEDED", "FAILED"}
        assert gate.scene.cloud.calls.of(GATE).writes() == []
