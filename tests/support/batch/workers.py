"""Scenes with a pipeline whose tasks take many files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.workers import Worker
from berthmaster_worker.claims import Claims
from berthmaster_worker.environment import Settings
from simulator.aws.ecs.programs import Container, Program
from simulator.calls import Call
from simulator.workload.workers import Work, taking, worker
from tests.support.batch.reconciling import OTHERS
from tests.support.batch.scene import DISPATCH, BatchScene, a_batch_scene


@contextmanager
def a_worker_pipeline(
    work: Work | None = None, *, program: Program | None = None, pipeline: dict[str, Any] | None = None, **given: Any
) -> Iterator[BatchScene]:
    """A scene whose pipeline `ocr` has workers; batch_reconcile runs every minute. program: of its tasks."""
    with a_batch_scene(
        program=program or worker(work or taking(10)),
        pipeline={"run": {"contract": "worker"}, **(pipeline or {})},
        scheduled=True,
        unscheduled=OTHERS,
        **given,
    ) as scene:
        scene.wait(60)
        yield scene


def workers(scene: BatchScene) -> list[Worker]:
    """All workers that there were, in the order of their requests."""
    found = Workers(scene.cloud.client("dynamodb"), scene.table).of("ocr")
    return sorted(found, key=lambda one: (one.launch.requested_at, one.id))


def put(scene: BatchScene, files: int) -> None:
    """Put so many files."""
    for number in range(files):
        scene.put(f"scans/{number}.tif", b"%d" % number)


def wait_for(scene: BatchScene, state: str, *, limit: float = 600) -> None:
    """Let time pass until a file is in a state."""
    end = scene.cloud.clock.timestamp() + limit
    while not any(file.state == state for file in scene.files()):
        assert scene.cloud.clock.timestamp() < end, scene.states()
        scene.wait(2)


def launches(scene: BatchScene) -> list[Call]:
    """The calls of RunTask."""
    return scene.cloud.calls.of(DISPATCH).named("ecs:RunTask")


def claim_one(container: Container) -> None:
    """Claim a file as a worker does, without a sign of life."""
    settings = Settings.read(container.environment)
    assert Claims(container.client("dynamodb"), settings, container.task.arn).claim()


def hangs(container: Container) -> int:
    """A worker that claims a file, and gives no sign of life."""
    claim_one(container)
    container.sleep(4 * 3600)
    return 0
