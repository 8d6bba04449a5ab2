"""Spot is tried so often, and not while it has no capacity."""

from datetime import UTC, datetime

import pytest

from berthmaster.batch.plan.spot import SPOT_PAUSE, uses_spot

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tries", "losses", "lacked_at", "spot"),
    [
        (0, 0, None, False),
        (2, 0, None, True),
        (2, 1, None, True),
        (2, 2, None, False),
        (2, 0, NOON, False),
        (2, 0, NOON - SPOT_PAUSE / 2, False),
        (2, 0, NOON - SPOT_PAUSE, True),
        (2, 2, NOON - SPOT_PAUSE, False),
    ],
)
def test_a_launch_uses_spot(tries: int, losses: int, lacked_at: datetime | None, spot: bool) -> None:  # noqa: FBT001 -- a table of cases
    assert uses_spot(tries=tries, losses=losses, lacked_at=lacked_at, now=NOON) is spot
