"""What requests make of files, in whatever order they come, and how an order goes through all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.model.orders import Action, Change, Order
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.plan.identity import SHARDS
from berthmaster.batch.plan.orders import MOST_ROUNDS, Left, advanced, changed, is_concerned

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
KEPT_FOR = timedelta(days=90)


def a_file(state: State, *, since: datetime = NOW - MINUTE, task: str = "task") -> File:
    """A file that was launched twice."""
    launch = Launch(number=2, subnets=("subnet-a",), requested_at=since, deadline=since, task=task)
    return File(
        id="0" * 30,
        pipeline="ocr",
        bucket="incoming",
        key="a",
        sequencer="01",
        received_at=since,
        state=state,
        since=since,
        due=since,
        attempts=3,
        failures=2,
        spot_losses=1,
        task_size=(256, 1024),
        is_alone=True,
        launch=launch,
    )


def a_change(action: Action, number: int = 1, *, at: datetime = NOW) -> Change:
    """Sent by Ann."""
    return Change(action=action, by="Ann", id=f"request-{number}", at=at)


def apply(file: File, change: Change, *others: File) -> File | Left:
    return changed(file, change, [file, *others], NOW, kept_for=KEPT_FOR)


@pytest.mark.parametrize("state", list(State))
def test_what_is_live_and_not_committed_yet_may_be_cancelled(state: State) -> None:
    found = apply(a_file(state), a_change(Action.CANCEL))
    if state not in {State.WAITING, State.LAUNCHING, State.STARTING, State.RUNNING}:
        assert isinstance(found, Left)
        return
    assert isinstance(found, File)
    assert (found.state, found.reason, found.due) == (State.CANCELLED, "cancelled by Ann", NOW)
    assert found.launch
    assert found.launch.stopped_for == ("" if state is State.WAITING else OwnStop.CANCEL)


@pytest.mark.parametrize("state", list(State))
def test_what_is_dead_or_cancelled_may_be_replayed(state: State) -> None:
    found = apply(a_file(state), a_change(Action.REPLAY))
    if state not in {State.DEAD, State.CANCELLED}:
        assert isinstance(found, Left)
        return
    assert isinstance(found, File)
    assert (found.state, found.due, found.reason) == (State.WAITING, NOW, "replayed by Ann")
    assert (found.attempts, found.failures, found.spot_losses, found.task_size) == (0, 0, 0, None)
    assert not found.is_alone
    assert found.launch
    assert found.launch.number == 2, "the next launch gets number 3"


def test_a_file_that_a_worker_had_need_not_wait_for_the_end_of_a_task() -> None:
    file = a_file(State.RUNNING)
    assert file.launch
    claimed = replace(file, launch=replace(file.launch, subnets=()))
    cancelled = apply(claimed, a_change(Action.CANCEL, at=NOW - MINUTE))
    assert isinstance(cancelled, File)
    assert isinstance(apply(cancelled, a_change(Action.REPLAY, 2)), File)


def test_what_is_about_to_expire_or_has_a_newer_version_or_a_task_that_stops_is_not_replayed() -> None:
    replay = a_change(Action.REPLAY)
    old = apply(a_file(State.DEAD, since=NOW - KEPT_FOR + DAY / 2), replay)
    newer = apply(a_file(State.DEAD), replay, replace(a_file(State.DEAD), id="1" * 30, sequencer="02"))
    cancelled = apply(a_file(State.RUNNING), a_change(Action.CANCEL, at=NOW - MINUTE))
    assert isinstance(cancelled, File)
    stopping = apply(cancelled, replace(replay, id="request-2"))
    for found, reason in ((old, "about to expire"), (newer, f"the file {30 * '1'}"), (stopping, "still being stopped")):
        assert isinstance(found, Left)
        assert reason in found.reason


@given(st.lists(st.tuples(st.sampled_from(Action), st.integers(1, 4)), max_size=12))
def test_copies_of_a_request_change_nothing_and_older_ones_neither(requests: list[tuple[Action, int]]) -> None:
    """Requests 1 to 4 were sent in this order, each a minute after the other; they arrive in any order and number."""
    file, newest = a_file(State.DEAD, task=""), 0
    for action, number in requests:
        found = apply(file, replace(a_change(action, number, at=NOW + number * MINUTE), id=f"request-{number}"))
        if isinstance(found, File):
            assert found == file or number > newest
            file, newest = found, max(newest, number)


def test_a_request_about_a_pipeline_concerns_what_was_there_when_it_was_sent() -> None:
    order = an_order(Action.CANCEL)
    replay = an_order(Action.REPLAY)
    for seconds, expected in ((0.9, True), (1, False)):
        moment = NOW + timedelta(seconds=seconds)
        assert is_concerned(a_file(State.WAITING, since=moment), order) is expected
        died = replace(a_file(State.DEAD, since=moment), received_at=NOW - DAY)
        assert is_concerned(died, replay) is expected


def an_order(action: Action, most: int = 100) -> Order:
    return Order(change=a_change(action), pipeline="ocr", most=most, carried_on_at=NOW)


@pytest.mark.parametrize(("action", "sections"), [(Action.CANCEL, 2), (Action.REPLAY, 1)])
def test_an_order_reads_every_partition_of_every_section_once_if_nothing_is_changed(
    action: Action, sections: int
) -> None:
    order, places = an_order(action), []
    while following := advanced(order, sections):
        order = following
        places.append((order.section, order.shard))
    assert places == [(section, shard) for section in range(sections) for shard in range(SHARDS)]


def test_cancelling_goes_through_the_files_again_until_none_is_found_but_not_for_ever() -> None:
    order, pages = an_order(Action.CANCEL, most=10_000), 0
    while following := advanced(replace(order, done=order.done + 1), 2):
        order, pages = following, pages + 1
    assert pages == 2 * SHARDS * MOST_ROUNDS


def test_an_order_ends_when_as_many_are_done_as_were_asked_for_and_goes_on_after_a_page() -> None:
    order = replace(an_order(Action.REPLAY, most=5), shard=3, after=("ocr|dead|…", "0" * 30))
    assert advanced(replace(order, done=4), 1) == replace(order, done=4)
    assert advanced(replace(order, done=5), 1) is None
