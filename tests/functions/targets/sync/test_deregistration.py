"""Tasks are deregistered at the first sign that they leave, while they still serve."""

from collections.abc import Callable

import pytest

from simulator.aws.ecs.task import Task
from tests.support.targets.scene import SHOP, TargetsScene, a_targets_scene, addresses


def stopped(scene: TargetsScene, task: Task) -> None:
    scene.fleet.stop(task)


def interrupted(scene: TargetsScene, task: Task) -> None:
    scene.fleet.interrupt(task)


@pytest.mark.parametrize("activates", [False, True])
@pytest.mark.parametrize("ends", [stopped, interrupted])
def test_a_task_that_is_to_stop_is_deregistered_while_it_still_serves(
    ends: Callable[[TargetsScene, Task], None], *, activates: bool
) -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        (task,) = scene.serve(1, activates=activates)
        ends(scene, task)
        scene.wait(2)
        assert task.is_listening
        assert scene.targets() == set()
        assert scene.state(task) == "draining"
        scene.wait(5)
        assert scene.instances(discovery) == set()


def test_a_task_that_crashes_is_deregistered_as_soon_as_ecs_reports_it() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.fleet.crash(task)
        scene.wait(4)
        assert scene.targets() == set()


def test_a_deployment_moves_all_traffic_to_the_new_tasks() -> None:
    with a_targets_scene() as scene:
        old = addresses(scene.serve(4))
        scene.fleet.deploy("shop")
        scene.wait(240)
        new = addresses(scene.running())
        assert scene.targets() == new
        assert not old & new
        assert scene.dead_letters() == []
