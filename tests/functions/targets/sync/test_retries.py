"""What AWS fails at is tried again in seconds, for the tasks that it concerns only."""

import json

import pytest

from tests.support.targets.calls import registrations
from tests.support.targets.scene import OTHER, QUEUE, SHOP, SYNC, a_targets_scene, addresses


def test_only_the_task_that_aws_failed_at_is_tried_again_and_soon() -> None:
    with a_targets_scene() as scene:
        other = scene.target_group("other", OTHER)
        with scene.failing("elbv2:RegisterTargets", scene.shop):
            scene.fleet.service("shop", scene.first_subnet(), 1)
            (task,) = scene.serve(1, name="other")
            assert scene.targets(other) == {task.address}
            assert scene.targets(scene.shop) == set()
            (waiting,) = [json.loads(message)["detail"] for message in scene.berthmaster.messages(QUEUE)]
            assert waiting["owners"] == [one.arn for one in scene.running("shop")]
        scene.wait(60)
        assert scene.targets(scene.shop) == addresses(scene.running("shop"))
        assert scene.dead_letters() == []
        assert registrations(scene)[other, task.address] == 1


@pytest.mark.parametrize("seconds", [16, 20])  # longer than the SDK's own retries
def test_a_task_that_crashes_while_aws_fails_is_deregistered_within_half_a_minute(seconds: float) -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.begin_outage("elbv2:DeregisterTargets", seconds)
        scene.fleet.crash(task)
        scene.until_status(task, "DEPROVISIONING")
        with scene.without_events():
            scene.wait(30)
        calls = [call for call in scene.writes() if call.operation == "DeregisterTargets"]
        assert calls[0].outcome != "ok" or calls[0].attempts > 1
        assert calls[-1].outcome == "ok"
        assert task.address not in scene.targets()


def test_an_outage_of_ecs_delays_a_registration_by_half_a_minute_at_most() -> None:
    with a_targets_scene() as scene:
        scene.begin_outage("ecs:DescribeTaskDefinition", seconds=60)
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.wait(50)
        assert scene.targets() == set()
        scene.wait(40)
        assert scene.targets() == addresses(scene.running())
        assert scene.dead_letters() == []


def test_what_aws_fails_at_again_and_again_ends_in_the_dead_letter_queue() -> None:
    with a_targets_scene() as scene, scene.failing("elbv2:RegisterTargets"):
        (task,) = scene.serve(1)
        scene.wait(1500)
        letters = scene.dead_letters()
        assert {owner for letter in letters for owner in letter["detail"]["owners"]} == {task.arn}
        assert [letter["detail"]["tries"] for letter in letters] == [5] * len(letters)


# Cloud Map, which answers first and fails later


def test_a_deregistration_that_fails_in_cloud_map_is_logged_and_tried_again() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        (task,) = scene.serve(1)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        scene.fleet.scale("shop", 0)
        scene.wait(10)
        assert scene.instances(discovery) == {task.address}
        scene.wait(35)
        assert scene.instances(discovery) == set()
        assert "operation failed" in scene.berthmaster.logs.text(SYNC)
        assert scene.dead_letters() == []


def test_a_deregistration_that_always_fails_in_cloud_map_is_reported_and_not_called_all_the_time() -> None:
    with a_targets_scene() as scene:
        scene.cloud_map("shop", SHOP)
        scene.serve(1)
        for _ in range(200):
            scene.cloud.discovery.fail_next("ACCESS_DENIED")
        scene.fleet.scale("shop", 0)
        for _ in range(10):
            scene.wait(30)
            scene.reconcile()
        calls = scene.cloud.calls.named("servicediscovery:DeregisterInstance")
        assert 5 < len(calls) < 60
        assert [code for code, _ in scene.findings()] == ["not deregistered"]


def test_a_registration_that_fails_in_cloud_map_is_logged() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        (task,) = scene.serve(1)
        assert scene.instances(discovery) == set()
        assert scene.targets() == {task.address}
        assert "operation failed" in scene.berthmaster.logs.text(SYNC)
