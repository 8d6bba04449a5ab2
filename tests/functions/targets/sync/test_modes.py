"""In mode observe nothing is changed; in mode approve tasks are deregistered, and not registered."""

import json

from tests.support.targets.scene import SYNC, a_targets_scene, addresses


def test_in_mode_observe_nothing_is_changed_and_the_log_says_what_would_be() -> None:
    with a_targets_scene(mode="observe") as scene:
        (task,) = scene.serve(1)
        scene.request("Drain Requested", task=task.arn)
        scene.wait(10)
        scene.fleet.stop(task)
        scene.wait(30)
        assert scene.writes() == []
        assert any(task.address in json.dumps(line) for line in scene.logged(SYNC, "would change"))
        assert scene.logged(SYNC, "would drain and stop")


def test_in_mode_approve_new_tasks_are_not_registered_and_leaving_ones_are_deregistered() -> None:
    with a_targets_scene() as scene:
        old = scene.serve(2)
        scene.change_mode("approve")
        scene.fleet.scale("shop", 3)
        scene.wait(60)
        assert scene.targets() == addresses(old)
        scene.fleet.stop(old[0])
        scene.wait(60)
        assert scene.targets() == {old[1].address}
