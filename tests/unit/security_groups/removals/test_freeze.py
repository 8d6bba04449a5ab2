"""Freeze windows, as users write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.security_groups.plan.freeze import parse_freeze, why_frozen

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
MINUTES = 7 * 24 * 60
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def at(minute: int) -> str:
    return f"{DAYS[minute // 1440]} {minute % 1440 // 60:02d}:{minute % 60:02d}"


@pytest.mark.parametrize(
    ("moment", "is_frozen"),
    [
        ("2026-11-27T15:59:59", False),
        ("2026-11-27T16:00:00", True),
        ("2026-11-29T12:00:00", True),
        ("2026-11-30T06:59:59", True),
        ("2026-11-30T07:00:00", False),
        ("2026-12-23T12:00:00", True),
        ("2027-01-03T23:59:59", True),
        ("2027-01-04T07:00:00", False),
    ],
)
def test_weekends_and_holidays(moment: str, *, is_frozen: bool) -> None:
    windows = parse_freeze("Fri 16:00-Mon 07:00, 2026-12-20/2027-01-03")
    assert bool(why_frozen(windows, datetime.fromisoformat(moment).replace(tzinfo=UTC))) is is_frozen


@given(st.integers(0, MINUTES - 1), st.integers(1, MINUTES - 1), st.integers(0, 4 * MINUTES))
def test_a_weekly_window_holds_from_its_begin_for_its_length_in_every_week(begin: int, length: int, now: int) -> None:
    windows = parse_freeze(f"{at(begin)}-{at((begin + length) % MINUTES)}")
    is_frozen = bool(why_frozen(windows, MONDAY + timedelta(minutes=now)))
    assert is_frozen is ((now - begin) % MINUTES < length)


def test_without_windows_nothing_is_frozen() -> None:
    assert parse_freeze("  , ") == ()
    assert why_frozen((), MONDAY) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Fri 16:00",
        "Fri 25:00-Mon 07:00",
        "Fri 16:00-Fri 16:00",
        "Friday 16:00-Mon 07:00",
        "2026-12-20",
        "2026-12-32/2027-01-03",
        "2027-01-03/2026-12-20",
    ],
)
def test_what_is_no_window_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("/", ".")):
        parse_freeze(f"Sat 00:00-Sun 00:00, {text}")
