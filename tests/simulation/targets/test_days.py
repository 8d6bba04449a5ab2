"""Busy days: whatever fails, no stopped task gets traffic for long, no running one is missing, none is confused.

A failure prints the seed; `make days DAYS=<seed>` runs that day again.
"""

import pytest

from tests.simulation.days import Days
from tests.simulation.mutations import Mutation
from tests.simulation.targets.busy_day import busy_day
from tests.simulation.targets.mutations import MUTATIONS


def test_busy_days(days: Days) -> None:
    for seed in days:
        assert (seed, busy_day(seed)) == (seed, [])


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_day_notices_what_is_missing(mutation: Mutation) -> None:
    assert mutation.is_noticed(busy_day)
