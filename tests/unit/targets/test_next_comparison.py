"""When a destination is looked at again because one of its claims waits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from berthmaster.targets.model import Claim, ClaimKey, ClaimState
from berthmaster.targets.plan.claims import LOOK_AT_EARLY, SETTLED
from berthmaster.targets.plan.next_comparison import waits_until

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
LATER, MUCH_LATER = NOW + timedelta(seconds=3), NOW + timedelta(seconds=30)
CLAIM = Claim(key=ClaimKey("group", "10.0.0.1", 80), owner="pod", state=ClaimState.REGISTERED, changed_at=NOW)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"state": ClaimState.TOMBSTONE}, None),
        ({"state": ClaimState.DRAINING, "due_at": LATER}, None),
        ({"state": ClaimState.DRAINING}, NOW),
        ({"state": ClaimState.DRAINING, "retry_at": LATER}, LATER),
        ({"state": ClaimState.HANDOVER}, NOW),
        ({"state": ClaimState.HANDOVER, "due_at": LATER}, LATER),
        ({"state": ClaimState.HANDOVER, "due_at": MUCH_LATER, "deregistered_at": NOW}, NOW + SETTLED),
        ({"state": ClaimState.HANDOVER, "due_at": MUCH_LATER, "retry_at": MUCH_LATER}, MUCH_LATER),
        ({"due_at": MUCH_LATER, "early_at": NOW}, NOW + LOOK_AT_EARLY),
        ({"due_at": MUCH_LATER, "early_at": NOW - LOOK_AT_EARLY}, MUCH_LATER),
        ({"missing_since": NOW}, None),
        ({"busy_until": LATER, "busy_by": "other"}, LATER),
        ({"busy_until": LATER, "busy_by": "own"}, None),
        ({"busy_until": NOW, "busy_by": "other"}, None),
    ],
)
def test_a_claim_waits_for_something_or_not(changes: dict[str, object], expected: datetime | None) -> None:
    claim = replace(CLAIM, **changes)  # type: ignore[arg-type]
    assert waits_until([claim], NOW, "own") == expected


def test_the_first_claim_counts() -> None:
    one = replace(CLAIM, state=ClaimState.HANDOVER, due_at=MUCH_LATER, deregistered_at=NOW)
    other = replace(CLAIM, state=ClaimState.HANDOVER, due_at=LATER)
    assert waits_until([CLAIM, one, other], NOW, "own") == LATER
    assert waits_until([], NOW, "own") is None
