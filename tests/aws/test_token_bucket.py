"""The shared bucket gives out what an exact one would, to any number of callers, and never more than AWS allows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.clock import Clock
from berthmaster.token_bucket import Grant, TokenBucket
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

RATE, BURST = 4.0, 20.0
CAPACITY = BURST - RATE * TokenBucket.SKEW
TINY = 1e-4
PATIENCE = 30.0
"""Seconds that urgent callers can wait."""

_names = count()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        yield cloud


@dataclass
class ClockOff(Clock):
    """A clock that is ahead by so many seconds."""

    by: float = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.by)


def buckets(cloud: Cloud, *ahead: float) -> list[TokenBucket]:
    """One caller for each clock, all of one new bucket."""
    name = f"calls-{next(_names)}"
    return [
        TokenBucket(cloud.client("dynamodb"), CAPACITY_TABLE, ClockOff(by), name, rate=RATE, burst=BURST)
        for by in ahead
    ]


def take(cloud: Cloud, bucket: TokenBucket, tokens: int = 1, *, patience: float = PATIENCE, **more: Any) -> Grant:
    return bucket.take(tokens, by=cloud.clock.now() + timedelta(seconds=patience), **more)


def one_bucket(cloud: Cloud) -> TokenBucket:
    return buckets(cloud, 0.0)[0]


@dataclass(frozen=True)
class Asked:
    pause: float
    caller: int
    tokens: int
    reserve: float


CALLERS = 3
PAUSES = st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 20))
RESERVES = st.one_of(st.just(0.0), st.floats(0.1, 8))
ASKED = st.builds(Asked, PAUSES, st.integers(0, CALLERS - 1), st.integers(1, 8), RESERVES)


@given(asked=st.lists(ASKED, max_size=40), ahead=st.lists(st.floats(-0.5, 0.5), min_size=CALLERS, max_size=CALLERS))
def test_no_window_holds_more_calls_than_aws_allows(cloud: Cloud, asked: list[Asked], ahead: list[float]) -> None:
    callers = buckets(cloud, *ahead)
    calls: list[tuple[float, int]] = []
    for one in asked:
        cloud.clock.advance(one.pause)
        grant = take(cloud, callers[one.caller], one.tokens, reserve=one.reserve)
        if grant.granted:
            calls.append((cloud.clock.timestamp() + grant.wait, one.tokens))
    calls.sort()
    for first, (start, _) in enumerate(calls):
        made = 0
        for end, tokens in calls[first:]:
            made += tokens
            assert made <= BURST + RATE * (end - start) + TINY


@given(asked=st.lists(ASKED, max_size=40))
def test_callers_with_one_clock_share_an_exact_bucket(cloud: Cloud, asked: list[Asked]) -> None:
    callers = buckets(cloud, *[0.0] * CALLERS)
    tokens, since = CAPACITY, cloud.clock.timestamp()
    for one in asked:
        cloud.clock.advance(one.pause)
        tokens = min(CAPACITY, tokens + RATE * (cloud.clock.timestamp() - since))
        since = cloud.clock.timestamp()
        left = tokens - one.tokens
        lowest = one.reserve or -RATE * PATIENCE
        grant = take(cloud, callers[one.caller], one.tokens, reserve=one.reserve)
        if abs(left - lowest) > TINY:
            assert grant.granted is (left > lowest)
        expected = max(0.0, -left) if grant.granted else lowest - left
        if grant.granted or one.reserve:
            assert grant.wait * RATE == pytest.approx(expected, abs=TINY)
        tokens = left if grant.granted else tokens


@given(asked=st.lists(ASKED, max_size=20), last=ASKED)
def test_who_was_refused_is_granted_after_the_wait(cloud: Cloud, asked: list[Asked], last: Asked) -> None:
    callers = buckets(cloud, *[0.0] * CALLERS)
    for one in asked:
        take(cloud, callers[one.caller], one.tokens)
    grant = take(cloud, callers[last.caller], last.tokens, reserve=last.reserve)
    if not grant.granted and last.reserve:
        cloud.clock.advance(grant.wait + TINY)
        assert take(cloud, callers[last.caller], last.tokens, reserve=last.reserve).granted


@given(asked=st.lists(ASKED, max_size=20))
def test_two_writes_are_enough_and_one_if_nobody_else_takes(cloud: Cloud, asked: list[Asked]) -> None:
    for callers, most in ((buckets(cloud, 0.0), 1), (buckets(cloud, *[0.0] * CALLERS), 2)):
        for one in asked:
            cloud.clock.advance(one.pause)
            before = len(cloud.calls)
            take(cloud, callers[one.caller % len(callers)], one.tokens, reserve=one.reserve)
            assert len(cloud.calls) - before <= most


def test_a_full_bucket_gives_at_once_and_then_at_its_rate(cloud: Cloud) -> None:
    bucket = one_bucket(cloud)
    waits = [take(cloud, bucket).wait for _ in range(20)]
    assert waits == [0.0] * 16 + [0.25, 0.5, 0.75, 1.0]


def test_the_reserve_stays_for_the_urgent(cloud: Cloud) -> None:
    patient, urgent = buckets(cloud, 0.0, 0.0)
    assert [take(cloud, patient, reserve=10).granted for _ in range(8)] == [True] * 6 + [False] * 2
    assert take(cloud, patient, reserve=10) == Grant(granted=False, wait=0.25)
    assert take(cloud, urgent, 8) == Grant(granted=True, wait=0.0)
    assert take(cloud, patient, reserve=10) == Grant(granted=False, wait=2.25)


def test_a_debt_has_an_end(cloud: Cloud) -> None:
    bucket = one_bucket(cloud)
    grants = [take(cloud, bucket, 4) for _ in range(40)]
    assert sum(grant.granted for grant in grants) == 4 + PATIENCE
    assert max(grant.wait for grant in grants if grant.granted) == pytest.approx(PATIENCE, abs=TINY)
    assert not grants[-1].granted
    assert grants[-1].wait == pytest.approx(1.0, abs=TINY)


def test_who_has_come_too_late_takes_nothing_from_others_and_need_not_ask_again(cloud: Cloud) -> None:
    hasty, patient = buckets(cloud, 0.0, 0.0)
    take(cloud, patient, 16)
    assert not take(cloud, hasty, 8, patience=1.5).granted
    before = len(cloud.calls)
    assert not take(cloud, hasty, 8, patience=1.5).granted
    assert len(cloud.calls) == before
    assert take(cloud, hasty, 4, patience=1.5) == Grant(granted=True, wait=1.0)
    assert take(cloud, patient, 4) == Grant(granted=True, wait=2.0)


def test_a_call_too_late_even_for_a_full_bucket_is_refused(cloud: Cloud) -> None:
    bucket = one_bucket(cloud)
    take(cloud, bucket, 16)
    assert not take(cloud, bucket, patience=-5).granted


def test_some_tokens_are_as_many_as_come_in_time(cloud: Cloud) -> None:
    bucket, other = buckets(cloud, 0.0, 0.0)
    soon = cloud.clock.now() + timedelta(seconds=1)
    # The clock's fractions of a microsecond are those that the tests before have left.
    assert bucket.take_some(10, by=soon) == pytest.approx((10, 0.0), abs=TINY)
    assert other.take_some(30, by=soon) == pytest.approx((10, 1.0), abs=TINY)
    assert bucket.take_some(1, by=soon) == (0, 0.0)
    assert bucket.wait_for(3) == pytest.approx(1.75, abs=TINY)
    cloud.clock.advance(1.75)
    grant = take(cloud, bucket, 3)
    assert (grant.granted, grant.wait) == (True, pytest.approx(0.0, abs=TINY))


@pytest.fixture
def unruly(cloud: Cloud) -> Iterator[Cloud]:
    cloud.faults.plan = FaultPlan(lost_response=0.3, throttled=0.1)
    with calling_as("function"):
        yield cloud
    cloud.faults.clear()


def test_a_lost_response_costs_tokens_and_never_gives_too_many(unruly: Cloud) -> None:
    callers, calls = buckets(unruly, 0.0, 0.0), []
    for turn in range(60):
        grant = take(unruly, callers[turn % 2], reserve=turn % 3)
        if grant.granted:
            calls.append(unruly.clock.timestamp() + grant.wait)
    assert max(call.attempts for call in unruly.calls) > 1
    for first, start in enumerate(calls):
        for made, end in enumerate(calls[first:], start=1):
            assert made <= BURST + RATE * (end - start) + TINY


def test_more_than_a_full_bucket_is_a_mistake(cloud: Cloud) -> None:
    asked: dict[str, Any]
    for asked in ({"tokens": 17}, {"tokens": 1, "reserve": 15.5}):
        with pytest.raises(ValueError, match="more than"):
            take(cloud, one_bucket(cloud), **asked)


def test_each_name_is_a_bucket_of_its_own(cloud: Cloud) -> None:
    first, second = one_bucket(cloud), one_bucket(cloud)
    assert take(cloud, first, 16) == take(cloud, second, 16) == Grant(granted=True, wait=0.0)
