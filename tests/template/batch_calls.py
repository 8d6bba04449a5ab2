"""Scenarios of batch that leave no AWS call out."""

from collections.abc import Iterator

from simulator.calls import Call
from simulator.faults import Outage
from simulator.workload.workers import taking
from tests.support.batch.backfills import a_scene_with_history, answered, approve, request
from tests.support.batch.reconciling import (
    a_reconciled_scene,
    fails_at_first,
    lose_object_events,
    run_task,
    sleeps,
)
from tests.support.batch.refusals import refusals
from tests.support.batch.scene import a_batch_scene
from tests.support.batch.workers import a_worker_pipeline


def batch_calls() -> list[Call]:
    """Every call while files come, tasks run and results are committed, observed, corrected, controlled and failed."""
    scenarios = (
        _controlling,
        _processing,
        _observing,
        _correcting,
        _finding,
        _failing,
        _rejecting,
        _retrying,
        _repeating,
        _working,
        _backfilling,
    )
    return [call for scenario in scenarios for call in scenario()]


def _controlling() -> Iterator[Call]:
    """A document is refused, deleted and accepted; the automation is paused and resumed."""
    with a_batch_scene() as scene:
        scene.put_document(run={"cluster": "lacking"})
        scene.delete_document()
        scene.wait(30)
        scene.put_document(run={"subnets": None})
        scene.request("Pause Requested", automation="batch")
        scene.wait(10)
        scene.request("Resume Requested", automation="batch")
        scene.put("scans/a.tif")
        scene.request("File Status Requested", bucket="incoming", key="scans/never came.tif")
        scene.wait(60)
        scene.request("File Status Requested", bucket="incoming", key="scans/a.tif")
        scene.request("File Status Requested", pipeline="ocr")
        scene.request("Cancel Requested", pipeline="ocr")
        scene.request("Replay Requested", pipeline="ocr")
        scene.wait(60)
        yield from scene.cloud.calls


def _processing() -> Iterator[Call]:
    with a_batch_scene() as scene:
        scene.put("scans/a.tif")
        scene.settle()
        assert scene.dead_letters() == []
        yield from scene.cloud.calls


def _observing() -> Iterator[Call]:
    with a_batch_scene(mode="observe") as scene:
        scene.put("scans/a.tif")
        scene.settle()
        yield from scene.cloud.calls


def _correcting() -> Iterator[Call]:
    """A task that does not end in time, and one of which the ledger knows nothing."""
    with a_reconciled_scene(program=sleeps, pipeline={"limits": {"timeoutMinutes": 5}}) as scene:
        scene.put("scans/a.tif")
        run_task(scene, f"{30 * '0'}-1")
        scene.wait(10 * 60)
        yield from scene.cloud.calls


def _finding() -> Iterator[Call]:
    """An object whose event was lost; its first attempt fails, and leaves something behind."""
    with a_reconciled_scene(program=fails_at_first) as scene:
        lose_object_events(scene)
        scene.put("scans/a.tif")
        scene.wait(2 * 3600)
        yield from scene.cloud.calls


def _failing() -> Iterator[Call]:
    """RunTask is refused first, and does not answer for an hour then; the file's task is launched in the end."""
    with a_batch_scene() as scene:
        with refusals(scene, "ClusterNotFoundException", "Cluster not found."):
            scene.put("scans/a.tif")
            scene.wait(60)
        scene.cloud.faults.begin_outage(Outage("ecs:RunTask", scene.cloud.clock.timestamp() + 3600))
        scene.settle(limit=7200)
        assert scene.dead_letters() == []
        yield from scene.cloud.calls


def _rejecting() -> Iterator[Call]:
    """A file that fails, which people hear of."""
    with a_batch_scene(program=lambda _: 3) as scene:
        scene.put("scans/a.tif")
        scene.settle()
        yield from scene.cloud.calls


def _retrying() -> Iterator[Call]:
    """Files whose first attempts fail, in buckets with and without versioning."""
    for versioned in (True, False):
        with a_batch_scene(program=fails_at_first, versioned=versioned) as scene:
            scene.put("scans/a.tif")
            scene.settle()
            yield from scene.cloud.calls


def _repeating() -> Iterator[Call]:
    """A manifest that stands already, since the answer to its write was lost."""
    with a_batch_scene() as scene:
        scene.cloud.faults.lose_response(
            lambda call: call.name == "s3:PutObject" and "/manifests/" in call.params["Key"]
        )
        scene.put("scans/a.tif")
        scene.settle()
        yield from scene.cloud.calls


def _working() -> Iterator[Call]:
    """Workers take files; one of them is killed, and what it had is taken from it."""
    with a_worker_pipeline(taking(120)) as scene:
        for number in range(30):
            scene.put(f"scans/{number}.tif")
        scene.wait(150)
        scene.cloud.tasks.fail_host(scene.cloud.tasks.alive()[0])
        scene.settle()
        scene.wait(180)
        assert scene.dead_letters() == []
        yield from scene.cloud.calls


def _backfilling() -> Iterator[Call]:
    """Objects from before are processed, and others are cancelled."""
    with a_scene_with_history(2, pipeline={"paused": True}) as scene:
        proposed = request(scene)
        approve(scene, proposed)
        scene.wait(60)
        answered(scene, "Cancel Requested", backfill=proposed["proposal"])
        scene.wait(60)
        yield from scene.cloud.calls
