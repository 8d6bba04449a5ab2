"""Records of workers, as batch_dispatch writes them."""

from datetime import timedelta

from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.files import Launch
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.workers import Worker, WorkerState
from tests.support.batch.claims import TASK
from tests.support.batch.scene import BatchScene


def a_worker(scene: BatchScene, identifier: str, size: Size, *, pipeline: str = "ocr") -> Worker:
    """A worker that runs."""
    now = scene.cloud.clock.now()
    launch = Launch(
        number=1,
        pipeline_version=1,
        size=size,
        requested_at=now,
        deadline=now + timedelta(hours=2),
        task=TASK,
        started_at=now,
    )
    worker = Worker(id=identifier, pipeline=pipeline, state=WorkerState.RUNNING, since=now, due=now, launch=launch)
    return Workers(scene.cloud.client("dynamodb"), scene.table).save(worker)
