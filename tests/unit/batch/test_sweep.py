"""Which objects of a listing are compared with the ledger: each once, none from before a pipeline was in force."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.sweep import Enforcement, ListedObject, Sweep
from berthmaster.batch.plan.sweep import (
    EVERY,
    NOT_SEEN,
    OVERLAP,
    begun,
    concerns,
    enforcement,
    is_due,
    next_listing,
    reached,
)
from tests.support.batch.pipelines import a_pipeline

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
YOUNG = timedelta(minutes=5)


def an_object(modified: datetime, etag: str = "abc") -> ListedObject:
    """One of a listing."""
    return ListedObject(key="scans/a.tif", etag=etag, size=1, modified=modified)


def first(since: datetime = NOW) -> Sweep:
    """The sweep of a pipeline that has come into force."""
    return begun(None, a_pipeline(), in_force_since=since, enforced_since=NOW - timedelta(days=1))


def listings(sweep: Sweep, hours: float) -> list[Sweep]:
    """The listings that begin within so many hours, each complete at once."""
    found, now = [], NOW
    while now < NOW + timedelta(hours=hours):
        if is_due(sweep, now):
            sweep = next_listing(sweep, now, YOUNG)
            found.append(sweep)
            sweep = reached(sweep, "", has_failed=False)
        now += MINUTE
    return found


@given(st.integers(0, 50 * 60))
def test_an_object_is_looked_at_once_or_twice_and_soon(seconds: int) -> None:
    modified = NOW + timedelta(seconds=seconds)
    looks = [one for one in listings(first(), 2) if concerns(one, an_object(modified))]
    assert 1 <= len(looks) <= 2
    assert looks[0].began - modified <= YOUNG + EVERY + MINUTE
    assert modified > looks[0].until - EVERY - OVERLAP - MINUTE


@given(st.integers(1, 100_000))
def test_nothing_is_looked_at_from_before_a_pipeline_was_in_force(seconds: int) -> None:
    sweep = first()
    for etag in ("abc", "abc-2"):
        old = an_object(NOW - timedelta(seconds=seconds), etag)
        assert not any(concerns(one, old) for one in listings(sweep, 30))


def test_a_change_of_the_input_begins_anew_and_another_change_does_not() -> None:
    sweep = replace(first(), after="scans/k", version=3)
    later = NOW + timedelta(hours=1)
    assert begun(sweep, a_pipeline(version=2), in_force_since=later, enforced_since=NOW) == sweep
    other = begun(sweep, a_pipeline(source="incoming/other/", version=2), in_force_since=later, enforced_since=NOW)
    assert (other.since, other.after, other.version) == (later, "", 3)


def test_a_pipeline_that_was_not_in_force_for_a_while_begins_anew() -> None:
    sweep = replace(first(), is_in_force=False)
    assert begun(sweep, a_pipeline(version=2), in_force_since=NOW + MINUTE, enforced_since=NOW).since == NOW + MINUTE


def test_an_upload_in_parts_that_took_days_is_found_once_a_day() -> None:
    uploaded = an_object(NOW + timedelta(hours=1), "abc-700")
    done = NOW + timedelta(hours=20)
    looks = [one for one in listings(first(), 60) if concerns(one, uploaded)]
    assert len([one for one in looks if one.began > done]) == 2


def test_a_listing_that_failed_somewhere_looks_at_the_same_objects_again() -> None:
    sweep = next_listing(first(NOW - MINUTE * 20), NOW, YOUNG)
    found = an_object(NOW - MINUTE * 9)
    assert concerns(sweep, found)
    failed = reached(reached(sweep, "scans/k", has_failed=True), "", has_failed=False)
    again = next_listing(failed, NOW + EVERY * 3, YOUNG)
    assert concerns(again, found)
    assert not concerns(next_listing(reached(again, "", has_failed=False), NOW + EVERY * 6, YOUNG), found)


def test_the_mode_is_enforce_since_the_first_run_that_saw_it() -> None:
    observed = enforcement(None, NOW, is_on=False)
    switched = enforcement(observed, NOW + MINUTE, is_on=True)
    assert (switched.is_on, switched.since) == (True, NOW + MINUTE)
    assert enforcement(switched, NOW + MINUTE * 2, is_on=True).since == NOW + MINUTE
    assert enforcement(Enforcement(is_on=True, since=NOW, seen_at=NOW), NOW + NOT_SEEN, is_on=True).since > NOW
