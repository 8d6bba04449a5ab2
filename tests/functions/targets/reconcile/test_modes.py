"""In mode observe changes are reported; in mode approve registrations are proposed."""

import pytest

from simulator.aws.elbv2.targets import WhileDraining
from tests.support.targets.scene import COOL_DOWN, SHOP, SYNC, TAG, a_targets_scene, addresses


def test_in_mode_observe_changes_are_reported_once_and_not_carried_out() -> None:
    with a_targets_scene(mode="observe") as scene:
        tasks = scene.serve(2)
        scene.reconcile(times=4)
        assert scene.writes() == []
        (report,) = scene.events("Change Reported")
        assert report["change"].startswith("targets.shop.")
        assert {step["ip"] for step in report["steps"]} == addresses(tasks)
        assert len(scene.mails()) == 1
        assert "Proposal Approved" not in scene.mails()[0]


def test_in_mode_approve_registrations_are_proposed_and_carried_out_after_approval() -> None:
    with a_targets_scene(mode="approve") as scene:
        tasks = scene.serve(2)
        scene.reconcile(times=3)
        assert scene.targets() == set()
        (proposal,) = scene.events("Change Proposed")
        assert {(step["call"], step["ip"]) for step in proposal["steps"]} == {
            ("register", address) for address in addresses(tasks)
        }
        assert len(scene.mails()) == 1
        scene.approve(proposal)
        scene.reconcile()
        assert scene.targets() == addresses(tasks)
        scene.fleet.scale("shop", 1)
        scene.wait(30)
        assert scene.targets() == addresses(scene.running())


def test_in_mode_approve_a_target_that_someone_deregistered_is_proposed_again() -> None:
    with a_targets_scene(drain=0) as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.change_mode("approve")
        scene.deregister_by_hand(task)
        scene.reconcile(times=4)
        assert scene.targets() == set()
        (proposal,) = scene.events("Change Proposed")
        assert [(step["call"], step["ip"]) for step in proposal["steps"]] == [("register", task.address)]
        scene.approve(proposal)
        scene.reconcile()
        assert scene.targets() == {task.address}


def test_what_was_reported_in_mode_observe_is_proposed_in_mode_approve() -> None:
    with a_targets_scene(mode="observe") as scene:
        scene.serve(2)
        scene.reconcile(times=2)
        scene.change_mode("approve")
        scene.reconcile(times=2)
        assert len(scene.events("Change Reported")) == len(scene.events("Change Proposed")) == 1


def test_in_mode_approve_the_next_owner_of_an_address_needs_an_approval_of_its_own() -> None:
    with a_targets_scene(reuse=1.0, drain=60) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        scene.change_mode("approve")
        with scene.without_events():
            scene.fleet.crash(former)
            scene.wait(60)
        (new,) = scene.running()
        assert new.address == former.address
        scene.reconcile(minutes=0)
        assert scene.state(new) == "draining"
        scene.reconcile(times=4)
        assert scene.state(new) == ""
        (proposal,) = scene.events("Change Proposed")
        assert [(step["call"], step["owner"]) for step in proposal["steps"]] == [("register", new.arn)]
        scene.approve(proposal)
        scene.reconcile()
        assert scene.targets() == {new.address}


def test_in_mode_approve_registrations_and_many_removals_are_proposed_together() -> None:
    with a_targets_scene(drain=10) as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.change_mode("approve")
        with scene.without_events():
            scene.fleet.deploy("shop")
            scene.wait(240)
            scene.reconcile(minutes=120)
        scene.reconcile(times=3)
        assert scene.targets().isdisjoint(addresses(scene.running()))
        proposals = scene.events("Change Proposed")
        assert {step["call"] for event in proposals for step in event["steps"]} == {"register", "deregister"}
        for proposal in proposals:
            scene.approve(proposal)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())


# A mode that changes while targets are registered


def test_from_enforce_to_observe_targets_of_stopped_tasks_leave_and_nothing_is_registered() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        first, second = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.change_mode("observe")
        scene.fleet.stop(first)
        scene.wait(120)
        assert scene.targets() == scene.instances(discovery) == {second.address}
        with scene.without_events():
            scene.fleet.stop(second)
            scene.wait(120)
        scene.reconcile(times=3)
        assert scene.targets() == scene.instances(discovery) == set()
        assert set(scene.operations()) == {
            "RegisterTargets",
            "DeregisterTargets",
            "RegisterInstance",
            "DeregisterInstance",
        }
        assert len(scene.running()) == 2
        assert scene.dead_letters() == []


def test_from_enforce_to_observe_people_are_told_once_what_that_means() -> None:
    with a_targets_scene() as scene:
        scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.change_mode("observe")
        scene.reconcile(times=3)
        ((code, text),) = scene.findings()
        assert code == "not registering"
        assert "Set TargetsMode to approve or enforce" in text
        assert len(scene.mails()) == 1


def test_in_mode_observe_living_targets_stay_whatever_the_tags_say() -> None:
    for tags in ({TAG: "detached"}, {"berthmaster:service": "till"}):
        with a_targets_scene() as scene:
            tasks = scene.serve(3)
            scene.wait(COOL_DOWN)
            scene.change_mode("observe")
            scene.retag(scene.shop, tags)
            scene.reconcile(times=3)
            assert scene.targets() == addresses(tasks)
            (report,) = scene.events("Change Reported")
            assert {(step["call"], step["ip"]) for step in report["steps"]} == {
                ("deregister", address) for address in addresses(tasks)
            }
            scene.fleet.stop(tasks[0])
            scene.wait(60)
            assert scene.targets() == addresses(tasks[1:])


def test_in_mode_observe_what_an_operator_approved_before_is_not_carried_out() -> None:
    with a_targets_scene(mode="approve") as scene:
        scene.serve(2)
        scene.reconcile()
        (proposal,) = scene.events("Change Proposed")
        scene.approve(proposal)
        scene.change_mode("observe")
        scene.reconcile(times=2)
        assert scene.writes() == []
        scene.change_mode("approve")
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())


@pytest.mark.parametrize("way", [WhileDraining.IGNORED, WhileDraining.DROPPED])
def test_a_handover_that_mode_approve_interrupts_ends_without_an_approval(way: WhileDraining) -> None:
    with a_targets_scene(reuse=1.0, drain=180) as scene:
        scene.cloud.targets.while_draining = way
        (former,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        with scene.without_events():
            scene.fleet.crash(former)
            scene.wait(60)
        (new,) = scene.running()
        assert new.address == former.address
        scene.reconcile(times=2)
        scene.change_mode("approve")
        scene.reconcile(times=5)
        assert scene.targets() == {new.address}
        assert scene.events("Change Proposed") == []


def test_a_handover_that_mode_observe_interrupts_registers_nobody_and_ends_in_mode_enforce() -> None:
    with a_targets_scene(reuse=1.0, drain=120) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        scene.fleet.crash(former)
        scene.wait(50)
        (new,) = scene.running()
        assert new.address == former.address
        scene.change_mode("observe")
        before = len(scene.cloud.calls.of(SYNC))
        scene.wait(600)
        scene.reconcile(times=3)
        assert scene.targets() == set()
        assert len(scene.cloud.calls.of(SYNC)) - before < 200
        scene.change_mode("enforce")
        scene.reconcile()
        assert scene.targets() == {new.address}


def test_in_mode_observe_without_earlier_targets_nothing_is_written_to_the_ledger() -> None:
    with a_targets_scene(mode="observe") as scene:
        tasks = scene.serve(2)
        scene.reconcile(times=2)
        scene.fleet.stop(tasks[0])
        scene.wait(120)
        scene.reconcile(times=2)
        items = scene.cloud.client("dynamodb").scan(TableName=scene.table)["Items"]
        assert not [item["pk"]["S"] for item in items if item["pk"]["S"].startswith(("claim#", "fence#", "address#"))]


def test_a_drain_that_was_requested_in_mode_enforce_ends_in_mode_observe() -> None:
    with a_targets_scene(drain=60) as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(20)
        scene.change_mode("observe")
        scene.wait(180)
        assert [one["task"] for one in scene.events("Task Drained")] == [task.arn]


def test_from_approve_to_enforce_what_was_proposed_is_registered() -> None:
    with a_targets_scene(mode="approve") as scene:
        tasks = scene.serve(2)
        scene.reconcile()
        (proposal,) = scene.events("Change Proposed")
        scene.change_mode("enforce")
        scene.reconcile()
        assert scene.targets() == addresses(tasks)
        scene.approve(proposal)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(tasks)
        assert scene.operations() == ["RegisterTargets"]
