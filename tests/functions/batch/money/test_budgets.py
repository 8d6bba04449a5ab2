"""`limits.dollarsPerDay`: what is launched, what is held back, and how it goes on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from simulator.faults import FaultPlan
from tests.functions.batch.dispatch.test_limits import in_flight, wake
from tests.functions.batch.money.test_bookings import EXACTLY, billed, booked
from tests.support.batch.scene import DISPATCH, OTHERS, BatchScene, a_batch_scene

LIMIT = 0.004
"""A task of the scenes costs about 0.00024, and may cost 0.0017 until its deadline."""
MAY_COST = (0.25 * 0.04656 + 0.5 * 0.00511) / 3600 * (2 + 5) * 60
"""Two minutes, and five for start and stop."""
LIMITS = {"dollarsPerDay": LIMIT, "timeoutMinutes": 2}


@contextmanager
def a_limited_scene(files: int, *, limits: Mapping[str, Any] = LIMITS, **more: Any) -> Iterator[BatchScene]:
    with a_batch_scene(pipeline={"limits": limits}, scheduled=True, unscheduled=OTHERS, **more) as scene:
        for number in range(files):
            scene.put(f"scans/{number:02d}.tif")
        yield scene


def states(scene: BatchScene) -> set[str]:
    return {state for some in scene.states().values() for state in some}


def wait_until_reached(scene: BatchScene) -> Mapping[str, Any]:
    """Until nothing runs any more, and people were asked."""
    end = scene.cloud.clock.timestamp() + 1800
    while in_flight(scene) or not scene.events("Budget Reached"):
        assert scene.cloud.clock.timestamp() < end
        scene.wait(20)
    (reached,) = scene.events("Budget Reached")
    return reached


def test_no_day_costs_more_than_its_limit_though_functions_overlap_and_events_come_twice() -> None:
    with a_limited_scene(24, faults=FaultPlan(seed=2, event_duplicated=0.3)) as scene:
        most = 0
        for _ in range(60):
            wake(scene)
            wake(scene)
            scene.wait(7)
            most = max(most, in_flight(scene))
            assert billed(scene) <= LIMIT
        reached = wait_until_reached(scene)
        assert most == 2, "two may cost 0.0033 until their deadlines"
        assert reached["limit"] == LIMIT
        assert reached["booked"] + reached["next_launch"] > LIMIT
        assert booked(scene).dollars == pytest.approx(billed(scene), rel=EXACTLY)
        assert LIMIT - reached["next_launch"] < booked(scene).dollars <= LIMIT
        assert states(scene) == {"waiting", "committed"}
        scene.wait(20 * 60)
        assert len(scene.events("Budget Reached")) == 1
        assert [mail for mail in scene.mails() if "Proposal Approved" in mail]


def a_minute(task: Any) -> int:
    task.sleep(60)
    return 0


def test_launches_that_the_ledger_does_not_show_yet_count_too() -> None:
    """The backlog is read while dozens are launched, whose records are being written."""
    room = 45
    limits = {**LIMITS, "dollarsPerDay": room * MAY_COST * 1.001, "tasks": 500}
    faults = FaultPlan(seed=5, server_error=0.15)
    with a_batch_scene(pipeline={"limits": limits}, program=a_minute, faults=faults) as scene:
        for number in range(120):
            scene.put(f"scans/{number}.tif")
        for _ in range(40):
            scene.wait(1)
            assert in_flight(scene) <= room
        assert in_flight(scene) == room


def test_an_approval_lets_it_go_on_today() -> None:
    with a_limited_scene(24) as scene:
        reached = wait_until_reached(scene)
        scene.request("File Status Requested", bucket="incoming", key="scans/23.tif")
        scene.request("File Status Requested", pipeline="ocr")
        scene.wait(5)
        (status,) = scene.events("File Status")
        assert status["state"] == "waiting"
        assert "has reached `limits.dollarsPerDay`" in status["text"]
        assert status["next_at"] == reached["until"]
        (of_pipeline,) = scene.events("Pipeline Status")
        assert (
            of_pipeline["dollars_today"] == of_pipeline["dollars_this_month"] == pytest.approx(billed(scene), abs=1e-6)
        )
        assert of_pipeline["dollars_per_file"] == pytest.approx(billed(scene) / booked(scene).tasks, abs=1e-6)
        assert of_pipeline["dollars_per_day"] == LIMIT
        scene.request("Proposal Approved", proposal=reached["proposal"], fingerprint=reached["fingerprint"], by="ann")
        scene.wait(5 * 60)
        assert states(scene) == {"committed"}
        (answer,) = scene.events("Request Accepted")
        assert "goes on" in answer["text"]
        assert booked(scene).dollars > LIMIT


def test_a_rejection_holds_until_midnight_and_so_does_no_answer() -> None:
    with a_limited_scene(16, mode="enforce") as scene:
        reached = wait_until_reached(scene)
        scene.request("Proposal Rejected", proposal=reached["proposal"], by="ann")
        scene.wait(10 * 60)
        assert "waiting" in states(scene)
        scene.berthmaster.schedules_enabled = False
        now = scene.cloud.clock.now()
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
        scene.wait((midnight - now).total_seconds() - 60)
        before = scene.cloud.calls.of(DISPATCH).named("ecs:RunTask")
        scene.berthmaster.schedules_enabled = True
        scene.wait(58)
        assert scene.cloud.calls.of(DISPATCH).named("ecs:RunTask") == before
        scene.settle()
        assert states(scene) == {"committed"}
        assert len(scene.events("Budget Reached")) == 1


def test_a_higher_limit_goes_on_without_an_answer() -> None:
    with a_limited_scene(16) as scene:
        wait_until_reached(scene)
        scene.put_pipeline(limits={**LIMITS, "dollarsPerDay": 1})
        scene.settle(limit=600)
        assert states(scene) == {"committed"}


def test_without_a_record_of_what_was_spent_nothing_is_launched() -> None:
    with a_limited_scene(1, limits={**LIMITS, "dollarsPerDay": 5}) as scene:
        scene.settle()
        dynamodb, table = scene.cloud.client("dynamodb"), scene.table
        key = {"pk": {"S": "money"}, "sk": {"S": f"ocr {scene.cloud.clock.now().date()}"}}
        dynamodb.update_item(TableName=table, Key=key, UpdateExpression="REMOVE dollars")
        scene.put("scans/late.tif")
        scene.wait(180)
        assert scene.states()["scans/late.tif"] == ["waiting"]
        spent = {":dollars": {"N": "0.1"}}
        dynamodb.update_item(
            TableName=table, Key=key, UpdateExpression="SET dollars = :dollars", ExpressionAttributeValues=spent
        )
        scene.wait(300)
        assert scene.states()["scans/late.tif"] == ["committed"]


def test_a_limit_below_the_price_of_one_task_asks_at_once() -> None:
    with a_limited_scene(1, limits={**LIMITS, "dollarsPerDay": 0}) as scene:
        scene.wait(60)
        assert scene.states() == {"scans/00.tif": ["waiting"]}
        (reached,) = scene.events("Budget Reached")
        assert (reached["limit"], reached["booked"]) == (0, 0)
