"""Bad days of capacity, and days that must notice what is missing.

A failure prints the seed; `make days DAYS=<seed>` runs that day again.
"""

import pytest

from tests.simulation.capacity.day import bad_day
from tests.simulation.capacity.mutations import MUTATIONS
from tests.simulation.days import Days
from tests.simulation.mutations import Mutation


def test_after_a_bad_day_nothing_is_lost_done_twice_or_unfinished(days: Days) -> None:
    for seed in days:
        assert (seed, bad_day(seed)) == (seed, [])


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_day_notices_what_is_missing(mutation: Mutation) -> None:
    assert mutation.is_noticed(bad_day)
