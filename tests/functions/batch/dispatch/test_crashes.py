"""An invocation that launches may die before or after any call: one task comes of each launch all the same."""

import pytest

from simulator.faults import CrashAfter, CrashBefore
from tests.support.batch.scene import DISPATCH, BatchScene, a_batch_scene

CALLS = 40
"""More than one launch takes: those of reading the turn, the switch, the pipelines and what waits, too."""


def started(scene: BatchScene) -> dict[str, int]:
    """How many tasks each launch has started."""
    found: dict[str, int] = {}
    for task in scene.cloud.tasks.visible():
        found[task.started_by] = found.get(task.started_by, 0) + 1
    return found


@pytest.mark.parametrize("side", [CrashBefore, CrashAfter])
def test_a_crash_at_every_call_of_a_launch(side: type[CrashBefore | CrashAfter]) -> None:
    with a_batch_scene() as scene:
        crashed = 0
        for call in range(1, CALLS):
            scene.cloud.faults.set_crash(side(call, DISPATCH))
            before = scene.cloud.faults.crashes
            scene.put(f"scans/{call}.tif")
            scene.wait(450)
            crashed += scene.cloud.faults.crashes > before
        scene.settle()
        assert crashed >= 25, "most of these calls are made for one file"
        assert set(started(scene).values()) == {1}
        assert [states for states in scene.states().values() if states != ["committed"]] == []
        numbers = [file.launch.number for file in scene.files() if file.launch]
        assert max(numbers) == 1, "the same request again, never another one"
        assert scene.dead_letters() == []
