"""Scenes whose input bucket had objects before its pipeline was in force."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.batch.reconciling import a_reconciled_scene
from tests.support.batch.scene import BatchScene, a_batch_scene

NOWHERE = {"input": {"prefix": "nowhere/"}}


@contextmanager
def a_scene_with_history(
    count: int, *, scheduled: bool = True, pipeline: Mapping[str, Any] | None = None, **given: Any
) -> Iterator[BatchScene]:
    """So many objects `scans/000.tif` and so on, of which the ledger knows nothing; ten minutes old."""
    scenes = a_reconciled_scene if scheduled else a_batch_scene
    with scenes(pipeline=NOWHERE, **given) as scene:
        for number in range(count):
            scene.put(f"scans/{number:03}.tif", f"scan {number}".encode())
        scene.wait(60)
        assert scene.files() == []
        scene.put_pipeline(**(pipeline or {}))
        scene.wait(600)
        assert scene.files() == [], "the sweep leaves alone what was there before"
        yield scene


def request(scene: BatchScene, **detail: Any) -> Mapping[str, Any]:
    """Ask for a backfill, and return what is proposed."""
    before = len(scene.events("Backfill Proposed"))
    scene.request("Backfill Requested", **{"pipeline": "ocr", "by": "ann", **detail})
    scene.wait(60)
    (found,) = scene.events("Backfill Proposed")[before:]
    return found


def approve(scene: BatchScene, proposed: Mapping[str, Any]) -> str:
    """Approve it, by its fingerprint; with which words that was answered."""
    return answered(
        scene, "Proposal Approved", proposal=proposed["proposal"], fingerprint=proposed["fingerprint"], by="ann"
    )


def answered(scene: BatchScene, detail_type: str, **detail: Any) -> str:
    """Send a request; with which words it was answered."""
    before = len(scene.events("Request Accepted", "Request Refused"))
    scene.request(detail_type, **detail)
    scene.wait(15)
    (found,) = scene.events("Request Accepted", "Request Refused")[before:]
    return str(found.get("text") or f"no: {found['reason']}")


def wait_for(scene: BatchScene, detail_type: str, *, limit: float = 3600) -> Mapping[str, Any]:
    """Let time pass until there is such an event; returns the first one."""
    end = scene.cloud.clock.timestamp() + limit
    while not (found := scene.events(detail_type)):
        assert scene.cloud.clock.timestamp() < end, scene.states()
        scene.wait(10)
    return found[0]
