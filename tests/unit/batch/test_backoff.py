"""When a file is tried again, and when not any more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.plan.backoff import (
    AGAIN,
    MOST_FAILURES,
    MOST_SPOT_LOSSES,
    NextTry,
    next_try,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FILES = st.text("0123456789abcdef", min_size=30, max_size=30)
CAUSES = st.sampled_from(sorted(AGAIN))


def a_file(file_id: str = "0" * 30) -> File:
    return File(
        id=file_id,
        pipeline="ocr",
        bucket="incoming",
        key="scan.tif",
        received_at=NOON,
        state=State.RUNNING,
        since=NOON,
        due=NOON,
    )


def waits(cause: Cause, file_id: str, attempts: int = 3, *, is_canary: bool = False) -> list[timedelta]:
    """How long a file waits after each stop by the same cause until it is dead, 100 at most."""
    file, found = a_file(file_id), list[timedelta]()
    while len(found) < 100:
        following = next_try(file, cause, attempts=attempts, is_canary=is_canary)
        if following.after is None:
            assert following.reason
            return found
        file = following.file
        found.append(following.after)
    return found


@pytest.mark.parametrize(
    ("cause", "launches"),
    [
        (Cause.APPLICATION, 7),
        (Cause.TIMED_OUT, 7),
        (Cause.OUT_OF_MEMORY, 1),
        (Cause.INFRASTRUCTURE, MOST_FAILURES),
        (Cause.UNREACHABLE, MOST_FAILURES),
        (Cause.UNKNOWN, MOST_FAILURES),
        (Cause.TRY_LATER, MOST_FAILURES),
        (Cause.SPOT, MOST_SPOT_LOSSES),
        (Cause.CAPACITY, 101),
        (Cause.CONFIGURATION, 101),
    ],
)
def test_so_many_launches_fail_before_a_file_is_dead(cause: Cause, launches: int) -> None:
    assert len(waits(cause, "0" * 30, attempts=7)) + 1 == launches


def test_each_cause_ends_a_file_or_has_it_tried_again() -> None:
    assert set(Cause) - AGAIN == {Cause.DONE, Cause.REJECTED, Cause.NOTHING_TO_DO, Cause.CANCELLED}
    with pytest.raises(ValueError, match="not tried again"):
        next_try(a_file(), Cause.DONE, attempts=3)


@given(FILES, st.integers(1, 20))
def test_waits_double_from_their_first_to_their_most(file_id: str, attempts: int) -> None:
    for cause, first, most in (
        (Cause.APPLICATION, timedelta(seconds=30), timedelta(minutes=15)),
        (Cause.TRY_LATER, timedelta(seconds=30), timedelta(minutes=15)),
        (Cause.INFRASTRUCTURE, timedelta(seconds=10), timedelta(minutes=5)),
        (Cause.SPOT, timedelta(seconds=10), timedelta(minutes=5)),
    ):
        for number, wait in enumerate(waits(cause, file_id, attempts)):
            doubled = min(most, first * 2**number)
            assert doubled / 2 <= wait <= doubled


@given(CAUSES, FILES, st.booleans())
def test_the_same_question_has_the_same_answer(cause: Cause, file_id: str, is_canary: bool) -> None:  # noqa: FBT001 -- drawn by Hypothesis
    def ask() -> NextTry:
        return next_try(a_file(file_id), cause, attempts=2, is_canary=is_canary)

    assert ask() == ask()


def test_files_that_failed_together_are_not_launched_together() -> None:
    after = [waits(Cause.APPLICATION, f"{number:030x}", 2)[0] for number in range(1_000)]
    seconds = [int(wait.total_seconds()) for wait in after]
    assert max(seconds.count(second) for second in set(seconds)) < 150


def test_a_task_that_never_has_room_to_start_is_launched_less_and_less_often() -> None:
    after = []
    for number in range(1, 12):
        launch = Launch(number=number + 3, requested_at=NOON, deadline=NOON, task="arn")
        file = replace(a_file(), launch=launch, attempts=1, failures=1, spot_losses=1)
        after.append(next_try(file, Cause.CAPACITY, attempts=3).after)
        refused = replace(file, launch=replace(launch, task=""))
        assert next_try(refused, Cause.CAPACITY, attempts=3).after == after[0], "the dispatcher knows of that one"
    assert after[0] is not None
    assert after[0] <= timedelta(seconds=10)
    assert [one for one in after[5:] if one is None or one < timedelta(minutes=2, seconds=30)] == []


def test_a_larger_size_is_tried_at_once_and_without_charge() -> None:
    following = next_try(a_file(), Cause.OUT_OF_MEMORY, attempts=1, has_larger_size=True)
    assert following == NextTry(file=a_file(), after=timedelta())


@pytest.mark.parametrize("cause", [Cause.CONFIGURATION, Cause.UNREACHABLE, Cause.INFRASTRUCTURE, Cause.UNKNOWN])
def test_a_canary_does_not_die_of_a_pipeline_that_is_out_of_order(cause: Cause) -> None:
    assert len(waits(cause, "0" * 30, is_canary=True)) == 100


def test_what_a_canary_did_itself_is_charged() -> None:
    assert len(waits(Cause.APPLICATION, "0" * 30, is_canary=True)) == 2


@given(st.lists(CAUSES, min_size=200, max_size=200), st.integers(1, 10), FILES)
def test_whatever_happens_a_file_is_not_launched_without_end(causes: list[Cause], attempts: int, file_id: str) -> None:
    file, charged = a_file(file_id), 0
    for cause in causes:
        following = next_try(file, cause, attempts=attempts)
        charged += cause not in {Cause.CAPACITY, Cause.CONFIGURATION}
        if following.after is None:
            break
        file = following.file
    assert charged <= attempts + MOST_FAILURES + MOST_SPOT_LOSSES
