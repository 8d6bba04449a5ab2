"""One writer per resource, and what it leaves to the next one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from berthmaster.lease import Lease, Leases
from simulator.cloud import Cloud
from tests.support.capacity.builders import NOON
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

MINUTE = timedelta(minutes=1)


@pytest.fixture
def leases() -> Iterator[Leases]:
    with Cloud() as cloud:
        dynamodb = cloud.client("dynamodb")
        create_capacity_table(dynamodb)
        yield Leases(dynamodb, CAPACITY_TABLE)


def taken(leases: Leases, owner: str, *, after: timedelta = timedelta()) -> Lease | None:
    return leases.acquire("vpc-1", owner=owner, now=NOON + after, deadline=NOON + after + MINUTE)


def test_only_one_holds_it(leases: Leases) -> None:
    assert taken(leases, "first")
    assert taken(leases, "second") is None
    assert leases.acquire("vpc-2", owner="second", now=NOON, deadline=NOON + MINUTE)


def test_who_holds_it_may_take_it_again(leases: Leases) -> None:
    assert taken(leases, "first")
    assert taken(leases, "first")


def test_it_outlives_its_owners_deadline_by_the_margin_only(leases: Leases) -> None:
    assert taken(leases, "first")
    assert taken(leases, "second", after=MINUTE + Leases.MARGIN - timedelta(seconds=1)) is None
    assert taken(leases, "second", after=MINUTE + Leases.MARGIN + timedelta(seconds=1))


def test_the_next_one_learns_what_the_last_one_left(leases: Leases) -> None:
    first = taken(leases, "first")
    assert first
    leases.release(first, considered_at=NOON, resumes_at=NOON + MINUTE)
    second = taken(leases, "second")
    assert second
    assert (second.considered_at, second.resumes_at) == (NOON, NOON + MINUTE)
    leases.release(second, considered_at=None, resumes_at=None)
    after = leases.look("vpc-1")
    assert after
    assert after.considered_at == NOON
    assert not after.is_in_progress(NOON)


def test_a_late_release_takes_nothing_from_who_has_it_now(leases: Leases) -> None:
    first = taken(leases, "first")
    assert first
    assert taken(leases, "second", after=2 * MINUTE)
    leases.release(first, considered_at=None, resumes_at=None)
    assert taken(leases, "third", after=2 * MINUTE) is None


def test_nobody_has_looked_at_what_nobody_took(leases: Leases) -> None:
    assert leases.look("vpc-1") is None
