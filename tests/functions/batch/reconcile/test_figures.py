"""What each run publishes: how many files wait, are in flight or are dead, and whether any is out of balance."""

from typing import Any

from tests.support.batch.reconciling import a_reconciled_scene
from tests.support.batch.scene import RECONCILE, BatchScene, ocr


def figures(scene: BatchScene) -> list[dict[str, float]]:
    """Of all runs, in order."""
    return [one.result for one in scene.berthmaster.invocations if one.function == RECONCILE and one.result]


def fails_for_some(task: Any) -> int:
    """Reject what is no scan."""
    return ocr(task) if task.environment["BERTHMASTER_INPUT_KEY"].endswith(".tif") else 3


def test_files_are_counted_and_none_is_out_of_balance_while_they_move() -> None:
    with a_reconciled_scene(program=fails_for_some, pipeline={"limits": {"tasks": 2}}) as scene:
        for number in range(12):
            scene.put(f"scans/{number}.tif")
            scene.put(f"scans/{number % 3}.tif", b"again")
            scene.put(f"scans/{number}.txt")
            scene.wait(20)
        scene.settle()
        scene.wait(10 * 60)
        runs = figures(scene)
        assert max(one["FilesWaiting"] for one in runs) > 0
        assert max(one["FilesInFlight"] for one in runs) == 2
        assert max(one["OldestWaitingSeconds"] for one in runs) > 60
        assert runs[-1] == {
            "FilesInFlight": 0,
            "WorkersActive": 0,
            "FilesWaiting": 0,
            "OldestWaitingSeconds": 0,
            "FilesDead": 12,
            "FilesOutOfBalance": 0,
        }
        assert {one["FilesOutOfBalance"] for one in runs} == {0}
