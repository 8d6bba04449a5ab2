"""Receiving a file survives that the function dies before and after every call, and that any answer is lost."""

import pytest

from simulator.calls import Call
from simulator.faults import CrashAfter, CrashBefore
from tests.support.batch.objects import an_event, intake_calls, send
from tests.support.batch.scene import DISPATCH, INTAKE, BatchScene, a_batch_scene

KEY = "scans/a.tif"


def overwrite(scene: BatchScene) -> None:
    """A second version of a key comes."""
    send(scene, [an_event(KEY, 2, **{"version-id": "v2"})])


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_a_file_is_received_wherever_the_function_dies(mode: str, crash: type[CrashBefore | CrashAfter]) -> None:
    number, crashes = 0, 1
    while crashes:
        number += 1
        with a_batch_scene(mode=mode, pipeline={"paused": True}) as scene:
            send(scene, [an_event(KEY, 1, **{"version-id": "v1"})])
            scene.wait(40)
            woken = len(scene.cloud.calls.of(DISPATCH))
            scene.cloud.faults.set_crash(crash(number, INTAKE))
            overwrite(scene)
            crashes = scene.cloud.faults.crashes
            assert scene.dead_letters() == []
            states = {one.version_id: one.state for one in scene.files()}
            if mode == "enforce":
                assert states == {"v1": "superseded", "v2": "waiting"}
                assert len(scene.cloud.calls.of(DISPATCH)) > woken
            else:
                assert states == {"v1": "observed", "v2": "observed"}
                assert {one["version_id"] for one in scene.events("File Observed")} == {"v1", "v2"}
                assert not any(one.unreported for one in scene.files())
    assert number == 6


@pytest.mark.parametrize("operation", ["PutItem", "SendMessage"])
def test_a_lost_answer_makes_no_second_file_and_no_conflict(operation: str) -> None:
    with a_batch_scene(pipeline={"paused": True}) as scene:

        def is_chosen(call: Call) -> bool:
            return call.caller == INTAKE and call.operation == operation

        scene.cloud.faults.lose_response(is_chosen)
        scene.cloud.faults.lose_response(is_chosen)
        send(scene, [an_event(KEY, 1, **{"version-id": "v1"})])
        scene.wait(40)
        overwrite(scene)
        assert {one.version_id: one.state for one in scene.files()} == {"v1": "superseded", "v2": "waiting"}
        assert "object version known already" not in scene.berthmaster.logs.text(INTAKE)
        assert intake_calls(scene).count("PutItem") == 3
