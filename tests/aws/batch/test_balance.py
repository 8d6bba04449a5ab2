"""Conservation: whatever happens to files, each of them counts once; one that is lost, or there twice, is noticed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from berthmaster.batch.balance import Balances
from berthmaster.batch.ledger.files import Files, partition
from berthmaster.batch.model.balance import Balance
from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.plan.balance import EVERY, FOR_GOOD, LAG, REPLAYABLE
from berthmaster.batch.plan.identity import shard_of
from berthmaster.batch.plan.transitions import launching, moved
from berthmaster.failures import Failures
from simulator.cloud import Cloud
from tests.support.tables import BATCH_TABLE, create_batch_table

KEPT_FOR = timedelta(days=10)
MINUTE = timedelta(minutes=1)
NEXT = {
    State.WAITING: (State.LAUNCHING, State.SUPERSEDED, State.CANCELLED, State.VANISHED),
    State.LAUNCHING: (State.STARTING, State.WAITING, State.SUPERSEDED),
    State.STARTING: (State.RUNNING, State.WAITING, State.DEAD, State.CANCELLED),
    State.RUNNING: (State.COMMITTING, State.WAITING, State.DEAD, State.SKIPPED),
    State.COMMITTING: (State.COMMITTED,),
    State.DEAD: (State.WAITING,),
    State.CANCELLED: (State.WAITING,),
}
"""All ways, replays among them."""


@dataclass
class Ledger:
    """Files that come and move at random, and their balance."""

    cloud: Cloud
    rng: Random

    def __post_init__(self) -> None:
        dynamodb = self.cloud.client("dynamodb")
        create_batch_table(dynamodb)
        clock: Any = self.cloud.clock
        self.files = Files(dynamodb, BATCH_TABLE, kept_for=KEPT_FOR)
        self.balances = Balances(dynamodb, BATCH_TABLE, clock, kept_for=KEPT_FOR)
        self.known: dict[str, File] = {}

    @property
    def now(self) -> datetime:
        """The time of the cloud."""
        return self.cloud.clock.now()

    def wait(self, duration: timedelta) -> None:
        """Let time pass."""
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + duration.total_seconds())

    def receive(self) -> File:
        """One more file."""
        file = File(
            id=f"{self.rng.getrandbits(120):030x}",
            pipeline="ocr",
            bucket="incoming",
            key="a",
            received_at=self.now,
            state=self.rng.choice([State.WAITING] * 8 + [State.OBSERVED, State.SKIPPED]),
            since=self.now,
            due=self.now,
        )
        return self.keep(self.files.save(file))

    def move(self) -> None:
        """One file goes on its way."""
        movable = [one for one in self.known.values() if one.state in NEXT]
        if not movable:
            return
        file = self.rng.choice(movable)
        state = self.rng.choice(NEXT[file.state])
        if state is State.LAUNCHING:
            number = file.launch.number + 1 if file.launch else 1
            file = launching(file, Launch(number=number, requested_at=self.now, deadline=self.now), due=self.now)
        else:
            file = moved(file, state, self.now)
        self.keep(self.files.save(file))

    def keep(self, file: File) -> File:
        """Remember what was written."""
        self.known[file.id] = file
        return file

    def expire(self) -> None:
        """DynamoDB deletes what has expired."""
        dynamodb = self.cloud.client("dynamodb")
        for file in list(self.known.values()):
            if not file.is_live and self.now > file.since + KEPT_FOR:
                dynamodb.delete_item(TableName=BATCH_TABLE, Key=self.key(file))
                del self.known[file.id]

    def key(self, file: File) -> Any:
        """The key of its item."""
        return {"pk": {"S": partition(file.pipeline, shard_of(file.id))}, "sk": {"S": file.id}}

    def strike(self) -> Balance:
        """The balance as it is now."""
        failures = Failures()
        (balance,) = self.balances.strike(["ocr"], failures, lambda: True)
        failures.raise_all("not counted")
        return balance


@contextmanager
def a_ledger(seed: int) -> Iterator[Ledger]:
    """An empty ledger."""
    with Cloud(seed=seed) as cloud:
        yield Ledger(cloud, Random(seed))  # noqa: S311 - a test's draws


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_to_files_they_are_in_balance(seed: int) -> None:
    with a_ledger(seed) as ledger:
        received = 0
        for step in range(90):
            if ledger.rng.random() < 0.4:
                ledger.receive()
                received += 1
            else:
                ledger.move()
            ledger.wait(timedelta(seconds=ledger.rng.choice([0, 1, 20, 100, 400])))
            if step % 30 == 29:
                for _ in range(ledger.rng.choice([6, 14, 22])):
                    ledger.wait(timedelta(hours=12))
                    assert ledger.strike().out_of_balance == 0
                    ledger.expire()
            balance = ledger.strike()
            assert balance.out_of_balance == 0, step
        ledger.wait(LAG + EVERY)
        balance = ledger.strike()
        assert balance.received == received
        states = [file.state for file in ledger.known.values()]
        assert balance.waiting == states.count(State.WAITING)
        assert sum(balance.ended.values()) >= sum(states.count(state) for state in FOR_GOOD)
        assert balance.open == balance.waiting + balance.in_flight + sum(balance.replayable.values())
        assert set(balance.replayable) == set(REPLAYABLE)


def test_after_a_long_pause_all_that_is_there_is_counted_anew() -> None:
    with a_ledger(2) as ledger:
        for _ in range(20):
            ledger.receive()
            ledger.move()
        ledger.wait(LAG + MINUTE)
        ledger.strike()
        ledger.wait(KEPT_FOR + MINUTE)
        ledger.expire()
        ledger.receive()
        ledger.wait(LAG + MINUTE)
        balance = ledger.strike()
        assert balance.out_of_balance == 0
        assert balance.received == len(ledger.known)


def lost(ledger: Ledger, file: File) -> None:
    """Its item is deleted."""
    ledger.cloud.client("dynamodb").delete_item(TableName=BATCH_TABLE, Key=ledger.key(file))


def in_no_place(ledger: Ledger, file: File) -> None:
    """It is somewhere that nobody looks."""
    ledger.cloud.client("dynamodb").update_item(
        TableName=BATCH_TABLE,
        Key=ledger.key(file),
        UpdateExpression="SET place = :place",
        ExpressionAttributeValues={":place": {"S": "ocr|limbo|2026-03-02"}},
    )


def counted_twice(ledger: Ledger, file: File) -> None:
    """It lives on although it has ended for good and was counted so."""
    ledger.wait(LAG + EVERY)
    ended = ledger.files.save(moved(file, State.COMMITTED, ledger.now))
    ledger.wait(LAG + EVERY)
    ledger.strike()
    ledger.files.save(moved(ended, State.WAITING, ledger.now))


@pytest.mark.parametrize(("damage", "missing"), [(lost, 1), (in_no_place, 1), (counted_twice, -1)])
def test_a_file_that_is_lost_or_there_twice_is_noticed(damage: Callable[[Ledger, File], None], missing: int) -> None:
    with a_ledger(1) as ledger:
        files = [ledger.receive() for _ in range(10)]
        waiting = next(file for file in files if file.state is State.WAITING)
        ledger.wait(LAG + MINUTE)
        assert ledger.strike().out_of_balance == 0
        damage(ledger, waiting)
        ledger.wait(EVERY)
        assert ledger.strike().out_of_balance == missing


def test_the_more_files_there_are_the_less_often_they_are_collected() -> None:
    with a_ledger(1) as ledger:
        balance = replace(ledger.strike(), waiting=400_000)
        ledger.balances._balances.save(balance)
        ledger.wait(EVERY)
        assert ledger.strike().waiting == 400_000
        ledger.wait(timedelta(minutes=20))
        assert ledger.strike().waiting == 0
