"""targets_reconcile when nobody listens: what is to be done is done, and what can be told later is told later."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.faults import Outage
from tests.support.targets.scene import RECONCILE, TargetsScene, a_targets_scene, tags_of

COOL_DOWN = 130
"""Seconds after which what an event touched is the reconciliation's again."""


@contextmanager
def a_loss_a_newcomer_and_a_riddle() -> Iterator[tuple[TargetsScene, str]]:
    """All that is told of, to be found in one pass; yields the newcomer's group, too.

    In one group eight of ten tasks are gone unheard; in another a task is to be registered; a third makes no sense.
    """
    with a_targets_scene() as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        with scene.deaf():
            scene.fleet.scale("shop", 2)
            scene.wait(60)
        scene.reconcile()
        batch = scene.target_group("batch", tags_of(family="batch"))
        scene.target_group("riddle", tags_of(service="shop", family="shop"))
        with scene.deaf():
            scene.run_task("batch")
        yield scene, batch


@pytest.mark.parametrize("operation", ["events:PutEvents", "sns:Publish"])
def test_what_cannot_be_told_hinders_nothing_and_is_told_when_somebody_listens(operation: str) -> None:
    with a_loss_a_newcomer_and_a_riddle() as (scene, batch):
        now = scene.cloud.clock.timestamp()
        scene.cloud.faults.begin_outage(Outage(operation, until=now + 150))
        assert isinstance(scene.berthmaster.invoke(RECONCILE, {}).error, ExceptionGroup)
        assert scene.targets(batch) == {task.address for task in scene.fleet.tasks if task.family == "batch"}
        assert scene.berthmaster.published == []
        scene.wait(180)
        scene.reconcile(times=3)
        assert sorted(one.subject for one in scene.berthmaster.published) == [
            "Berthmaster targets: change proposed for shop",
            "Berthmaster targets: tags",
        ]
        records = scene.berthmaster.logs.records(RECONCILE)
        lost = [one for one in records if one.get("message") == "could not be told"]
        told = [one for one in scene.events("Targets Registered") if one["destination"] == batch]
        assert (len(lost), len(told)) == ((1, 0) if operation == "events:PutEvents" else (0, 1))


def test_a_change_that_cannot_be_asked_about_hinders_none_that_was_approved() -> None:
    with a_targets_scene() as scene:
        scene.serve(30)
        scene.wait(COOL_DOWN)
        with scene.deaf():
            scene.fleet.scale("shop", 10)
            scene.wait(60)
        scene.reconcile(times=2)
        (first,) = scene.events("Change Proposed")
        scene.tell("Change Approved", change=first["change"], by="mate")
        with scene.deaf():
            scene.fleet.scale("shop", 0)
            scene.wait(60)
        scene.cloud.faults.begin_outage(Outage("sns:Publish", until=scene.cloud.clock.timestamp() + 600))
        assert len(scene.targets()) == 30
        errors = [scene.berthmaster.invoke(RECONCILE, {}).error for _ in range(2)]
        assert errors[-1] is not None
        assert len(scene.targets()) == 10
