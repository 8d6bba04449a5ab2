"""Bills in the ledger: each task is booked once, by whoever is told of its end, as often as it is told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from berthmaster.batch.ledger.money import PER_TRANSACTION, Money
from berthmaster.batch.model.bills import Bill, Spent
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Conflict
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from tests.support.tables import BATCH_TABLE, create_batch_table

DAY = date(2026, 11, 22)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        yield cloud


@pytest.fixture
def money(cloud: Cloud) -> Money:  # noqa: ARG001 - its table
    return Money(Clients().dynamodb, BATCH_TABLE, Clock())


def bill(number: int, **more: object) -> Bill:
    given = Bill(
        task=f"arn:aws:ecs:eu-central-1:123456789012:task/batch/{number:032x}"[:-32] + f"{number * 7919:032x}"[::-1],
        pipeline=f"p{number % 3}",
        day=DAY + timedelta(days=number % 2),
        seconds=60 + number,
        dollars=(60 + number) * 4.0161e-06,
    )
    return replace(given, **more)  # type: ignore[arg-type]


def estimate(number: int) -> Bill:
    return bill(number, dollars=0.25, seconds=3600, day=DAY, is_estimate=True)


def sums(bills: list[Bill]) -> dict[tuple[str, date], Spent]:
    found: dict[tuple[str, date], Spent] = {}
    for one in bills:
        own = Spent(one.dollars, 1, one.seconds, one.dollars if one.is_estimate else 0)
        found[one.pipeline, one.day] = found.get((one.pipeline, one.day), Spent()) + own
    return found


@pytest.mark.parametrize("seed", range(4))
def test_each_task_is_booked_once_and_estimates_give_way(seed: int, cloud: Cloud, money: Money) -> None:
    """Batches that overlap, repeat bills, hold an estimate and the bill of one task, and meet other transactions."""
    random = Random(seed)  # noqa: S311 - a seed
    cloud.faults.plan = FaultPlan(seed=seed, transaction_conflict=0.2, lost_response=0.1, throttled=0.05)
    last: dict[str, Bill] = {}
    told = 0
    with calling_as("BatchFollowFunction"):
        for _ in range(12):
            numbers = random.choices(range(150), k=random.randint(1, 80))
            batch = [estimate(number) if random.random() < 0.3 else bill(number) for number in numbers]
            for one in batch:
                if one.task not in last or last[one.task].is_estimate:
                    last[one.task] = one
            told += len(money.book(batch))
    assert len(last) <= told, "an estimate, and the bill that it gives way to, are told both"
    expected = sums(list(last.values()))
    for (pipeline, day), spent in expected.items():
        found = money.day(pipeline, day)
        assert (found.tasks, found.seconds) == (spent.tasks, spent.seconds)
        assert found.dollars == pytest.approx(spent.dollars, rel=1e-9)
        assert found.estimated == pytest.approx(spent.estimated, abs=1e-12)
    for pipeline in ("p0", "p1", "p2"):
        month = sum((spent for (name, _), spent in expected.items() if name == pipeline), Spent())
        assert money.month(pipeline, DAY).dollars == pytest.approx(month.dollars, rel=1e-9)


def test_months_and_pipelines_are_apart(money: Money) -> None:
    money.book([bill(0), bill(0 + 6, day=date(2026, 12, 1)), bill(12, pipeline="p0-long")])
    assert money.month("p0", DAY).tasks == 1
    assert money.month("p0", date(2026, 12, 31)).tasks == 1
    assert money.day("p0", DAY).tasks == 1


def test_who_never_gets_a_turn_says_so_and_has_booked_nothing(cloud: Cloud, money: Money) -> None:
    cloud.faults.plan = FaultPlan(transaction_conflict=1)
    with calling_as("BatchFollowFunction"), pytest.raises(Conflict):
        money.book([bill(1)])
    cloud.faults.plan = FaultPlan()
    assert money.book([bill(1)]) == [bill(1)]
    assert money.book([bill(1)]) == []


def test_many_are_booked_in_few_transactions_and_are_forgotten_in_time(cloud: Cloud, money: Money) -> None:
    money.book([bill(number) for number in range(2 * PER_TRANSACTION)])
    assert len(cloud.calls.named("dynamodb:TransactWriteItems")) == 2
    items = cloud.client("dynamodb").scan(TableName=BATCH_TABLE)["Items"]
    now = cloud.clock.now()
    lives = {item["pk"]["S"].split()[0]: datetime.fromtimestamp(int(item["expires"]["N"]), UTC) - now for item in items}
    assert timedelta(days=28) < lives["bill"] < timedelta(days=60)
    assert lives["money"] > timedelta(days=366)
