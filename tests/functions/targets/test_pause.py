"""A pause stops all writes at once, also in the middle of a run, and nothing is lost when targets resumes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from berthmaster.switch import Switch, SwitchRequest
from berthmaster.targets.act.cloud_map import AT_ONCE
from simulator.cloud import Cloud
from tests.support.targets.scene import (
    BATCH,
    COOL_DOWN,
    OTHER,
    RECONCILE,
    SHOP,
    SYNC,
    TargetsScene,
    a_targets_scene,
    addresses,
)


@contextmanager
def pause_at(scene: TargetsScene, operation: str) -> Iterator[None]:
    """Pause targets at the first call of an operation, which is still carried out."""
    usual = scene.usual_handler(operation)
    assert usual

    def answer(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        switch = Switch(Clients().dynamodb, Clock(), table=scene.table, automation="targets", mode=Mode.ENFORCE)
        switch.apply(SwitchRequest(pause=True, by="ann"))
        return usual(cloud, params)

    with scene.answering(operation, answer):
        yield


# Before anything is begun


def test_events_are_dropped_and_repaired_after_a_resume() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.pause()
        scene.wait(5)
        (answer,) = scene.events("Automation Paused")
        assert (answer["automation"], answer["by"]) == ("targets", "ann")
        before = len(scene.writes())
        scene.fleet.deploy("shop")
        scene.wait(120)
        scene.reconcile(times=2)
        assert len(scene.writes()) == before
        assert scene.targets() == {task.address}
        assert scene.logged(SYNC, "events dropped")
        assert "paused by ann" in scene.logged(RECONCILE, "run skipped")[0]["reason"]
        scene.resume()
        scene.wait(5)
        scene.reconcile(times=3)
        assert scene.targets() == addresses(scene.running())
        assert scene.dead_letters() == []


def test_after_a_pause_of_hours_the_target_of_a_stopped_task_leaves_although_another_task_has_its_address() -> None:
    with a_targets_scene(reuse=1.0) as scene:
        (task,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        scene.pause()
        scene.wait(2 * 3600)
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        other = scene.run_task()
        assert scene.targets() == {other.address} == {task.address}
        scene.resume()
        scene.wait(5)
        scene.reconcile(times=2)
        assert scene.targets() == set()
        assert "given up" not in [code for code, _ in scene.findings()]


def test_a_pause_and_a_resume_are_answered_by_mail() -> None:
    with a_targets_scene() as scene:
        scene.pause()
        scene.wait(5)
        scene.resume()
        scene.wait(5)
        assert [one.subject for one in scene.berthmaster.published] == [
            "Berthmaster: targets paused",
            "Berthmaster: targets resumed",
        ]


@pytest.mark.parametrize("mode", ["off", "enforce"])
def test_requests_are_refused_while_targets_is_off_or_paused(mode: str) -> None:
    with a_targets_scene() as scene:
        task = scene.serve(1)[0]
        if mode == "off":
            scene.change_mode("off")
        else:
            scene.pause()
            scene.wait(5)
        proposal = "targets.shop.20260302T060000Z"
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.request("Proposal Approved", proposal=proposal, by="ann")
        scene.request("Proposal Rejected", proposal=proposal, by="ann")
        scene.wait(10)
        refused = sorted((one["request"], one["subject"]) for one in scene.events("Request Refused"))
        assert refused == [
            ("Drain Requested", task.arn),
            ("Proposal Approved", proposal),
            ("Proposal Rejected", proposal),
        ]
        reasons = {one["reason"] for one in scene.events("Request Refused")}
        assert len(reasons) == 1
        assert ("off" if mode == "off" else "paused by ann") in reasons.pop()
        assert len([mail for mail in scene.mails() if "was refused" in mail]) == 3
        scene.wait(60)
        assert task.is_running
        assert scene.dead_letters() == []


def test_in_mode_off_a_pause_is_answered_and_nothing_is_done() -> None:
    with a_targets_scene(mode="off") as scene:
        scene.pause()
        scene.serve(1)
        scene.reconcile()
        assert scene.writes() == []
        assert scene.events("Automation Paused")
        assert "Its mode is off" in scene.mails()[0]
        assert scene.logged(RECONCILE, "run skipped")[0]["reason"] == "the mode is off"


def test_a_drain_is_finished_after_hours_in_mode_off() -> None:
    with a_targets_scene(drain=300) as scene:
        task = scene.serve(1)[0]
        scene.request("Drain Requested", task=task.arn)
        scene.wait(5)
        scene.change_mode("off")
        scene.wait(3 * 3600)
        assert task.is_running
        scene.change_mode("enforce")
        scene.wait(1200)
        assert task.arn in {one["task"] for one in scene.events("Task Drained")}
        assert not task.is_running


# In the middle of a run


def test_a_pause_in_the_middle_of_a_reconciliation_stops_it_at_its_next_write() -> None:
    with a_targets_scene() as scene:
        other = scene.target_group("other", OTHER)
        with scene.without_events():
            tasks, others = scene.serve(2), scene.serve(2, name="other")
        with pause_at(scene, "elbv2:RegisterTargets"):
            scene.reconcile(times=3)
        assert scene.operations() == ["RegisterTargets"]
        assert scene.logged(RECONCILE, "run stopped")
        assert len(scene.events("Targets Registered")) == 1
        scene.resume()
        scene.wait(5)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(tasks)
        assert scene.targets(other) == addresses(others)
        assert scene.operations() == ["RegisterTargets"] * 2


def test_a_pause_in_the_middle_of_a_batch_of_events_stops_it_at_its_next_write() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        with scene.without_events():
            tasks = scene.serve(3 * AT_ONCE)
        with pause_at(scene, "servicediscovery:RegisterInstance"):
            scene.send_events(tasks)
        calls = Counter(scene.operations())
        assert calls["RegisterTargets"] == 1
        # Those that were under way when the first one reached AWS are completed.
        assert 1 <= calls["RegisterInstance"] <= AT_ONCE
        assert scene.logged(SYNC, "paused meanwhile")
        scene.wait(600)
        assert len(scene.instances(discovery)) == calls["RegisterInstance"]
        scene.resume()
        scene.wait(120)
        assert scene.targets() == scene.instances(discovery) == addresses(tasks)
        assert scene.dead_letters() == []


def test_a_drain_that_a_pause_interrupts_is_completed_after_a_resume() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH, drain=60)
        task = scene.run_task("batch")
        with pause_at(scene, "elbv2:DeregisterTargets"):
            scene.request("Drain Requested", task=task.arn, by="ann")
            scene.wait(300)
        assert scene.targets(group) == set()
        assert task.is_running
        scene.resume()
        scene.wait(90)
        assert task.desired_status == "STOPPED"
        assert [one["task"] for one in scene.events("Task Drained")] == [task.arn]
        assert scene.dead_letters() == []


def test_work_that_mode_off_leaves_unfinished_is_counted() -> None:
    with a_targets_scene() as scene:
        scene.target_group("batch", BATCH, drain=60)
        task = scene.run_task("batch")
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(COOL_DOWN / 4)
        scene.change_mode("off")
        scene.wait(300)
        assert task.is_running
        assert scene.metric(SYNC, "UnfinishedWork") == [1.0]
        assert scene.logged(SYNC, "left unfinished: the mode is off")
