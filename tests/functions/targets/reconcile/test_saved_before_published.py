"""A change is known when it is published, and what was saved is published in the end."""

from collections.abc import Mapping
from typing import Any

import pytest

from berthmaster.failures import Failures
from berthmaster.targets.ledger.changes import Changes
from simulator.cloud import Cloud
from simulator.faults import CrashAfter, CrashBefore
from tests.support.targets.scene import COOL_DOWN, RECONCILE, TargetsScene, a_targets_scene


def many_tasks_are_missed(scene: TargetsScene) -> None:
    """The next run proposes to remove more targets than it may."""
    scene.serve(10)
    scene.wait(COOL_DOWN)
    scene.vanish(2)


def test_a_change_is_in_the_ledger_when_it_is_proposed() -> None:
    with a_targets_scene() as scene:
        usual = scene.usual_handler("events:PutEvents")
        assert usual
        known: list[bool] = []

        def put_events(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            ledger = Changes(cloud.client("dynamodb"), scene.table)
            for entry in params["Entries"]:
                if entry["DetailType"] == "Change Proposed":
                    changes = ledger.current(cloud.clock.now(), Failures()).values()
                    known.append(any(one.id in entry["Detail"] for some in changes for one in some))
            return usual(cloud, params)

        many_tasks_are_missed(scene)
        with scene.answering("events:PutEvents", put_events):
            scene.reconcile(times=2)
        assert known == [True]


def calls_of_a_proposal() -> int:
    with a_targets_scene() as scene:
        many_tasks_are_missed(scene)
        before = len(scene.cloud.calls.of(RECONCILE))
        scene.reconcile()
        assert scene.events("Change Proposed")
        return len(scene.cloud.calls.of(RECONCILE)) - before


@pytest.mark.parametrize("last", range(6))
@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_change_whose_run_dies_is_proposed_once_or_twice_and_can_be_approved(
    last: int, crash: type[CrashBefore] | type[CrashAfter]
) -> None:
    calls = calls_of_a_proposal()
    with a_targets_scene() as scene:
        many_tasks_are_missed(scene)
        scene.cloud.faults.set_crash(crash(calls - last, RECONCILE))
        assert scene.failed_run()
        scene.wait(COOL_DOWN)
        scene.reconcile(times=2)
        assert len({one["proposal"] for one in scene.events("Change Proposed")}) == 1
        assert len(scene.events("Change Proposed")) <= 2
        scene.approve(scene.events("Change Proposed")[0])
        scene.reconcile(times=2)
        assert len(scene.targets()) == 2
