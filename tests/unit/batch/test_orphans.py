"""Which running tasks no file of the ledger has."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.tasks import Task
from berthmaster.batch.plan.orphans import Finding, find, is_of, marks, why_to_stop

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
TASK = Task(
    arn="arn:aws:ecs:eu-central-1:123456789012:task/batch/0123456789abcdef0123456789abcdef",
    status="RUNNING",
    desired_status="RUNNING",
    group="berthmaster_prod_ocr",
    started_by=f"{'0' * 30}-2",
    stack="prod",
)


def a_file(state: State, number: int = 2, **of_launch: Any) -> File:
    """A file with a launch."""
    launch = Launch(number=number, requested_at=NOW, deadline=NOW, **of_launch)
    return File(
        id="0" * 30,
        pipeline="ocr",
        bucket="incoming",
        key="a",
        received_at=NOW,
        state=state,
        since=NOW,
        due=NOW,
        launch=launch,
    )


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (None, Finding.UNKNOWN),
        (a_file(State.LAUNCHING), Finding.KNOWN),
        (a_file(State.STARTING, task=TASK.arn), Finding.KNOWN),
        (a_file(State.COMMITTING, task=TASK.arn), Finding.KNOWN),
        (a_file(State.RUNNING, task=TASK.arn.replace("0", "1")), Finding.ORPHAN),
        (a_file(State.LAUNCHING, 3), Finding.ORPHAN),
        (a_file(State.WAITING), Finding.ORPHAN),
        (a_file(State.COMMITTED, task=TASK.arn), Finding.ORPHAN),
        (a_file(State.SUPERSEDED, task=TASK.arn, stopped_for=OwnStop.SUPERSEDED), Finding.UNWANTED),
        (a_file(State.CANCELLED, stopped_for=OwnStop.CANCEL), Finding.UNWANTED),
        (a_file(State.CANCELLED, 3, stopped_for=OwnStop.CANCEL), Finding.ORPHAN),
    ],
)
def test_what_a_task_is(file: File | None, expected: Finding) -> None:
    assert find(TASK, file) is expected
    assert find(replace(TASK, desired_status="STOPPED"), file) is Finding.FOREIGN


@pytest.mark.parametrize("file", [a_file(State.LAUNCHING, 1), replace(a_file(State.WAITING), launch=None)])
def test_a_ledger_that_was_restored_to_an_earlier_time_does_not_know_its_tasks(file: File) -> None:
    assert find(TASK, file) is Finding.UNKNOWN


def test_a_task_is_of_this_stack_by_its_tag_and_its_group_and_what_started_it() -> None:
    assert is_of(TASK, "prod")
    assert not is_of(TASK, "pro")
    for other in ({"stack": ""}, {"group": "family:ocr"}, {"started_by": "somebody"}):
        assert not is_of(replace(TASK, **other), "prod")


def test_an_orphan_is_stopped_if_an_earlier_run_has_marked_it() -> None:
    file = a_file(State.WAITING)
    assert why_to_stop(Finding.ORPHAN, TASK, file, {}, NOW) is None
    assert why_to_stop(Finding.ORPHAN, TASK, file, {TASK.arn: NOW}, NOW) is None
    assert why_to_stop(Finding.ORPHAN, TASK, file, {TASK.arn: NOW - timedelta(minutes=1)}, NOW) is OwnStop.ORPHAN


def test_nothing_is_stopped_of_which_the_ledger_knows_no_file() -> None:
    assert why_to_stop(Finding.UNKNOWN, TASK, None, {TASK.arn: NOW - timedelta(minutes=9)}, NOW) is None


def test_a_mark_stays_while_the_task_is_an_orphan() -> None:
    before = {"old": NOW - timedelta(hours=2), "seen": NOW - timedelta(minutes=1), "cleared": NOW, "not seen": NOW}
    found = {"seen": True, "cleared": False, "new": True, "fine": False}
    assert marks(before, found, NOW) == {"seen": NOW - timedelta(minutes=1), "not seen": NOW, "new": NOW}
