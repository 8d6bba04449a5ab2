"""Targets that others register are never touched."""

from tests.support.targets.calls import registrations
from tests.support.targets.scene import SHOP, a_targets_scene, addresses

BY_HAND = "10.0.0.61"


def test_a_target_that_a_person_registered_stays() -> None:
    with a_targets_scene() as scene:
        scene.register_by_hand(BY_HAND)
        tasks = scene.serve(2)
        assert scene.targets() == addresses(tasks) | {BY_HAND}
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        assert scene.targets() == {BY_HAND}


def test_a_task_that_a_person_registered_first_stays_registered() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.wait(5)
        (task,) = scene.fleet.tasks
        scene.until_status(task, "PENDING")
        scene.register_by_hand(task.address)
        scene.wait(30)
        scene.fleet.stop(task)
        scene.wait(20)
        assert scene.targets() >= {task.address}
        assert [call.operation for call in scene.writes() if task.address in str(call.params)] == []


def test_tasks_that_ecs_itself_registers_are_left_to_ecs() -> None:
    with a_targets_scene() as scene:
        mine = scene.target_group("mine", SHOP)
        scene.fleet.service("shop", scene.first_subnet(), 2)
        scene.registered_by_ecs("shop")
        scene.wait(60)
        assert scene.targets(mine) == addresses(scene.running())
        assert {destination for destination, _ in registrations(scene)} == {mine}
