"""Of all versions of a key, the newest is processed, in whatever order events and listings come."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.batch.model.files import FINAL, IN_FLIGHT, File, Launch, State
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.plan.balance import FOR_GOOD
from berthmaster.batch.plan.identity import file_id
from berthmaster.batch.plan.intake import UNTOUCHABLE, received, same_object, settled, vanished
from berthmaster.batch.plan.versions import FORGOTTEN_AFTER, REMEMBERED, forgettable, is_later, newest
from berthmaster.modes import Mode

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LAUNCH = Launch(number=1, requested_at=NOON, deadline=NOON)


def a_file(number: int, *, etag: str = "", listed: bool = False, state: State = State.WAITING, at: int = 0) -> File:
    """The version that was written as number so many of its key, in a bucket without versioning."""
    sequencer = "" if listed else f"00{number:04X}"
    etag = etag or f"etag-{number}"
    return File(
        id=file_id("incoming", "a.tif", version_id="", etag=etag, sequencer=sequencer or f"listed {number}"),
        pipeline="ocr",
        bucket="incoming",
        key="a.tif",
        etag=etag,
        sequencer=sequencer,
        created_at=NOON + (at or number) * SECOND,
        received_at=NOON,
        state=state,
        since=NOON,
        due=NOON,
        launch=LAUNCH if state in IN_FLIGHT else None,
    )


@dataclass
class Ledger:
    """The versions of one key, written as `arrivals` does."""

    files: dict[str, File]

    def receive(self, file: File) -> None:
        if same_object(list(self.files.values()), file) is None:
            self.files[file.id] = file
        self.files |= {one.id: one for one in settled(list(self.files.values()), file, NOON)}

    @property
    def left(self) -> list[File]:
        """What was not superseded."""
        return [one for one in self.files.values() if one.state is not State.SUPERSEDED]


STATES = st.sampled_from([State.WAITING, State.STARTING, State.DEAD, State.SKIPPED, State.OBSERVED, State.COMMITTED])


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.data())
def test_the_newest_version_alone_is_live_or_has_the_result(order: list[int], data: st.DataObject) -> None:
    ledger = Ledger({})
    for number in order:
        ledger.receive(a_file(number))
        # Meanwhile a version goes on.
        chosen = data.draw(st.sampled_from(sorted(ledger.files)))
        if ledger.files[chosen].is_live:
            state = data.draw(STATES)
            ledger.files[chosen] = replace(
                ledger.files[chosen], state=state, launch=LAUNCH if state in IN_FLIGHT else None
            )
    assert len(ledger.files) == len(set(order))
    live = [one for one in ledger.files.values() if one.is_live]
    newest_sequencer = f"00{max(order):04X}"
    assert all(one.sequencer == newest_sequencer for one in live)
    assert newest_sequencer in {one.sequencer for one in ledger.left}


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.integers(0, 9)), min_size=1, max_size=10))
def test_some_version_is_left_however_events_and_listings_contradict_each_other(
    arrivals: list[tuple[int, bool, int]],
) -> None:
    ledger = Ledger({})
    for number, listed, at in arrivals:
        ledger.receive(a_file(number, listed=listed, at=at))
        assert len([one for one in ledger.left if one.is_live]) == 1


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=2, unique=True))
def test_of_two_versions_exactly_one_is_later(two: list[tuple[int, bool, int]]) -> None:
    one, other = (a_file(number, listed=listed, at=at) for number, listed, at in two)
    if one.id != other.id:
        assert is_later(one, other) is not is_later(other, one)


def test_the_same_versions_have_the_same_newest_in_any_order() -> None:
    files = [a_file(1), a_file(2), a_file(3, listed=True), a_file(2, etag="other")]
    assert {newest(files[turn:] + files[:turn]) for turn in range(4)} == {files[2]}
    assert newest([]) is None


def test_a_listed_file_is_one_with_its_late_event() -> None:
    listed, event = a_file(9, listed=True, etag="same"), a_file(3, etag="same")
    ledger = Ledger({})
    ledger.receive(listed)
    ledger.receive(event)
    ledger.receive(event)
    (found,) = ledger.files.values()
    assert (found.id, found.sequencer, found.created_at) == (listed.id, event.sequencer, event.created_at)
    assert found.state is State.WAITING


def test_the_same_content_that_was_uploaded_after_the_listing_is_another_version() -> None:
    ledger = Ledger({})
    ledger.receive(a_file(3, listed=True, etag="same"))
    ledger.receive(a_file(9, etag="same"))
    assert sorted(one.state for one in ledger.files.values()) == [State.SUPERSEDED, State.WAITING]


def test_what_was_created_before_a_listing_that_did_not_show_it_is_older() -> None:
    ledger = Ledger({})
    ledger.receive(a_file(5, listed=True))
    ledger.receive(a_file(2))
    assert [one.etag for one in ledger.left] == ["etag-5"]
    ledger.receive(a_file(7))
    assert [one.etag for one in ledger.left] == ["etag-7"]


def test_a_version_that_is_superseded_in_flight_has_its_task_stopped_and_a_result_stays() -> None:
    files = [
        a_file(number, state=state)
        for number, state in enumerate([State.WAITING, *IN_FLIGHT, State.COMMITTED, State.DEAD], 1)
    ]
    files[0] = replace(files[0], launch=LAUNCH)
    changed = settled([*files, a_file(9)], a_file(9), NOON)
    assert {one.state for one in changed} == {State.SUPERSEDED}
    stopped = {before.state for before in files for one in changed if one.id == before.id and _is_stopped(one)}
    assert stopped == {State.LAUNCHING, State.STARTING, State.RUNNING}
    touched = {before.state for before in files for one in changed if one.id == before.id}
    assert touched == {*stopped, State.WAITING}
    assert set(State) - touched - set(FINAL) == {State.COMMITTING}
    assert not touched & set(UNTOUCHABLE)


def _is_stopped(file: File) -> bool:
    return file.launch is not None and file.launch.stopped_for == OwnStop.SUPERSEDED


def gone(files: Sequence[File], **deletion: object) -> list[str]:
    given = {"version_id": "", "sequencer": "", "at": NOON, "now": NOON} | deletion
    return [one.etag for one in vanished(files, **given)]  # type: ignore[arg-type]


def test_a_deletion_ends_what_waits_and_was_written_before() -> None:
    files = [a_file(1), a_file(2, state=State.RUNNING), a_file(3), a_file(6, listed=True)]
    assert gone(files, sequencer="000002") == ["etag-1"]
    assert gone(files, sequencer="000005", at=NOON + 7 * SECOND) == ["etag-1", "etag-3", "etag-6"]
    assert gone(files, at=NOON + 2 * SECOND) == ["etag-1"]
    versions = [replace(one, version_id=one.etag) for one in files]
    assert gone(versions, version_id="etag-3", sequencer="000001") == ["etag-3"]
    assert gone(versions, version_id="etag-2", sequencer="000009") == []


def test_markers_and_empty_files_are_skipped_and_observed_files_end_so() -> None:
    file = a_file(1)
    marker = received(replace(file, key="scans/"), is_empty=True, mode=Mode.ENFORCE)
    empty = received(file, is_empty=True, mode=Mode.OBSERVE)
    assert [marker.state, empty.state] == [State.SKIPPED, State.SKIPPED]
    assert "folder marker" in marker.reason
    assert "empty" in empty.reason
    assert (marker.unreported, empty.unreported) == (False, True)
    assert [(one.state, one.unreported) for one in (received(file, is_empty=False, mode=mode) for mode in Mode)] == [
        (State.OBSERVED, False),
        (State.OBSERVED, True),
        (State.WAITING, False),
        (State.WAITING, False),
    ]


def history(count: int, *, state: State = State.SUPERSEDED, latest: State = State.WAITING) -> list[File]:
    """So many versions of one key; the last one is the newest."""
    return [a_file(number, state=state) for number in range(1, count)] + [a_file(count, state=latest)]


def forgotten(versions: Sequence[File]) -> list[int]:
    """Which of them are to expire soon, by their numbers."""
    found = forgettable(versions, NOON)
    assert {one.forget_at for one in found} <= {NOON + FORGOTTEN_AFTER}
    known = {one.id: number for number, one in enumerate(versions, 1)}
    return [known[one.id] for one in found]


def test_the_oldest_of_many_versions_are_forgotten_some_at_a_time() -> None:
    assert forgotten(history(REMEMBERED)) == []
    assert forgotten(history(REMEMBERED + 2)) == [1, 2]
    versions = history(REMEMBERED + 7)
    assert forgotten(versions) == [1, 2, 3, 4, 5]
    after = {one.id: one for one in versions} | {one.id: one for one in forgettable(versions, NOON)}
    assert forgotten(list(after.values())) == [6, 7]


@pytest.mark.parametrize("state", State)
def test_only_what_has_ended_for_good_or_was_only_observed_is_forgotten(state: State) -> None:
    versions = history(REMEMBERED + 1)
    versions[0] = a_file(1, state=state)
    assert forgotten(versions) == ([1] if state in {*FOR_GOOD, State.OBSERVED} else [])
    assert {one.state for one in forgettable(versions, NOON)} <= set(FOR_GOOD), "the balance counts it, and it expires"


def test_what_is_to_be_reported_swept_or_ordered_is_remembered() -> None:
    versions = history(REMEMBERED + 1)
    for changed in (
        replace(versions[0], unreported=True),
        replace(versions[0], launch=LAUNCH),
        # Later than a version that is being committed, though it was received as if it was the oldest one.
        replace(versions[0], sequencer="00FF"),
    ):
        assert forgotten([changed, *versions[1:-1], a_file(REMEMBERED + 1, state=State.COMMITTING)]) == []


@settings(max_examples=30)
@given(st.lists(STATES, min_size=REMEMBERED + 1, max_size=REMEMBERED + 20))
def test_a_late_copy_of_a_version_that_was_forgotten_changes_nothing(states: list[State]) -> None:
    ledger = Ledger({one.id: one for number, state in enumerate(states, 1) for one in [a_file(number, state=state)]})
    ledger.receive(a_file(len(states)))
    gone = forgettable(list(ledger.files.values()), NOON)
    for one in gone:
        del ledger.files[one.id]
    before = dict(ledger.files)
    for one in gone:
        late = replace(one, state=State.WAITING, forget_at=None)
        ledger.receive(late)
        assert ledger.files.pop(late.id).state is State.SUPERSEDED
        assert ledger.files == before
