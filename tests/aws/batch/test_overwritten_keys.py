"""A key that is overwritten again and again: the ledger remembers few of its versions, and the counts stay even."""

from datetime import timedelta
from typing import Any

from berthmaster.batch.arrivals import Arrivals
from berthmaster.batch.balance import Balances
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.files import State
from berthmaster.batch.model.pipelines import Input, Output, Pipeline, Run
from berthmaster.batch.plan.identity import key_id
from berthmaster.batch.plan.transitions import moved
from berthmaster.batch.plan.versions import FORGOTTEN_AFTER, REMEMBERED
from berthmaster.batch.triggers import ObjectCreated
from berthmaster.failures import Failures
from berthmaster.modes import Mode
from simulator.aws.dynamodb.time_to_live import SWEEP, start_expiry
from simulator.cloud import Cloud
from tests.support.tables import BATCH_TABLE, create_batch_table

KEPT_FOR = timedelta(days=90)
EVERY = timedelta(hours=2)
OVERWRITES = 600
PIPELINE = Pipeline(
    name="ocr",
    version=1,
    input=Input(bucket="incoming"),
    output=Output(bucket="results", prefix="ocr/"),
    run=Run(cluster="batch", task_definition="ocr", container="ocr", subnets=("subnet-1",), security_groups=("sg-1",)),
)


def test_a_key_that_is_overwritten_for_months_has_few_records_and_an_even_balance() -> None:
    with Cloud(seed=1) as cloud:
        clock: Any = cloud.clock
        dynamodb = cloud.client("dynamodb")
        start_expiry(cloud, create_batch_table(dynamodb), "expires")
        files = Files(dynamodb, BATCH_TABLE, kept_for=KEPT_FOR)
        clients: Any = None  # No event needs other calls.
        arrivals = Arrivals(clients, clock, files, Mode.ENFORCE)
        balances = Balances(dynamodb, BATCH_TABLE, clock, kept_for=KEPT_FOR)
        failures = Failures()
        remembered, uneven = [], []
        for number in range(1, OVERWRITES + 1):
            created = ObjectCreated(
                bucket="incoming",
                key="status.csv",
                version_id="",
                etag=f"etag-{number}",
                size=4,
                sequencer=f"00{number:04X}",
                at=clock.now(),
            )
            file = arrivals.created(created, PIPELINE).file
            if number % 3 == 0:
                files.save(moved(file, State.COMMITTED, clock.now()))
            clock.run_until(clock.timestamp() + EVERY.total_seconds())
            if number % 10 == 0:
                (balance,) = balances.strike(["ocr"], failures, lambda: True)
                uneven.append(balance.out_of_balance)
                remembered.append(len(files.versions("ocr", key_id("incoming", "status.csv"))))
        failures.raise_all("not counted")
        assert set(uneven) == {0}
        assert balance.received > OVERWRITES - 10
        expiring = (FORGOTTEN_AFTER + timedelta(seconds=SWEEP)) / EVERY
        assert max(remembered) <= REMEMBERED + expiring + 2
