"""When the bus or the topic fails, destinations are still reconciled, and what can be reported later is."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.targets.scene import BATCH, COOL_DOWN, RECONCILE, TargetsScene, a_targets_scene, tags_of


@contextmanager
def everything_to_report() -> Iterator[tuple[TargetsScene, str]]:
    """One run will propose a change, register a task, and find wrong tags; yields the group of that task too."""
    with a_targets_scene() as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.vanish(2)
        batch = scene.target_group("batch", BATCH)
        scene.target_group("wrong", tags_of(service="shop", family="shop"))
        with scene.without_events():
            scene.run_task("batch")
        yield scene, batch


@pytest.mark.parametrize("operation", ["events:PutEvents", "sns:Publish"])
def test_what_cannot_be_reported_is_reported_later_and_hinders_nothing(operation: str) -> None:
    with everything_to_report() as (scene, batch):
        scene.begin_outage(operation, seconds=150)
        assert isinstance(scene.failed_run(), ExceptionGroup)
        assert scene.targets(batch) == {task.address for task in scene.fleet.tasks if task.family == "batch"}
        assert scene.berthmaster.published == []
        scene.wait(180)
        scene.reconcile(times=3)
        assert sorted(one.subject for one in scene.berthmaster.published) == [
            "Berthmaster: targets: change proposed for shop",
            "Berthmaster: targets: tags of wrong",
        ]
        lost = scene.logged(RECONCILE, "events lost")
        registered = [one for one in scene.events("Targets Registered") if one["destination"] == batch]
        assert (len(lost), len(registered)) == ((1, 0) if operation == "events:PutEvents" else (0, 1))


def test_a_change_that_cannot_be_proposed_does_not_hinder_approved_ones() -> None:
    with a_targets_scene() as scene:
        scene.serve(30)
        scene.wait(COOL_DOWN)
        scene.vanish(10)
        scene.reconcile()
        (first,) = scene.events("Change Proposed")
        scene.vanish(0)
        scene.approve(first)
        scene.begin_outage("sns:Publish", seconds=600)
        assert len(scene.targets()) == 30
        errors = [scene.failed_run() for _ in range(2)]
        assert errors[-1] is not None
        assert len(scene.targets()) == 10
