"""A burst of files is recorded in seconds, with one write and one read each."""

from collections import Counter

from tests.support.batch.objects import an_event, counted
from tests.support.batch.scene import INTAKE, a_batch_scene

FILES = 500


def test_a_burst_is_received_in_seconds() -> None:
    with a_batch_scene(pipeline={"paused": True}) as scene:
        for number in range(FILES):
            scene.berthmaster.put_event(an_event(f"scans/{number}.tif", number, **{"version-id": f"v{number}"}))
        scene.wait(10)
        assert counted(scene, "FilesReceived") == len(scene.files()) == FILES
        calls = Counter(call.operation for call in scene.cloud.calls.of(INTAKE))
        invocations = sum(one.function == INTAKE for one in scene.berthmaster.invocations)
        assert calls["PutItem"] == FILES
        # Each container reads once which pipelines are in force.
        assert FILES < calls["Query"] <= FILES + invocations
        assert calls["SendMessage"] <= invocations <= FILES / 10
