"""What is booked is what the simulated Fargate bills, whatever happens to tasks, events and functions."""

import json
from typing import Any

import pytest

from berthmaster.batch.ledger.money import Money
from berthmaster.batch.model.bills import Spent
from simulator.faults import FaultPlan
from tests.support.batch.reconciling import a_reconciled_scene, lose_task_events
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
        transaction_conflict=0.2,
        stuck_provisioning=0.03,
        interface_timeout=0.05,
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


def test_tasks_whose_events_are_lost_are_booked_as_ecs_describes_them() -> None:
    with a_reconciled_scene() as scene:
        lose_task_events(scene)
        for number in range(3):
            scene.put(f"scans/{number}.tif")
        scene.settle(limit=1800)
        spent = check(scene)
        assert (spent.tasks, spent.estimated) == (3, 0)


def deliver(scene: BatchScene, event: dict[str, Any]) -> None:
    sqs, name = scene.cloud.client("sqs"), scene.berthmaster.template.identity("BatchTaskQueue").name
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=json.dumps(event))
    scene.wait(30)


def test_a_task_that_ecs_has_forgotten_is_estimated_until_its_event_comes_after_all() -> None:
    """No event comes and nothing is reconciled for hours; what is assumed is no less than the bill."""
    with a_reconciled_scene(pipeline={"limits": {"timeoutMinutes": 10}}) as scene:
        scene.put("scans/first.tif")
        scene.settle()
        scene.put("scans/a.tif")
        scene.wait(8)
        lose_task_events(scene)
        scene.berthmaster.schedules_enabled = False
        scene.wait(3 * 3600)
        scene.berthmaster.schedules_enabled = True
        scene.settle()
        spent = booked(scene)
        assert spent.tasks == 3, "the file was launched again"
        assert 0 < spent.estimated < spent.dollars
        assert spent.dollars > billed(scene)
        stops = [
            dict(seen.event)
            for seen in scene.cloud.buses.seen
            if seen.event["source"] == "aws.ecs" and seen.event["detail"]["lastStatus"] == "STOPPED"
        ]
        for _ in range(2):
            for event in stops:
                deliver(scene, event)
        after = check(scene)
        assert (after.tasks, after.estimated) == (3, 0)


def test_tasks_that_no_file_waits_for_are_booked_though_their_events_are_lost() -> None:
    """A file is superseded, and is over before its task; and there is a ghost, of which RunTask has said otherwise."""
    with a_reconciled_scene() as scene:
        lose_task_events(scene)
        scene.put("scans/a.tif", b"old")
        scene.wait(8)
        scene.put("scans/a.tif", b"new")
        scene.cloud.faults.plan = FaultPlan(no_capacity=1, ghost=1)
        scene.put("scans/b.tif")
        scene.wait(20)
        scene.cloud.faults.plan = FaultPlan()
        scene.settle()
        scene.wait(35 * 60)
        assert not scene.cloud.tasks.alive()
        assert check(scene).tasks > 3


def test_what_never_pulled_its_image_costs_nothing() -> None:
    with a_reconciled_scene() as scene:
        scene.cloud.fargate.hang(until=scene.cloud.clock.timestamp() + 60)
        scene.put("scans/a.tif")
        scene.settle(limit=3600)
        spent = check(scene)
        assert spent.tasks == 2
        (file,) = scene.files()
        assert file.dollars == pytest.approx(spent.dollars, rel=1e-5)


def test_what_is_not_booked_is_not_written_down_as_stopped() -> None:
    """DynamoDB refuses all transactions for a while: the file still counts as in flight, and is booked afterwards."""
    with a_batch_scene() as scene:
        scene.cloud.faults.plan = FaultPlan(transaction_conflict=1)
        scene.put("scans/a.tif")
        scene.wait(120)
        assert scene.states() == {"scans/a.tif": ["running"]}
        assert booked(scene) == Spent()
        scene.cloud.faults.plan = FaultPlan()
        scene.wait(15 * 60)
        assert scene.states() == {"scans/a.tif": ["committed"]}
        check(scene)
        assert scene.dead_letters() == []
