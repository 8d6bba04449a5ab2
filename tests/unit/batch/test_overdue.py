"""What is to be done about a file in flight, by what ECS says of its task."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.tasks import Task
from berthmaster.batch.plan.overdue import Report, Save, Step, Stop, compare, is_abandoned, is_late, is_unsettled

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
ARN = "arn:aws:ecs:eu-central-1:123456789012:task/batch/0123456789abcdef0123456789abcdef"


def minutes(count: float) -> timedelta:
    """So many."""
    return timedelta(minutes=count)


def a_file(state: State = State.RUNNING, *, launched: float = 20, **of_launch: Any) -> File:
    """A file whose task was requested so many minutes ago, and may run for an hour."""
    at = NOW - minutes(launched)
    launch = Launch(number=2, requested_at=at, deadline=at + minutes(60), task=ARN, task_version=3)
    return File(
        id="0" * 30,
        pipeline="ocr",
        bucket="incoming",
        key="a",
        received_at=at,
        state=state,
        since=at,
        due=at,
        launch=replace(launch, **of_launch),
    )


def a_task(status: str = "RUNNING", desired: str = "RUNNING") -> Task:
    """A task as ECS describes it."""
    return Task(arn=ARN, status=status, desired_status=desired, event={"lastStatus": status})


def asked(step: Step | None) -> str:
    """The kind of step, and why a task is stopped."""
    return step.reason if isinstance(step, Stop) else type(step).__name__ if step else ""


@pytest.mark.parametrize(
    ("file", "task", "expected"),
    [
        # Nothing: all is as it should be, or another function does it.
        (a_file(started_at=NOW - minutes(19)), a_task(), ""),
        (a_file(State.STARTING, launched=0.5), a_task("STOPPED", "STOPPED"), ""),
        (a_file(State.STARTING, launched=5), a_task("PENDING"), ""),
        (a_file(State.LAUNCHING), a_task(), ""),
        (a_file(State.COMMITTING), a_task("STOPPED", "STOPPED"), ""),
        (a_file(started_at=NOW - minutes(70)), a_task(desired="STOPPED"), ""),
        # What events missed.
        (a_file(State.STARTING), a_task(), "Report"),
        (a_file(), a_task("STOPPED", "STOPPED"), "Report"),
        (a_file(State.STARTING), a_task("STOPPED", "STOPPED"), "Report"),
        # What takes too long.
        (a_file(State.STARTING, launched=13), a_task("PROVISIONING"), "stuck"),
        (a_file(State.STARTING, launched=13), a_task("PENDING"), "stuck"),
        (a_file(launched=70, started_at=NOW - minutes(61)), a_task(), "timeout"),
        (a_file(launched=70, started_at=NOW - minutes(59)), a_task(), ""),
        # A stop that was written down and did not arrive.
        (a_file(stopped_for=OwnStop.CANCEL), a_task(), "cancel"),
        # What ECS does not know.
        (a_file(), None, "Save"),
        (a_file(missing_since=NOW - minutes(1)), None, ""),
        (a_file(missing_since=NOW - minutes(5)), None, "Report"),
        (a_file(missing_since=NOW - minutes(5)), a_task(), "Save"),
    ],
)
def test_what_follows_from_a_task(file: File, task: Task | None, expected: str) -> None:
    assert asked(compare(file, task, NOW)) == expected


def test_why_a_task_is_stopped_is_written_into_the_launch_first() -> None:
    step = compare(a_file(State.STARTING, launched=13), a_task("PENDING"), NOW)
    assert isinstance(step, Stop)
    assert step.record.launch
    assert step.record.launch.stopped_for is OwnStop.STUCK


def test_a_lost_task_is_reported_as_one_that_has_stopped_after_all_that_is_known_of_it() -> None:
    file = a_file(missing_since=NOW - minutes(5))
    step = compare(file, None, NOW)
    assert isinstance(step, Report)
    assert step.detail["lastStatus"] == "STOPPED"
    assert (step.detail["version"], step.detail["startedBy"]) == (4, file.started_by)


def test_ecs_may_know_a_task_after_all() -> None:
    step = compare(a_file(missing_since=NOW - minutes(5)), a_task(), NOW)
    assert isinstance(step, Save)
    assert step.record.launch
    assert step.record.launch.missing_since is None


def test_a_commit_is_asked_for_again_when_its_lease_is_long_over() -> None:
    file = a_file(State.COMMITTING)
    assert is_abandoned(file, NOW)
    assert is_abandoned(replace(file, committing_until=NOW - minutes(3)), NOW)
    assert not is_abandoned(replace(file, committing_until=NOW - minutes(1)), NOW)
    assert not is_abandoned(replace(file, committing_until=NOW - minutes(3), due=NOW + minutes(1)), NOW)
    assert not is_abandoned(a_file(), NOW)


def test_a_launch_without_an_answer_is_unsettled_after_a_minute() -> None:
    assert is_unsettled(a_file(State.LAUNCHING, launched=1.5), NOW)
    assert not is_unsettled(a_file(State.LAUNCHING, launched=0.5), NOW)
    assert not is_unsettled(a_file(State.STARTING), NOW)


def test_a_file_is_late_if_it_is_to_be_looked_at_in_every_run() -> None:
    assert is_late(a_file(State.STARTING, launched=13), NOW)
    assert is_late(a_file(launched=70, started_at=NOW - minutes(61)), NOW)
    assert is_late(a_file(State.COMMITTING), NOW)
    assert not is_late(a_file(State.STARTING, launched=11), NOW)
    assert not is_late(a_file(started_at=NOW - minutes(19)), NOW)
