"""In which order a reconciliation goes through the destinations, since there may not be time for all of them."""

from collections.abc import Sequence
from datetime import datetime

from berthmaster.targets.model import Declaration, EksSelector

GOLDEN_RATIO = (5**0.5 - 1) / 2
PODS_FIRST = 5
"""Destinations of pods come first once in this many minutes: at other times there may be no time left for them."""


def in_rotation(declared: Sequence[Declaration], now: datetime) -> list[Declaration]:
    """All destinations; those of pods come last, since a cluster that does not answer takes time.

    Each minute starts at another place, so that each destination is reached even if no run has time for all. Multiples
    of the golden ratio leave no part of a circle out for long.
    """
    minute = int(now.timestamp()) // 60
    of_pods = [one for one in declared if isinstance(one.selector, EksSelector)]
    others = [one for one in declared if not isinstance(one.selector, EksSelector)]
    first, last = (others, of_pods) if minute % PODS_FIRST else (of_pods, others)
    return [*_rotated(first, minute), *_rotated(last, minute)]


def _rotated(declared: Sequence[Declaration], minute: int) -> list[Declaration]:
    start = int(len(declared) * (minute * GOLDEN_RATIO % 1))
    return [*declared[start:], *declared[:start]]
