"""What becomes of objects that a backfill finds, and the ids by which the ledger is known to have them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.backfills import Backfill, Count, Fate, ListedVersion
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.pipelines import Input
from berthmaster.batch.plan.backfills import activated, fate_of, known_version, prefix_of, within
from berthmaster.batch.plan.identity import DIGITS, KEY_DIGITS
from berthmaster.batch.plan.known_ids import KnownIds

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
DAY = timedelta(days=1)
IDS = st.integers(0, 5).flatmap(lambda key: st.integers(0, 3).map(lambda one: f"{key:0>{KEY_DIGITS}x}{one:0>10x}"))
"""Of few keys, so that many of them share one."""
BACKFILL = Backfill(
    pipeline="ocr",
    id="batch.ocr.20260302T060000Z",
    request_id="1",
    requested_at=NOW,
    source=Input(bucket="incoming", prefix="scans/"),
    prefix="scans/",
    since=NOW - 9 * DAY,
    until=NOW,
    stage_since=NOW,
    carried_on_at=NOW,
)
KEY, ONE, OTHER = "a" * KEY_DIGITS, "a" * DIGITS, "a" * KEY_DIGITS + "b" * 10


def listed(*, size: int = 1, age: timedelta = DAY, version_id: str = "v1", etag: str = "e") -> ListedVersion:
    return ListedVersion(key="scans/a", version_id=version_id, etag=etag, size=size, modified=NOW - age)


def known(state: State, *, since: datetime = NOW - DAY, **changes: str) -> File:
    given = {"version_id": "v1", "etag": "e", "sequencer": "01", **changes}
    return File(
        id=ONE,
        pipeline="ocr",
        bucket="incoming",
        key="scans/a",
        received_at=since,
        state=state,
        since=since,
        due=since,
        **given,
    )


@given(st.lists(IDS), st.lists(IDS), IDS)
def test_ids_are_found_by_their_keys(first: list[str], later: list[str], wanted: str) -> None:
    ids = KnownIds()
    ids.add(first)
    assert (wanted in ids) is (wanted in first)
    ids.add(later)
    assert ids.of_key(wanted) == {one for one in (*first, *later) if one[:KEY_DIGITS] == wanted[:KEY_DIGITS]}


def test_the_ids_of_a_key_say_what_becomes_of_an_object_or_that_it_must_be_looked_at() -> None:
    observed, none = KnownIds(), KnownIds()
    observed.add([ONE])
    assert fate_of(BACKFILL, listed(), ONE, (), none) is Fate.NEW
    assert fate_of(BACKFILL, listed(), ONE, {ONE}, none) is Fate.KNOWN
    assert fate_of(BACKFILL, listed(), ONE, {ONE}, observed) is Fate.OBSERVED
    for ids in ({OTHER}, {ONE, OTHER}):
        assert fate_of(BACKFILL, listed(), ONE, ids, observed) is None
    for age in (-DAY, 10 * DAY):
        assert fate_of(BACKFILL, listed(age=age), ONE, (), none) is Fate.OUTSIDE
    assert fate_of(BACKFILL, listed(size=0), ONE, (), none) is Fate.EMPTY


def test_a_version_is_known_by_its_id_or_else_by_its_content_if_it_is_the_newest() -> None:
    versioned = known(State.COMMITTED)
    assert known_version([versioned], listed()) is versioned
    assert known_version([versioned], listed(version_id="v2")) is None, "the same content, uploaded again"
    plain, newer = (
        known(State.COMMITTED, version_id=""),
        known(State.COMMITTED, version_id="", etag="f", sequencer="02"),
    )
    assert known_version([plain], listed(version_id="")) is plain
    assert known_version([plain, newer], listed(version_id="")) is None, "its old content came back"
    assert known_version([versioned], listed(version_id="")) is None, "versioning was suspended since"


def test_only_what_was_observed_is_activated_and_not_just_before_its_record_expires() -> None:
    kept = timedelta(days=90)
    for state in State:
        waits = activated(known(state), BACKFILL, NOW, kept_for=kept)
        assert (waits is not None) is (state is State.OBSERVED)
    assert activated(known(State.OBSERVED, since=NOW - kept + DAY / 2), BACKFILL, NOW, kept_for=kept) is None
    waits = activated(known(State.OBSERVED), BACKFILL, NOW, kept_for=kept)
    assert waits
    assert (waits.state, waits.is_behind, waits.due, waits.request_id) == (State.WAITING, True, NOW, BACKFILL.id)


@given(st.lists(st.booleans()), st.integers(0, 20))
def test_as_many_objects_are_received_as_there_is_room_for(may_be_taken: list[bool], room: int) -> None:
    found = list(enumerate(may_be_taken))
    cut = within(found, room)
    assert list(cut) == found[: len(cut)]
    assert sum(taken for _, taken in cut) <= room
    if len(cut) < len(found):
        assert sum(taken for _, taken in found[: len(cut) + 1]) == room + 1


def test_a_prefix_is_that_of_the_input_or_a_longer_one() -> None:
    source = BACKFILL.source
    assert [prefix_of(source, one) for one in ("", "sc", "scans/2025/", "other/")] == [
        "scans/",
        "scans/",
        "scans/2025/",
        None,
    ]


def test_bytes_of_what_is_left_alone_do_not_count() -> None:
    count = Count().plus([(Fate.NEW, 3), (Fate.KNOWN, 100), (Fate.OBSERVED, 4)]).plus([(Fate.NEW, 5)])
    assert (count.files, count.bytes, count.of(Fate.KNOWN)) == (3, 12, 1)
