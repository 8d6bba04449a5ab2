"""What the charts of the acts are made of."""

from __future__ import annotations

from dataclasses import dataclass

MOST_Y_TICKS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with its hover text."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    text: str


def round_step(highest: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, … that needs no more than a few ticks."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if highest <= step * (MOST_Y_TICKS - 1):
                return step
        power *= 10
