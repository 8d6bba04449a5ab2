"""Scenes with a pipeline whose tasks take many files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.workers import Worker
from simulator.workload.workers import Work, taking, worker
from tests.support.batch.reconciling import OTHERS
from tests.support.batch.scene import BatchScene, a_batch_scene


@contextmanager
def a_worker_pipeline(
    work: Work | None = None, *, pipeline: dict[str, Any] | None = None, **given: Any
) -> Iterator[BatchScene]:
    """A scene whose pipeline `ocr` has workers; batch_reconcile runs every minute."""
    document = {"run": {"contract": "worker"}, **(pipeline or {})}
    with a_batch_scene(
        program=worker(work or taking(10)), pipeline=document, scheduled=True, unscheduled=OTHERS, **given
    ) as scene:
        scene.wait(60)
        yield scene


def workers(scene: BatchScene) -> list[Worker]:
    """All workers that there were, in the order of their requests."""
    found = Workers(scene.cloud.client("dynamodb"), scene.table).of("ocr")
    return sorted(found, key=lambda one: (one.launch.requested_at, one.id))
