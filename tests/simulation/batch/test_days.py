"""Busy days: whatever fails, each version of a file comes to one end, with one result if it has one.

A failure prints the seed; `make days DAYS=<seed>` runs that day again.
"""

from tests.simulation.batch.busy_day import busy_day
from tests.simulation.days import Days


def test_busy_days(days: Days) -> None:
    for seed in days:
        assert (seed, busy_day(seed)) == (seed, [])
