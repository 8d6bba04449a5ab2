"""Busy days: whatever fails, each version of a file comes to one end, with one result if it has one.

A failure prints the seed; `make days DAYS=<seed>` runs that day again.
"""

import pytest

from tests.simulation.batch.busy_day import busy_day
from tests.simulation.batch.mutations import MUTATIONS
from tests.simulation.days import Days
from tests.simulation.mutations import Mutation


def test_busy_days(days: Days) -> None:
    for seed in days:
        assert (seed, busy_day(seed)) == (seed, [])


@pytest.mark.long
@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_day_notices_what_is_missing(mutation: Mutation) -> None:
    assert mutation.is_noticed(busy_day)
