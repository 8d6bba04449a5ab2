"""On request a task is deregistered everywhere, and stopped when it has drained."""

from collections.abc import Mapping
from typing import Any

from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.targets.scene import BATCH, a_targets_scene, addresses


def test_a_task_is_deregistered_everywhere_and_stopped_when_it_has_drained() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH, drain=60)
        discovery = scene.cloud_map("batch", BATCH, ttl=20)
        task = scene.run_task("batch")
        assert scene.instances(discovery) == {task.address}
        before = len(scene.operations())
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(30)
        assert scene.targets(group) == scene.instances(discovery) == set()
        assert task.is_running
        scene.wait(60)
        assert task.desired_status == "STOPPED"
        operations = scene.operations()[before:]
        assert sorted(operations[:2]) == ["DeregisterInstance", "DeregisterTargets"]
        assert operations[2:] == ["StopTask"]
        deregistered, stopped = (
            scene.cloud.calls.named(name)[-1].at for name in ("elbv2:DeregisterTargets", "ecs:StopTask")
        )
        assert 60 <= stopped - deregistered <= 70
        assert [one["task"] for one in scene.events("Task Drained")] == [task.arn]
        assert scene.dead_letters() == []


def test_a_task_of_a_service_is_replaced() -> None:
    with a_targets_scene(drain=30) as scene:
        drained, other = scene.serve(2)
        scene.request("Drain Requested", task=drained.arn)
        scene.wait(120)
        assert drained.desired_status == "STOPPED"
        assert len(scene.running()) == 2
        assert scene.targets() == addresses(scene.running()) >= {other.address}


def test_a_task_without_destinations_is_not_stopped() -> None:
    with a_targets_scene() as scene:
        task = scene.run_task("other")
        scene.request("Drain Requested", task=task.arn)
        scene.wait(1200)
        assert task.is_running
        (refused,) = scene.events("Request Refused")
        assert refused["reason"] == "it is not registered by Berthmaster, and no tags select it"


def test_a_task_that_only_ecs_registers_is_not_stopped_and_the_answer_says_that_it_would_not_drain() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.registered_by_ecs("shop")
        scene.wait(60)
        (task,) = scene.running()
        scene.request("Drain Requested", task=task.arn)
        scene.wait(10)
        assert task.is_running
        (refused,) = scene.events("Request Refused")
        assert f"ECS itself registers its service in {scene.shop}" in refused["reason"]


def test_a_task_that_is_not_yet_healthy_may_be_drained() -> None:
    with a_targets_scene() as scene:
        task = scene.start_task(health_check=True)
        scene.request("Drain Requested", task=task.arn)
        scene.wait(5)
        assert task.desired_status == "STOPPED"


def test_a_task_that_cannot_be_stopped_does_not_hinder_others() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH, drain=5)
        first, second = scene.run_task("batch"), scene.run_task("batch")
        usual = scene.usual_handler("ecs:StopTask")
        assert usual

        def stop(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            if params["task"] == first.arn:
                raise AwsError("AccessDeniedException", "Not that one.")
            return usual(cloud, params)

        with scene.answering("ecs:StopTask", stop):
            for task in (first, second):
                scene.request("Drain Requested", task=task.arn)
            scene.wait(60)
        assert scene.targets(group) == set()
        assert (first.desired_status, second.desired_status) == ("RUNNING", "STOPPED")
        assert [one["task"] for one in scene.events("Task Drained")] == [second.arn]
        scene.wait(60)
        assert first.desired_status == "STOPPED"
        assert sorted(one["task"] for one in scene.events("Task Drained")) == sorted([first.arn, second.arn])
        assert scene.dead_letters() == []


def test_a_task_that_ecs_does_not_know_cannot_be_drained() -> None:
    with a_targets_scene() as scene:
        task = scene.run_task("other")
        scene.request("Drain Requested", task=f"{task.arn[:-4]}0000")
        scene.wait(1200)
        (refused,) = scene.events("Request Refused")
        assert refused["reason"].startswith("detail.task: ECS does not know the task")
        assert task.is_running
