"""Packing through the deployed functions: measured by what workers and ECS report, chosen, compared with the bill."""

import pytest

from benchmarks.packing import a_pipeline
from benchmarks.packing_queue import Queue, World, arrivals
from berthmaster.batch.ledger.measures import Measured
from berthmaster.batch.ledger.money import Money
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.sizes import Size
from simulator.aws.ecs.task_life import DEPROVISIONING, JITTER, PENDING, PROVISIONING, UNTIL_EXIT_IS_SEEN
from simulator.workload.workers import taking
from tests.support.batch.scene import BatchScene
from tests.support.batch.workers import a_worker_pipeline, workers

QUARTER = Size(256, 512)
FEW, MANY = 24, 40
"""Files."""


def process(scene: BatchScene, files: int, name: str) -> None:
    """Files come at once, and all of them are done, and their workers gone."""
    for number in range(files):
        scene.put(f"scans/{name}-{number}.tif")
    scene.wait(10)
    scene.settle(limit=9000)
    scene.wait(150)


def test_what_was_predicted_of_a_run_is_compared_with_what_it_has_cost() -> None:
    with a_worker_pipeline(taking(8)) as scene:
        process(scene, FEW, "first")
        before, begun = scene.cloud.tasks.dollars(), len(workers(scene))
        process(scene, MANY, "second")
        first, second = scene.events("Packing Compared")
        assert (first["files"], second["files"]) == (FEW, MANY)
        assert second["dollars"] == pytest.approx(scene.cloud.tasks.dollars() - before)
        assert second["dollars_per_file"] == pytest.approx(second["predicted_dollars_per_file"], rel=0.15)
        chosen = scene.events("Packing Chosen")[-1]
        begun = len(workers(scene)) - begun
        assert (chosen["packing"], chosen["workers"]) == ("workers", begun)
        compare_with_model(scene, begun)


def compare_with_model(scene: BatchScene, begun: int) -> None:
    """The benchmarks' model of the queue ends as the simulator does. begun: workers of the second run."""
    day = scene.cloud.clock.now().date()
    money = Money(scene.cloud.client("dynamodb"), scene.table, scene.cloud.clock)  # type: ignore[arg-type]
    world = World(provisioning=PROVISIONING, pull=PENDING, exit=UNTIL_EXIT_IS_SEEN + DEPROVISIONING, jitter=JITTER)
    known, billed, starts = None, 0.0, 0
    for files in (FEW, MANY):
        known = Queue(
            a_pipeline(tasks=50),
            arrivals(8.0, 0.0, files),
            world,
            Resources(cpu=QUARTER.cpu, memory=QUARTER.memory),
            known=known,
        )
        outcome = known.run()
        billed, starts = billed + outcome.billed, outcome.starts
    assert billed == pytest.approx(money.day("ocr", day).seconds, rel=0.1)
    assert abs(starts - begun) <= 1


def test_long_files_get_tasks_of_their_own_once_that_is_known_and_are_measured_further() -> None:
    with a_worker_pipeline(taking(1000)) as scene:
        process(scene, 6, "first")
        assert not any("-" in call.params["startedBy"] for call in scene.cloud.calls.named("ecs:RunTask"))
        known = Measured(scene.cloud.client("dynamodb"), scene.table)
        scene.wait(3600)
        process(scene, 3, "second")
        alone = [call for call in scene.cloud.calls.named("ecs:RunTask") if "-" in call.params["startedBy"]]
        assert len(alone) == 3
        measures = known.of("ocr")
        assert sum(sums.count for sums in measures.files.values()) == 3 + 6 / 2
        assert measures.tasks[QUARTER].count > 3
        assert all(file.result_of for file in scene.files())
