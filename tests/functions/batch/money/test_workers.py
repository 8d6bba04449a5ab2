"""Workers: their tasks are booked, their files know their share, and a day's budget holds them back."""

import pytest

from simulator.faults import FaultPlan
from tests.functions.batch.money.test_bookings import booked, check
from tests.support.batch.scene import BatchScene
from tests.support.batch.workers import a_worker_pipeline, put

AN_HOUR_MAY_COST = (0.25 * 0.04656 + 0.5 * 0.00511) / 3600 * (60 + 2 + 5) * 60
"""Of a worker: an hour, the last file, and five minutes for start and stop."""


def alive(scene: BatchScene) -> int:
    return len([task for task in scene.cloud.tasks.alive() if task.group.endswith("_ocr")])


def test_the_bill_of_workers_is_booked_and_their_files_know_their_share() -> None:
    faults = FaultPlan(seed=1, event_duplicated=0.3, transaction_conflict=0.2, spot_reclaim=0.05)
    with a_worker_pipeline(pipeline={"spot": {"tries": 1}}, faults=faults) as scene:
        put(scene, 20)
        scene.settle()
        while alive(scene):
            scene.wait(20)
        scene.wait(60)
        spent = check(scene)
        assert spent.estimated == 0
        completed = scene.events("File Completed")
        of_files = sum(file.dollars for file in scene.files())
        assert all(one["dollars"] > 0 for one in completed)
        assert 0.3 * spent.dollars < of_files <= spent.dollars


def test_no_worker_is_launched_that_might_exceed_the_limit_of_the_day() -> None:
    limits = {"dollarsPerDay": 2.5 * AN_HOUR_MAY_COST, "timeoutMinutes": 2}
    goal = {"finishWithinMinutes": 2}
    with a_worker_pipeline(pipeline={"limits": limits, "goal": goal}) as scene:
        put(scene, 60)
        scene.wait(10)
        most = 0
        while any(file.is_live for file in scene.files()):
            scene.wait(5)
            most = max(most, alive(scene))
        assert most == 2, "the goal would need more"
        assert booked(scene).dollars <= limits["dollarsPerDay"]
        assert scene.states() == {f"scans/{number}.tif": ["committed"] for number in range(60)}
        assert scene.events("Budget Reached") == []
        assert sum(file.dollars for file in scene.files()) == pytest.approx(60 * 11 * 3.94e-6, rel=0.3)
