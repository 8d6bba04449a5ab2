"""Measurements in the ledger: added by many at once, and read as one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from berthmaster.batch.ledger.measures import Measured
from berthmaster.batch.measuring import Measuring
from berthmaster.batch.model.measures import FileMeasured, TaskMeasured
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.measures import OLDER, measured, weighted
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from simulator.cloud import Cloud
from tests.support.tables import BATCH_TABLE, create_batch_table

AT = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILE = FileMeasured(pipeline="ocr", size=Size(512, 1024), bytes=3_000_000, seconds=8.25)
QUICK = replace(FILE, bytes=0, seconds=0.004)
TASK = TaskMeasured(
    pipeline="ocr",
    size=Size(512, 1024),
    requested_at=AT,
    pull_started_at=AT + timedelta(seconds=7),
    started_at=AT + timedelta(seconds=40),
    ended_at=AT + timedelta(seconds=100),
    stopped_at=AT + timedelta(seconds=112.5),
)


@pytest.fixture
def known() -> Iterator[Measured]:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        yield Measured(Clients().dynamodb, BATCH_TABLE)


def test_what_is_added_is_read_as_one_sum(known: Measured) -> None:
    known.add("ocr", measured([FILE, TASK]), AT)
    known.add("ocr", measured([FILE, QUICK]), AT + timedelta(minutes=20))
    known.add("ocr-2", measured([QUICK]), AT)
    assert known.of("ocr") == measured([FILE, TASK, FILE, QUICK])
    starts = known.of("ocr").tasks[Size(512, 1024)]
    assert (starts.count, starts.latency, starts.unused) == (1, 40, 45.5)
    assert known.of("other") == measured([])


def test_earlier_hours_count_less(known: Measured) -> None:
    known.add("ocr", measured([FILE]), AT - 5 * HOUR)
    known.add("ocr", measured([QUICK, TASK]), AT)
    assert known.of("ocr") == weighted([measured([QUICK, TASK]), measured([FILE])], older=OLDER)
    assert known.files_since("ocr", AT) == 1
    assert known.files_since("ocr", AT - 5 * HOUR) == 2


def test_a_task_that_never_ran_says_nothing_of_starts(known: Measured) -> None:
    known.add("ocr", measured([replace(TASK, started_at=None), replace(TASK, pull_started_at=None)]), AT)
    starts = known.of("ocr").tasks[Size(512, 1024)]
    assert (starts.stopped, starts.count, starts.latency) == (2, 0, 0)


def test_a_batch_of_messages_is_one_write_and_stops_nothing_if_that_fails() -> None:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        measuring = Measuring(Clients().dynamodb, BATCH_TABLE, Clock())
        measuring.add([FILE, TASK, QUICK])
        assert [call.name for call in cloud.calls].count("dynamodb:UpdateItem") == 1
        Measuring(Clients().dynamodb, "no-such-table", Clock()).add([FILE])
