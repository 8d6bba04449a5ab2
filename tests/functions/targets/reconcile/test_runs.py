"""Runs that have no time for everything, that overlap, and that events interfere with."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from berthmaster.lease import Leases
from simulator.calls import Call
from simulator.latency import Constant, Delay, Latency
from tests.support.targets.scene import RECONCILE, SHOP, a_targets_scene, addresses, tags_of


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


@pytest.mark.parametrize("operation", ["dynamodb:GetItem", "dynamodb:PutItem"])
def test_a_run_whose_cursor_fails_reconciles_and_reports_all_the_same(operation: str) -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            tasks = scene.serve(1)
        with scene.failing(operation, about="cursor"):
            assert scene.failed_run() is not None
        assert scene.targets() == addresses(tasks)
        assert len(scene.events("Targets Registered")) == 1


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


@dataclass(frozen=True)
class Hanging(Latency):
    """One call in which a text occurs does not return before Lambda ends the function; others are quick."""

    text: str

    def of_call(self, call: Call) -> Delay:
        hangs = call.operation == "DescribeTargetHealth" and self.text in str(call.params)
        return Delay(100.0 if hangs else 0.05, 0.0)

    def of_start(self, *, cold: bool) -> float:
        return 0.0


def test_a_destination_whose_call_hangs_starves_no_other() -> None:
    """All others are reconciled, reported and remembered, although each run is killed."""
    with a_targets_scene() as scene:
        names = [f"service-{number:02d}" for number in range(40)]
        groups = [scene.target_group(name, tags_of(service=name)) for name in names]
        with scene.without_events():
            for name in names:
                scene.fleet.service(name, scene.network.network_configuration(), 1)
            scene.wait(60)
        scene.cloud.latency = Hanging(groups[20])
        for _ in range(3):
            assert scene.berthmaster.invoke(RECONCILE, {}).died
            scene.wait(60)
        done = [arn for arn in groups if scene.targets(arn)]
        assert done == [arn for arn in groups if arn != groups[20]]
        assert {one["destination"] for one in scene.events("Targets Registered")} == set(done)
        scene.cloud.latency = Constant(0.05)
        scene.reconcile(minutes=0)
        assert scene.targets(groups[20])


def test_a_run_that_is_paused_leaves_what_it_had_not_begun_to_the_next_one() -> None:
    with a_targets_scene() as scene:
        names = [f"service-{number:02d}" for number in range(40)]
        groups = [scene.target_group(name, tags_of(service=name)) for name in names]
        with scene.without_events():
            for name in names:
                scene.fleet.service(name, scene.network.network_configuration(), 1)
            scene.wait(60)
        scene.cloud.latency = Constant(0.1)
        scene.cloud.clock.after(5, scene.pause)
        scene.reconcile(minutes=1)
        done = [arn for arn in groups if scene.targets(arn)]
        assert 0 < len(done) < len(groups)
        scene.resume()
        scene.wait(10)
        scene.reconcile(times=2)
        assert all(map(scene.targets, groups))
