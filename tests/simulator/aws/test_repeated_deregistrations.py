"""Deregistrations that AWS carries out a second time."""

from simulator.aws.elbv2.targets import WhileDraining
from tests.support.targets.scene import a_targets_scene


def test_a_deregistration_is_carried_out_again_for_whoever_is_registered_then() -> None:
    with a_targets_scene(drain=60) as scene:
        scene.cloud.targets.while_draining = WhileDraining.ACCEPTED
        scene.cloud.targets.repeated_deregistrations.per_call = 1.0
        scene.cloud.targets.repeated_deregistrations.longest = 100.0
        (task,) = scene.serve(1)
        with scene.without_events():
            scene.fleet.stop(task)
            scene.wait(1)
        scene.send_events([task])
        scene.register_by_hand(task.address)
        assert scene.state(task) == "initial"
        with scene.without_events():
            scene.wait(scene.cloud.targets.repeated_deregistrations.longest)
        assert scene.state(task) == "draining"
