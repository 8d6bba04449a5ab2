"""What is booked is what the simulated Fargate bills, whatever happens to tasks, events and functions."""

from typing import Any

import pytest

from berthmaster.batch.ledger.money import Money
from berthmaster.batch.model.bills import Spent
from simulator.faults import FaultPlan
from tests.support.batch.scene import BatchScene, a_batch_scene, ocr

EXACTLY = 1e-9


def booked(scene: BatchScene, pipeline: str = "ocr") -> Spent:
    """In the months of the simulation."""
    now = scene.cloud.clock.now()
    return Money(scene.cloud.client("dynamodb"), scene.table, scene.cloud.clock).month(pipeline, now.date())  # type: ignore[arg-type]


def billed(scene: BatchScene) -> float:
    """By AWS, for all tasks that have stopped."""
    return scene.cloud.tasks.dollars()


def check(scene: BatchScene) -> Spent:
    found = booked(scene)
    assert found.dollars == pytest.approx(billed(scene), rel=EXACTLY)
    return found


def fails_now_and_then(task: Any) -> int:
    """Works as `ocr`, or rejects, tries later, fails or is out of memory, by its input's key."""
    number = int(task.environment["BERTHMASTER_INPUT_KEY"].rpartition("/")[2])
    if number % 5 == 0:
        return ocr(task)
    if number % 5 == 1 and task.environment["BERTHMASTER_ATTEMPT"] != "1":
        return ocr(task)
    task.sleep(number * 7)
    return {1: 75, 2: 3, 3: 1, 4: 137}[number % 5]


def test_a_file_costs_what_fargate_bills_for_its_task() -> None:
    with a_batch_scene() as scene:
        scene.put("scans/a.tif")
        scene.settle()
        spent = check(scene)
        assert (spent.tasks, spent.estimated) == (1, 0)
        assert spent.seconds >= 60
        (file,) = scene.files()
        (completed,) = scene.events("File Completed")
        assert file.dollars == pytest.approx(spent.dollars, rel=1e-5)
        assert completed["dollars"] == pytest.approx(spent.dollars, rel=1e-2)


def test_retries_larger_sizes_spot_and_ghosts_are_booked_to_the_cent() -> None:
    """With duplicates, delays, lost answers and crashes of functions; every task of the pipeline is booked once."""
    faults = FaultPlan(
        seed=3,
        event_duplicated=0.5,
        event_delayed=0.2,
        longest_delay=120,
        lost_response=0.02,
        crash=0.004,
        no_capacity=0.1,
        ghost=0.5,
        pull_interrupted=0.1,
        spot_reclaim=0.2,
    )
    pipeline = {"spot": {"tries": 2}, "limits": {"attempts": 2}}
    with a_batch_scene(faults=faults, program=fails_now_and_then, scheduled=True, pipeline=pipeline) as scene:
        for number in range(40):
            scene.put(f"scans/{number}")
        scene.settle(limit=4 * 3600)
        scene.wait(20 * 60)
        assert not [task for task in scene.cloud.tasks.alive() if task.started_by]
        spent = check(scene)
        assert spent.estimated == 0
        assert spent.tasks > 60
        of_files = sum(file.dollars for file in scene.files())
        assert 0 < of_files <= spent.dollars * (1 + 1e-6)
