"""The rate of launches halves when AWS throttles, and rises again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.launch_rate import LaunchRate
from berthmaster.batch.plan.launch_rate import BURST, LEAST, MOST, burst_at, emptied, rate_at, throttled, turn

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TICKS = 4
"""A second has so many steps."""


@given(st.lists(st.booleans(), max_size=400))
def test_the_rate_is_that_of_a_model_in_steps(steps: list[bool]) -> None:
    """The model adds a bit in each step, and halves if a second has gone by since it last did."""
    record, model, rest = LaunchRate(), MOST, TICKS
    for number, is_throttled in enumerate(steps):
        now = NOON + timedelta(seconds=number / TICKS)
        if is_throttled:
            record = throttled(record, now)
            if rest >= TICKS:
                model, rest = max(LEAST, model / 2), 0
        assert rate_at(record, now) == model
        assert burst_at(record, now) == max(1.0, BURST * model / MOST)
        model, rest = min(MOST, model + 1 / TICKS), rest + 1


def test_who_shares_the_rate_with_others_takes_what_they_leave() -> None:
    """Others use 12 a second of 20: throttled whenever more than 8 are launched, it stays near 8, and recovers."""
    record, rates = LaunchRate(), list[float]()
    for second in range(120):
        now = NOON + timedelta(seconds=second)
        rates.append(rate_at(record, now))
        if rates[-1] > 8:
            record = throttled(record, now)
    assert 5 <= sum(rates[20:]) / 100 <= 8
    assert max(rates[20:]) <= 9
    assert rate_at(record, NOON + timedelta(seconds=140)) == MOST


def test_a_caller_whose_clock_is_behind_changes_nothing() -> None:
    record = throttled(LaunchRate(), NOON)
    assert throttled(record, NOON - timedelta(seconds=30)) == record
    assert rate_at(record, NOON - timedelta(seconds=30)) == rate_at(record, NOON) == MOST / 2


def launches(record: LaunchRate, full_at: datetime, *, seconds: float) -> list[float]:
    """When launches are made, one after the other, by somebody who has many."""
    now, found = NOON, list[float]()
    while True:
        now, full_at = turn(record, full_at, now)
        if (now - NOON).total_seconds() >= seconds:
            return found
        found.append((now - NOON).total_seconds())


def test_after_a_rest_some_are_launched_at_once_and_then_as_many_as_the_rate_says() -> None:
    found = launches(LaunchRate(), NOON - timedelta(days=1), seconds=10)
    assert sum(one == 0 for one in found) == BURST
    assert len(found) == pytest.approx(BURST + 10 * MOST, abs=1)


def test_after_an_exception_none_are_launched_at_once() -> None:
    record = throttled(LaunchRate(), NOON)
    found = launches(record, emptied(record, NOON, NOON), seconds=1)
    assert found[0] > 0
    assert len(found) == pytest.approx(MOST / 2, abs=1)
