"""What a lifecycle hook of ECS tells, and what it is answered."""

from typing import Any

import pytest

from berthmaster.targets.hook import in_progress, parse
from tests.support.targets.builders import NOON, seconds

HOME = "arn:aws:ecs:eu-central-1:123456789012"
BLUE, GREEN = (f"{HOME}:service-revision/web/shop/{number}" for number in (1920498462936580504, 9313423515462893900))


def told(stage: str = "POST_SCALE_UP", **more: Any) -> dict[str, Any]:
    execution = {"serviceArn": f"{HOME}:service/web/shop", "targetServiceRevisionArn": GREEN}
    return {"executionId": "8b095b05", "lifecycleStage": stage, "executionDetails": execution | more}


def test_a_payload_names_the_service_its_cluster_and_the_revision() -> None:
    hook = parse(told())
    assert (hook.cluster, hook.service, hook.revision, hook.stage) == ("web", "shop", GREEN, "POST_SCALE_UP")
    assert hook.since is None


def test_what_is_answered_comes_back_as_the_time_of_the_first_call() -> None:
    event = told() | {"hookDetails": {"S3_BUCKET_NAME": "mine"}}
    kept = in_progress(parse(event), NOON)["hookDetails"]
    hook = parse(event | {"hookDetails": kept})
    assert hook.since == NOON
    assert in_progress(hook, NOON)["hookDetails"] == kept
    assert kept["S3_BUCKET_NAME"] == "mine"


def test_what_another_stage_or_step_kept_is_not_its_time() -> None:
    kept = in_progress(parse(told("PRE_PRODUCTION_TRAFFIC_SHIFT", productionTrafficWeights={GREEN: 0})), NOON)
    details = {"hookDetails": kept["hookDetails"]}
    same = told("PRE_PRODUCTION_TRAFFIC_SHIFT", productionTrafficWeights={GREEN: 0, BLUE: 100})
    step = told("PRE_PRODUCTION_TRAFFIC_SHIFT", productionTrafficWeights={GREEN: 25, BLUE: 75})
    assert parse(same | details).since == NOON
    assert parse(step | details).since is None
    assert parse(told("POST_PRODUCTION_TRAFFIC_SHIFT") | details).since is None


@pytest.mark.parametrize("details", [None, "{}", [], 7])
def test_whatever_an_operator_configured_is_no_error(details: Any) -> None:
    hook = parse(told() | {"hookDetails": details})
    assert in_progress(hook, NOON + seconds(1))["hookDetails"].keys() == {"since", "occasion"}


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
def test_a_rollback_shows_in_the_weights_of_what_is_shifted(
    stage: str, test: dict[str, float], production: dict[str, float], *, rolls_back: bool
) -> None:
    hook = parse(told(stage, testTrafficWeights=test, productionTrafficWeights=production))
    assert hook.rolls_back is rolls_back
