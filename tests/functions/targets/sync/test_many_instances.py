"""Cloud Map takes a call for each instance, so calls are made several at a time."""

from simulator.latency import Constant
from tests.support.targets.scene import SHOP, TargetsScene, a_targets_scene, addresses

TASKS = 60
RATE, BURST = 50, 100
"""Calls a second that Cloud Map allows, and at once."""


def times(scene: TargetsScene, operation: str) -> list[float]:
    """When calls of an operation were made, in order."""
    return [call.at for call in scene.cloud.calls.named(f"servicediscovery:{operation}") if call.outcome == "ok"]


def test_sixty_instances_are_registered_and_deregistered_in_seconds() -> None:
    with a_targets_scene() as scene:
        # No single slow call is to decide how long it takes.
        scene.cloud.latency = Constant(0.11)
        discovery = scene.cloud_map("shop", SHOP)
        with scene.without_events():
            tasks = scene.serve(TASKS)
        scene.send_events(tasks)
        scene.wait(30)
        assert scene.instances(discovery) == addresses(tasks)
        with scene.without_events():
            scene.fleet.scale("shop", 0)
        scene.send_events(tasks)
        scene.wait(30)
        assert scene.instances(discovery) == set()
        for operation in ("RegisterInstance", "DeregisterInstance"):
            made = times(scene, operation)
            assert len(made) == TASKS
            # One after the other they take 6 s, of 110 ms each.
            assert made[-1] - made[0] < 3


def test_calls_stay_within_the_rate_of_aws() -> None:
    with a_targets_scene() as scene:
        for number in range(4):
            scene.cloud_map(f"shop-{number}", SHOP)
        with scene.without_events():
            tasks = scene.serve(TASKS)
        scene.send_events(tasks)
        scene.wait(30)
        made = times(scene, "RegisterInstance")
        assert len(made) == 4 * TASKS
        for index, began in enumerate(made):
            within = sum(1 for at in made[index:] if at <= began + 1)
            assert within <= BURST + RATE
