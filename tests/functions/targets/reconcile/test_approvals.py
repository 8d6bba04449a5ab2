"""Many removals at once need an approval, which is valid once, for a day, and only for what was proposed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from simulator.cloud import Cloud
from tests.support.mails import paste
from tests.support.targets.scene import COOL_DOWN, RECONCILE, SYNC, TargetsScene, a_targets_scene, addresses

DAY = 24 * 3600


@contextmanager
def a_proposed_removal() -> Iterator[tuple[TargetsScene, set[str], Mapping[str, Any]]]:
    """Eight of ten tasks have vanished; yields all ten addresses, and the proposal."""
    with a_targets_scene() as scene:
        before = addresses(scene.serve(10))
        scene.wait(COOL_DOWN)
        scene.vanish(2)
        scene.reconcile()
        (proposal,) = scene.events("Change Proposed")
        yield scene, before, proposal


def test_many_removals_are_proposed_once_and_not_carried_out() -> None:
    with a_proposed_removal() as (scene, before, _):
        scene.reconcile(times=5)
        assert scene.targets() == before
        assert scene.operations(RECONCILE) == []
        (mail,) = scene.mails()
        assert "remove 8 of 10 targets" in mail
        assert scene.berthmaster.published[0].subject == "Berthmaster: targets: change proposed for shop"
        assert scene.metric(RECONCILE, "HeldBack") == [0.0] + 6 * [1.0]


def test_tasks_that_ecs_says_have_stopped_need_no_approval() -> None:
    with a_targets_scene() as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.scale_without_events(0)
        scene.reconcile(times=2)
        assert scene.targets() == set()
        assert scene.mails() == []


def test_after_an_outage_of_elastic_load_balancing_stopped_tasks_are_deregistered() -> None:
    with a_targets_scene() as scene:
        scene.serve(20)
        scene.wait(COOL_DOWN)
        scene.begin_outage("elbv2:DeregisterTargets", seconds=900)
        scene.fleet.scale("shop", 8)
        for _ in range(17):
            scene.failed_run()
            scene.wait(60)
        assert scene.targets() == addresses(scene.running())
        assert scene.events("Change Proposed") == []


def test_what_stops_does_not_count_as_registered_when_other_targets_are_removed() -> None:
    with a_targets_scene(TargetsBreakerFloor="0") as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.vanish(6)
        scene.begin_outage("elbv2:DeregisterTargets", seconds=600)
        scene.fleet.scale("shop", 1)
        scene.wait(COOL_DOWN)
        scene.failed_run()
        (proposal,) = scene.events("Change Proposed")
        assert "remove 4 of 5 targets" in proposal["reason"]


def test_the_last_target_needs_an_approval_if_nothing_says_that_its_task_has_stopped() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:service": "till"})
        scene.reconcile(times=3)
        assert scene.targets() == {task.address}
        (proposal,) = scene.events("Change Proposed")
        assert "leave 0 targets registered: fewer than 1" in proposal["reason"]
        scene.approve(proposal)
        scene.reconcile()
        assert scene.targets() == set()


def test_targets_that_are_registered_in_the_same_run_do_not_count() -> None:
    with a_targets_scene(TargetsMinimumTargets="2") as scene:
        shop = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:service": "till"})
        scene.reconcile(times=2)
        with scene.without_events():
            till = scene.serve(2, name="till")
            scene.reconcile(minutes=0)
        assert scene.targets() == addresses(shop) | addresses(till)
        scene.reconcile()
        assert scene.targets() == addresses(till)


def test_the_smallest_number_of_targets_is_a_parameter() -> None:
    with a_targets_scene(TargetsMinimumTargets="0") as scene:
        scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:service": "till"})
        scene.reconcile(times=2)
        assert scene.targets() == set()
        assert scene.events("Change Proposed") == []


def test_few_removals_need_no_approval() -> None:
    with a_targets_scene() as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.vanish(5)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())
        assert scene.mails() == []


def test_the_limits_are_parameters() -> None:
    with a_targets_scene(TargetsBreakerPercent="90", TargetsBreakerFloor="0") as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.vanish(1)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())


def test_the_mail_has_the_commands_that_decide() -> None:
    with a_proposed_removal() as (scene, before, _):
        (mail,) = scene.mails()
        paste(scene.cloud, mail, "Proposal Approved")
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running()) < before
        (answer,) = scene.events("Request Accepted")
        assert answer["request"] == "Proposal Approved"
    with a_proposed_removal() as (scene, before, _):
        (mail,) = scene.mails()
        paste(scene.cloud, mail, "Proposal Rejected")
        scene.wait(5)
        scene.reconcile(times=2)
        assert scene.targets() == before
        (answer,) = scene.events("Request Accepted")
        assert answer["request"] == "Proposal Rejected"


def test_only_what_was_approved_is_carried_out() -> None:
    with a_proposed_removal() as (scene, before, proposal):
        scene.approve(proposal)
        proposed = {step["ip"] for step in proposal["steps"]}
        alive = addresses(scene.running())
        assert proposed == before - alive
        with scene.without_events():
            scene.fleet.scale("shop", 1)
            scene.wait(60)
        scene.reconcile()
        assert scene.targets() == alive
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())
        assert len(scene.events("Change Proposed")) == 1


def test_further_removals_are_proposed_separately() -> None:
    with a_targets_scene() as scene:
        scene.serve(30)
        scene.wait(COOL_DOWN)
        scene.vanish(20)
        scene.reconcile()
        (first,) = scene.events("Change Proposed")
        scene.vanish(8)
        scene.approve(first)
        scene.reconcile()
        assert len(scene.targets()) == 20
        (_, second) = scene.events("Change Proposed")
        rest = {step["ip"] for step in second["steps"]}
        assert len(rest) == 12
        assert rest.isdisjoint({step["ip"] for step in first["steps"]})


def test_an_approved_removal_that_is_no_longer_needed_is_not_carried_out() -> None:
    with a_targets_scene() as scene:
        before = scene.serve(10)
        scene.wait(COOL_DOWN)
        usual = scene.usual_handler("ecs:DescribeTasks")
        assert usual

        def nothing_known(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            answer = usual(cloud, params)
            return answer | {"tasks": [], "failures": []}

        with scene.answering("ecs:DescribeTasks", nothing_known):
            scene.reconcile()
            scene.wait(4000)
            scene.reconcile()
            (proposal,) = scene.events("Change Proposed")
            scene.approve(proposal)
        scene.reconcile(times=3)
        assert scene.targets() == addresses(before)
        assert scene.operations(RECONCILE) == []


def test_a_rejected_change_is_proposed_again_after_a_day() -> None:
    with a_proposed_removal() as (scene, before, proposal):
        scene.request("Proposal Rejected", proposal=proposal["proposal"], by="ann")
        scene.wait(5)
        scene.reconcile(times=3)
        scene.wait(DAY - 2 * 3600)
        scene.reconcile(times=2)
        assert scene.targets() == before
        assert len(scene.events("Change Proposed")) == 1
        scene.wait(2 * 3600)
        scene.reconcile(times=2)
        assert scene.targets() == before
        assert len(scene.events("Change Proposed")) == 2


def test_an_approval_after_a_day_approves_nothing() -> None:
    with a_proposed_removal() as (scene, before, proposal):
        scene.wait(DAY + 3600)
        scene.approve(proposal)
        scene.reconcile()
        assert scene.targets() == before


def test_an_approval_of_another_effect_is_refused() -> None:
    with a_proposed_removal() as (scene, before, proposal):
        other = {"proposal": proposal["proposal"], "fingerprint": "0123456789ab"}
        scene.request("Proposal Approved", **other, by="ann")
        scene.wait(5)
        (refused,) = scene.events("Request Refused")
        assert (refused["request"], refused["subject"]) == ("Proposal Approved", proposal["proposal"])
        assert "0123456789ab" in refused["reason"]
        assert len(scene.mails()) == 2
        scene.reconcile()
        assert scene.targets() == before
        scene.request("Proposal Approved", **other | {"fingerprint": proposal["fingerprint"]})
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())
        assert [line["state"] for line in scene.logged(SYNC, "change decided")] == ["approved"]


def test_an_approval_is_valid_once() -> None:
    with a_targets_scene(mode="approve", drain=0) as scene:
        (task,) = scene.serve(1)
        scene.reconcile(times=2)
        (proposal,) = scene.events("Change Proposed")
        scene.approve(proposal)
        scene.reconcile(times=2)
        assert scene.targets() == {task.address}
        scene.wait(COOL_DOWN)
        scene.deregister_by_hand(task)
        scene.reconcile(times=4)
        assert scene.targets() == set()
        assert len(scene.events("Change Proposed")) == 2
