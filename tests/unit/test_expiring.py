"""A cached value is found until its lifetime has passed, and not after."""

from datetime import UTC, datetime, timedelta

from berthmaster.expiring import Expiring

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_value_lives_as_long_as_it_was_given() -> None:
    kept: Expiring[int] = Expiring()
    assert kept.put("a", 1, NOON, HOUR) == 1
    assert kept.get("a", NOON + HOUR - timedelta(microseconds=1)) == 1
    assert kept.get("a", NOON + HOUR) is None
    assert kept.get("b", NOON) is None


def test_a_forgotten_value_is_read_again() -> None:
    kept: Expiring[int] = Expiring()
    kept.put("a", 1, NOON, HOUR)
    kept.forget("a")
    kept.forget("a")
    assert kept.get("a", NOON) is None
