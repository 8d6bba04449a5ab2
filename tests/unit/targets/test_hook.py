"""Calls of ECS's lifecycle hooks are read, and hook details carry what the next call needs."""

from typing import Any

import pytest

from berthmaster.targets.hook import in_progress, parse
from tests.support.targets.builders import NOON, seconds

HOME = "arn:aws:ecs:eu-central-1:123456789012"
BLUE, GREEN = (f"{HOME}:service-revision/web/shop/{number}" for number in (1920498462936580504, 9313423515462893900))


def a_call(stage: str = "POST_SCALE_UP", **more: Any) -> dict[str, Any]:
    execution = {"serviceArn": f"{HOME}:service/web/shop", "targetServiceRevisionArn": GREEN}
    return {"executionId": "8b095b05", "lifecycleStage": stage, "executionDetails": execution | more}


def test_a_call_names_the_service_its_cluster_and_the_revision() -> None:
    hook = parse(a_call())
    assert (hook.cluster, hook.service, hook.revision, hook.stage) == ("web", "shop", GREEN, "POST_SCALE_UP")
    assert hook.since is None


def test_the_hook_details_of_an_answer_carry_the_time_of_the_first_call() -> None:
    event = a_call() | {"hookDetails": {"S3_BUCKET_NAME": "mine"}}
    kept = in_progress(parse(event), NOON)["hookDetails"]
    hook = parse(event | {"hookDetails": kept})
    assert hook.since == NOON
    assert in_progress(hook, NOON)["hookDetails"] == kept
    assert kept["S3_BUCKET_NAME"] == "mine"


def test_the_time_of_another_stage_or_step_is_not_used() -> None:
    kept = in_progress(parse(a_call("PRE_PRODUCTION_TRAFFIC_SHIFT", productionTrafficWeights={GREEN: 0})), NOON)
    details = {"hookDetails": kept["hookDetails"]}
    same = a_call("PRE_PRODUCTION_TRAFFIC_SHIFT", productionTrafficWeights={GREEN: 0, BLUE: 100})
    step = a_call("PRE_PRODUCTION_TRAFFIC_SHIFT", productionTrafficWeights={GREEN: 25, BLUE: 75})
    assert parse(same | details).since == NOON
    assert parse(step | details).since is None
    assert parse(a_call("POST_PRODUCTION_TRAFFIC_SHIFT") | details).since is None


@pytest.mark.parametrize("details", [None, "{}", [], 7])
def test_any_configured_hook_details_are_accepted(details: Any) -> None:
    hook = parse(a_call() | {"hookDetails": details})
    assert in_progress(hook, NOON + seconds(1))["hookDetails"].keys() == {"since", "stage_step"}


@pytest.mark.parametrize(
    ("stage", "test", "production", "rolls_back"),
    [
        ("PRODUCTION_TRAFFIC_SHIFT", {}, {GREEN: 100, BLUE: 0}, False),
        ("PRODUCTION_TRAFFIC_SHIFT", {}, {GREEN: 10, BLUE: 90}, False),
        ("PRODUCTION_TRAFFIC_SHIFT", {}, {GREEN: 0, BLUE: 100}, True),
        ("PRODUCTION_TRAFFIC_SHIFT", {}, {BLUE: 100}, True),
        ("PRODUCTION_TRAFFIC_SHIFT", {}, {}, False),
        ("TEST_TRAFFIC_SHIFT", {GREEN: 100, BLUE: 0}, {GREEN: 0, BLUE: 100}, False),
        ("TEST_TRAFFIC_SHIFT", {GREEN: 0, BLUE: 100}, {}, True),
        ("TEST_TRAFFIC_SHIFT", {}, {GREEN: 0, BLUE: 100}, True),
        # No traffic has been shifted yet.
        ("PRE_PRODUCTION_TRAFFIC_SHIFT", {}, {GREEN: 0, BLUE: 100}, False),
        ("POST_SCALE_UP", {}, {GREEN: 0, BLUE: 100}, False),
    ],
)
def test_a_rollback_shows_in_the_weights_of_the_traffic_that_is_shifted(
    stage: str, test: dict[str, float], production: dict[str, float], *, rolls_back: bool
) -> None:
    hook = parse(a_call(stage, testTrafficWeights=test, productionTrafficWeights=production))
    assert hook.rolls_back is rolls_back
