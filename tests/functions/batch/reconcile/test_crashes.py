"""Runs that die, each at another call, do nothing wrong, and what they have left is done by the runs after them."""

from typing import Any

import pytest

from simulator.faults import CrashAfter, CrashBefore
from tests.support.batch.reconciling import (
    a_reconciled_scene,
    calls,
    is_to_run,
    lose_object_events,
    lose_task_events,
    run_task,
    sleeps,
)
from tests.support.batch.scene import RECONCILE, ocr

CALLS = 90
"""More than a run makes here."""


def ocr_or_sleep(task: Any) -> int:
    """A task that no launch has made does not come to an end."""
    return ocr(task) if "BERTHMASTER_FILE" in task.environment else sleeps(task)


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_runs_that_die_everywhere_are_made_up_for(crash: type[CrashBefore] | type[CrashAfter]) -> None:
    with a_reconciled_scene(program=ocr_or_sleep) as scene:
        scene.put("scans/known.tif")
        scene.wait(120)
        (known,) = scene.files()
        orphan = run_task(scene, f"{known.id}-1")
        lose_object_events(scene)
        lose_task_events(scene)
        for call in range(1, CALLS, 7):
            scene.put(f"scans/{call}.tif")
            scene.cloud.faults.set_crash(crash(call, RECONCILE))
            scene.wait(60)
        scene.cloud.faults.crash = None
        scene.wait(30 * 60)
        assert {tuple(states) for states in scene.states().values()} == {("committed",)}
        assert len(scene.states()) == 1 + len(range(1, CALLS, 7))
        assert not is_to_run(scene, orphan)
        assert {call.params["task"] for call in calls(scene, "ecs:StopTask")} == {orphan}
        runs = [one for one in scene.berthmaster.invocations if one.function == RECONCILE and one.result]
        assert runs[-1].result["FilesOutOfBalance"] == 0
