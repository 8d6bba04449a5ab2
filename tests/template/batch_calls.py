"""Scenarios of batch that leave no AWS call out."""

from collections.abc import Iterator

from simulator.calls import Call
from tests.support.batch.scene import a_batch_scene


def batch_calls() -> list[Call]:
    """Every call while files come, tasks run and results are committed, and in mode observe."""
    return [*_processing(), *_observing()]


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
