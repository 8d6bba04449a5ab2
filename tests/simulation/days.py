"""Random days: as many seeds as a budget of CPU time allows, or a given range of seeds, a test each."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

SHARES = 6
"""Tests that an automation's budget is split into: small enough for two workers to finish at nearly the same time."""
CORES = 2
COUNT = "random days"
"""The property of a test report that says how many days it ran."""


@dataclass
class Days:
    """Seeds from `first`, each `step`-th, until `last` (excluded) or until `seconds` of CPU time are spent."""

    first: int
    step: int = 1
    last: int | None = None
    seconds: float | None = None
    count: int = 0

    @classmethod
    def share(cls, number: int, minutes: float) -> Self:
        """One of the shares of a budget of so many minutes of both cores."""
        return cls(first=number, step=SHARES, seconds=minutes * 60 * CORES / SHARES)

    @classmethod
    def one(cls, seed: int) -> Self:
        """A single day."""
        return cls(first=seed, last=seed + 1)

    def __iter__(self) -> Iterator[int]:
        """The seeds, each when the day of the one before is over."""
        # The virtual clock does not move CPU time; other processes do not either.
        end = None if self.seconds is None else time.process_time() + self.seconds
        seed = self.first
        while (self.last is None or seed < self.last) and (end is None or time.process_time() < end):
            yield seed
            self.count += 1
            seed += self.step
