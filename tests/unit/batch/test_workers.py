"""Workers: signs of life, what is done about their tasks, and what becomes of the files that they have."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.files import Claim, File, Launch, State
from berthmaster.batch.model.heartbeats import Beat, Heartbeats
from berthmaster.batch.model.stops import Cause, Diagnosis, OwnStop
from berthmaster.batch.model.tasks import Task
from berthmaster.batch.model.workers import Worker, WorkerState
from berthmaster.batch.plan.heartbeats import LEASE, STOPPED_AFTER, looked, silent_for
from berthmaster.batch.plan.releasing import (
    OVERTIME,
    RECEIVED_WITHIN,
    UNKNOWN_OWNER,
    after_release,
    reported,
    why_released,
)
from berthmaster.batch.plan.transitions import claimed
from berthmaster.batch.plan.worker_overdue import LAP, Report, Save, Stop, compare, is_compared
from tests.support.batch.pipelines import a_pipeline

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ARN = "arn:aws:ecs:eu-central-1:123456789012:task/batch/0123456789abcdef0123456789abcdef"
TIMEOUT = 60 * MINUTE


def a_worker(state: WorkerState = WorkerState.RUNNING, **of_launch: Any) -> Worker:
    launch = Launch(number=1, subnets=("a",), size=(256, 512), requested_at=NOW, deadline=NOW + 2 * TIMEOUT, task=ARN)
    return Worker(
        id="w" + 20 * "0",
        pipeline="ocr",
        state=state,
        since=NOW,
        due=NOW,
        launch=replace(launch, **of_launch),
    )


def a_claimed_file(**more: Any) -> File:
    file = File(
        id="0" * 30,
        pipeline="ocr",
        bucket="incoming",
        key="a",
        received_at=NOW,
        state=State.WAITING,
        since=NOW,
        due=NOW,
        **more,
    )
    return claimed(file, Claim(owner=a_worker().id, lease="1", fence=1, at=NOW, until=NOW + TIMEOUT))


# Signs of life


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 300)), min_size=1))
def test_a_worker_is_silent_for_as_long_as_the_same_text_is_seen_by_the_clock_of_whoever_looks(
    looks: list[tuple[int, int]],
) -> None:
    """looks: the number of the text that is there, 0 for none, and seconds since the last look."""
    worker, now, seen = a_worker(), NOW, Heartbeats(pipeline="ocr")
    since, last = NOW, -1
    for text, seconds in looks:
        now += timedelta(seconds=seconds)
        beats = {worker.id: Beat(worker=worker.id, guid=f"{text}" * 12)} if text else {}
        since, last = (since, last) if text == last else (now, text)
        seen = looked(seen, [worker], beats, now)
        assert silent_for(seen, worker.id) == now - since
    assert silent_for(seen, "another") == timedelta()


# Tasks


def described(status: str = "RUNNING", desired: str = "RUNNING") -> Task:
    return Task(arn=ARN, status=status, desired_status=desired)


@pytest.mark.parametrize(
    ("worker", "task", "silence", "after", "expected"),
    [
        (a_worker(), described(), LEASE, 5 * MINUTE, None),
        (a_worker(), described(), STOPPED_AFTER, 9 * MINUTE, OwnStop.SILENT),
        (a_worker(), described(), timedelta(), 2 * TIMEOUT, None),
        (a_worker(), described(), timedelta(), 2 * TIMEOUT + 2 * MINUTE, OwnStop.TIMEOUT),
        (a_worker(), described(desired="STOPPED"), STOPPED_AFTER, 9 * MINUTE, None),
        (a_worker(stopped_for="silent"), described(), timedelta(), 9 * MINUTE, OwnStop.SILENT),
        (a_worker(WorkerState.STARTING), described("PENDING"), timedelta(), 11 * MINUTE, None),
        (a_worker(WorkerState.STARTING), described("PENDING"), timedelta(), 13 * MINUTE, OwnStop.STUCK),
        (a_worker(WorkerState.STARTING), described(), timedelta(), 2 * MINUTE, Report),
        (a_worker(), described("STOPPED", "STOPPED"), timedelta(), 2 * MINUTE, Report),
        (a_worker(), None, timedelta(), 2 * MINUTE, Save),
        (a_worker(missing_since=NOW), None, timedelta(), 2 * MINUTE, None),
        (a_worker(missing_since=NOW), None, timedelta(), 5 * MINUTE, Report),
        (a_worker(missing_since=NOW), described(), timedelta(), 5 * MINUTE, Save),
    ],
)
def test_what_is_done_about_a_worker(
    worker: Worker, task: Task | None, silence: timedelta, after: timedelta, expected: Any
) -> None:
    step = compare(worker, task, silence, NOW + after)
    found = step.reason if isinstance(step, Stop) else type(step) if step else None
    assert found == expected


def test_each_worker_is_compared_with_its_task_once_in_a_lap_and_in_each_run_when_it_is_late() -> None:
    worker = a_worker()
    runs = [NOW + number * MINUTE for number in range(10, 10 + LAP)]
    assert sum(is_compared(worker, timedelta(), now) for now in runs) == 1
    assert all(is_compared(worker, STOPPED_AFTER, now) for now in runs)
    assert not any(is_compared(a_worker(WorkerState.LAUNCHING, task=""), timedelta(), now) for now in runs)


# Files

ENDED = replace(a_worker(WorkerState.ENDED), cause=Cause.SPOT)


@pytest.mark.parametrize(
    ("worker", "silence", "after", "expected"),
    [
        (a_worker(), timedelta(), TIMEOUT, None),
        (a_worker(), LEASE - timedelta(seconds=1), TIMEOUT, None),
        (a_worker(), LEASE, 2 * MINUTE, Cause.INFRASTRUCTURE),
        (a_worker(), timedelta(), TIMEOUT + OVERTIME + MINUTE, Cause.TIMED_OUT),
        (ENDED, timedelta(), MINUTE / 2, None),
        (ENDED, timedelta(), MINUTE, Cause.SPOT),
        (replace(ENDED, cause=None), timedelta(), MINUTE, Cause.INFRASTRUCTURE),
        (None, timedelta(), UNKNOWN_OWNER - MINUTE, None),
        (None, timedelta(), UNKNOWN_OWNER, Cause.INFRASTRUCTURE),
        (replace(ENDED, cause=Cause.DONE), timedelta(), RECEIVED_WITHIN - MINUTE, None),
        (replace(ENDED, cause=Cause.DONE), timedelta(), RECEIVED_WITHIN, Cause.DONE),
    ],
)
def test_when_a_claim_is_released(
    worker: Worker | None, silence: timedelta, after: timedelta, expected: Cause | None
) -> None:
    claim = a_claimed_file().claim
    assert claim
    why = why_released(claim, worker, silence, NOW + after, timeout=TIMEOUT, is_reported=False)
    assert (why.cause if why else None) == expected


@pytest.mark.parametrize(
    ("worker", "silence", "latest"),
    [
        (a_worker(), timedelta(), TIMEOUT + RECEIVED_WITHIN),
        (a_worker(), LEASE, TIMEOUT + RECEIVED_WITHIN),
        (ENDED, timedelta(), RECEIVED_WITHIN - MINUTE),
    ],
)
def test_a_claim_that_was_reported_is_released_only_when_its_result_should_have_been_received(
    worker: Worker, silence: timedelta, latest: timedelta
) -> None:
    claim = a_claimed_file().claim
    assert claim
    assert why_released(claim, worker, silence, NOW + latest, timeout=TIMEOUT, is_reported=True) is None
    assert why_released(claim, worker, silence, NOW + latest + MINUTE, timeout=TIMEOUT, is_reported=True)


def test_a_worker_has_reported_what_it_had_before_its_last_files() -> None:
    def claimed_at(seconds: int, owner: str = "w1") -> File:
        claim = Claim(owner=owner, lease=f"{owner} {seconds}", fence=1, at=NOW + timedelta(seconds=seconds), until=NOW)
        return claimed(replace(a_claimed_file(), claim=None), claim)

    files = [claimed_at(0), claimed_at(10), claimed_at(30), claimed_at(60), claimed_at(5, "w2")]
    assert reported(files) == {"w1 0", "w1 10"}


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.INFRASTRUCTURE, {"failures": 1}),
        (Cause.DONE, {"failures": 1}),
        (Cause.NOT_WORKING, {"failures": 1}),
        (Cause.CAPACITY, {"failures": 1}),
        (Cause.SPOT, {"spot_losses": 1}),
        (Cause.OUT_OF_MEMORY, {"is_alone": True, "task_size": (256, 1024)}),
        (Cause.TIMED_OUT, {"is_alone": True, "attempts": 1}),
        (Cause.APPLICATION, {"is_alone": True, "failures": 1}),
    ],
)
def test_what_a_file_is_charged_with_by_the_end_of_its_worker(cause: Cause, expected: Mapping[str, Any]) -> None:
    pipeline = replace(a_pipeline(), spot_tries=2)
    after = after_release(a_claimed_file(), Diagnosis(cause, "It ended."), NOW, pipeline=pipeline, worker=a_worker())
    nothing = {"attempts": 0, "failures": 0, "spot_losses": 0, "is_alone": False, "task_size": None}
    assert {name: getattr(after, name) for name in nothing} == nothing | expected
    assert (after.state, after.claim) == (State.WAITING, None)
