"""The bill of a task from the event that it has stopped, whatever ECS leaves out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.tasks import STOPPED, TaskStateChange
from berthmaster.batch.plan.bills import bill_of, dollars_of_file
from berthmaster.batch.plan.prices import dollars, prices_of

PRICES = prices_of("eu-central-1")
ASSUMED = Resources(cpu=1024, memory=2048)
ARN = "arn:aws:ecs:eu-central-1:123456789012:task/batch/9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5"
CREATED = datetime(2026, 11, 22, 23, 58, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return CREATED + timedelta(seconds=seconds)


STOPPED_TASK = TaskStateChange(
    task=ARN,
    task_definition="",
    started_by="",
    group="",
    version=5,
    last_status=STOPPED,
    desired_status=STOPPED,
    stop_code="",
    stopped_reason="",
    exit_codes={},
    reasons={},
    size=(512, 1024),
    started_at=after(30),
    stopped_at=after(150.2),
    at=after(151),
    created_at=CREATED,
    pull_started_at=after(10.1),
    provider="FARGATE_SPOT",
    is_arm=True,
    storage=50,
)


def test_a_task_is_billed_from_its_pull_until_it_has_stopped_on_the_day_on_which_it_has() -> None:
    bill = bill_of(STOPPED_TASK, "ocr", PRICES, ASSUMED)
    spot = Resources(cpu=512, memory=1024, is_arm=True, is_spot=True, storage=50)
    assert (bill.seconds, bill.day, bill.is_estimate) == (141, date(2026, 11, 23), False)
    assert bill.dollars == dollars(PRICES, spot, 141)


@pytest.mark.parametrize(
    ("missing", "seconds", "is_estimate"),
    [
        ({"pull_started_at": None, "started_at": None}, 0, False),
        ({"pull_started_at": None}, 151, True),
        ({"pull_started_at": None, "created_at": None}, 121, True),
        ({"stopped_at": None}, 141, True),
        ({"size": None}, 141, True),
        ({"pull_started_at": None, "started_at": None, "stopped_at": None, "estimated_until": after(600)}, 600, True),
        ({"pull_started_at": after(150)}, 60, False),
    ],
)
def test_what_ecs_leaves_out_is_taken_to_be_dear(
    missing: dict[str, object],
    seconds: int,
    is_estimate: bool,  # noqa: FBT001 - a column
) -> None:
    bill = bill_of(replace(STOPPED_TASK, **missing), "ocr", PRICES, ASSUMED)  # type: ignore[arg-type]
    assert (bill.seconds, bill.is_estimate) == (seconds, is_estimate)
    assert (bill.dollars > 0) == (seconds > 0)


def test_without_a_provider_it_ran_on_demand() -> None:
    on_demand = bill_of(replace(STOPPED_TASK, provider=""), "ocr", PRICES, ASSUMED).dollars
    assert on_demand == bill_of(replace(STOPPED_TASK, provider="FARGATE"), "ocr", PRICES, ASSUMED).dollars
    assert on_demand > bill_of(STOPPED_TASK, "ocr", PRICES, ASSUMED).dollars


def test_files_of_a_worker_share_its_time() -> None:
    assert 6 * dollars_of_file(PRICES, ASSUMED, 10) == pytest.approx(dollars(PRICES, ASSUMED, 60))
