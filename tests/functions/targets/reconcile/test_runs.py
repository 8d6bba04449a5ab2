"""Runs that have no time for everything, that overlap, and that events interfere with."""

from datetime import timedelta

from berthmaster.lease import Leases
from simulator.latency import Constant
from tests.support.targets.scene import RECONCILE, SHOP, a_targets_scene, addresses


def test_destinations_that_one_run_has_no_time_for_are_reached_by_later_ones() -> None:
    """Although each run begins in a new container, which remembers nothing."""
    with a_targets_scene() as scene:
        groups = [scene.shop, *(scene.target_group(f"shop-{number}", SHOP) for number in range(8))]
        with scene.without_events():
            tasks = scene.serve(1)
        scene.cloud.latency = Constant(0.6)
        scene.reconcile(minutes=0)
        done = [arn for arn in groups if scene.targets(arn)]
        assert 0 < len(done) < 9
        assert scene.logged(RECONCILE, "no time for all destinations")
        for _ in range(8):
            scene.wait(30)
            scene.berthmaster.runtime.kill_containers()
            scene.reconcile(minutes=0)
        assert all(scene.targets(arn) == addresses(tasks) for arn in groups)


def test_a_run_that_begins_while_another_one_runs_does_nothing() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            tasks = scene.serve(1)
        now = scene.cloud.clock.now()
        leases = Leases(scene.cloud.client("dynamodb"), scene.table)
        leases.acquire("targets reconciliation", owner="another", now=now, deadline=now + timedelta(seconds=30))
        scene.reconcile(minutes=0)
        assert scene.targets() == set()
        scene.wait(45)
        scene.reconcile(minutes=0)
        assert scene.targets() == addresses(tasks)


def test_runs_and_events_together_make_each_call_once() -> None:
    with a_targets_scene(scheduled=True, drain=30) as scene:
        scene.serve(4)
        scene.fleet.deploy("shop")
        scene.wait(600)
        assert scene.targets() == addresses(scene.running())
        called = [
            (call.operation, target["Id"])
            for call in scene.writes()
            if call.operation in {"RegisterTargets", "DeregisterTargets"}
            for target in call.params["Targets"]
        ]
        assert len(called) == len(set(called)) == 12
        assert scene.mails() == []
        assert scene.dead_letters() == []
