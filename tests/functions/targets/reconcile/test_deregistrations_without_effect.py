"""Deregistrations that AWS accepts and does not carry out, or refuses for another target's sake."""

from tests.support.targets.scene import COOL_DOWN, SYNC, a_targets_scene, addresses

FEW_RUNS = 10


def test_a_deregistration_without_effect_is_repeated() -> None:
    with a_targets_scene(drain=10) as scene:
        scene.serve(3)
        scene.cloud.targets.lost_deregistrations.groups.add(scene.shop)
        scene.fleet.scale("shop", 0)
        scene.wait(COOL_DOWN)
        assert scene.targets() != set()
        scene.cloud.targets.lost_deregistrations.groups.clear()
        scene.reconcile(times=FEW_RUNS)
        assert scene.targets() == set()


def test_events_repeat_it_within_seconds_and_report_it_when_it_is_done() -> None:
    with a_targets_scene() as scene:
        scene.serve(3)
        scene.cloud.targets.lost_deregistrations.groups.add(scene.shop)
        scene.fleet.scale("shop", 0)
        scene.wait(10)
        assert scene.logged(SYNC, "deregistration not seen")
        assert len(scene.targets()) == 3
        assert scene.events("Targets Deregistered") == []
        scene.cloud.targets.lost_deregistrations.groups.clear()
        scene.wait(15)
        assert scene.targets() == set()
        assert sum(len(one["targets"]) for one in scene.events("Targets Deregistered")) == 3


def test_a_deregistration_that_never_has_an_effect_is_reported_and_not_called_all_the_time() -> None:
    with a_targets_scene(drain=10) as scene:
        scene.serve(3)
        scene.cloud.targets.lost_deregistrations.groups.add(scene.shop)
        scene.fleet.scale("shop", 0)
        scene.wait(COOL_DOWN)
        before = len(scene.operations())
        scene.reconcile(times=FEW_RUNS)
        assert {code for code, _ in scene.findings()} == {"not deregistered"}
        assert len(scene.findings()) == 3
        assert len(scene.operations()) - before <= 3 * FEW_RUNS
        assert scene.dead_letters() == []


def test_the_next_owner_of_an_address_waits_until_the_former_one_is_deregistered() -> None:
    with a_targets_scene(drain=10, reuse=1.0) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.cloud.targets.lost_deregistrations.groups.add(scene.shop)
        scene.fleet.scale("shop", 0)
        scene.wait(90)
        scene.fleet.scale("shop", 1)
        scene.wait(COOL_DOWN)
        (task,) = scene.running()
        assert task.address == former.address
        scene.reconcile(times=3)
        assert {code for code, _ in scene.findings()} == {"not deregistered"}
        scene.cloud.targets.lost_deregistrations.groups.clear()
        before = len(scene.operations())
        scene.wait(90)
        assert scene.operations()[before:] == ["DeregisterTargets", "RegisterTargets"]
        assert scene.targets() == {task.address}


def test_what_others_register_after_a_drain_stays_theirs() -> None:
    with a_targets_scene(drain=10) as scene:
        tasks = scene.serve(3)
        scene.fleet.scale("shop", 0)
        scene.wait(30)
        assert scene.targets() == set()
        for task in tasks:
            scene.register_by_hand(task.address)
        scene.wait(COOL_DOWN)
        before = len(scene.writes())
        scene.reconcile(times=FEW_RUNS)
        assert scene.targets() == addresses(tasks)
        assert len(scene.writes()) == before


def test_a_drain_that_cannot_be_looked_at_ends_all_the_same() -> None:
    with a_targets_scene(drain=10) as scene:
        tasks = scene.serve(3)
        with scene.failing("elbv2:DescribeTargetHealth"):
            scene.fleet.scale("shop", 0)
            scene.wait(30)
        assert scene.logged(SYNC, "deregistrations not verified")
        assert scene.targets() == set()
        scene.wait(COOL_DOWN)
        for task in tasks:
            scene.register_by_hand(task.address)
        before = len(scene.writes())
        scene.reconcile(times=FEW_RUNS)
        assert scene.targets() == addresses(tasks)
        assert len(scene.writes()) == before


def test_a_target_that_aws_refuses_keeps_no_other_one_registered() -> None:
    with a_targets_scene(drain=10) as scene:
        tasks = scene.serve(4)
        refused = tasks[0].address
        scene.cloud.targets.is_invalid = lambda ip, _port: ip == refused
        scene.fleet.scale("shop", 0)
        scene.wait(COOL_DOWN)
        for _ in range(FEW_RUNS):
            scene.failed_run()
            scene.wait(60)
        assert scene.targets() == {refused}
