"""In which order a run goes through the destinations, since there may not be time for all of them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, groupby

from berthmaster.targets.model import Declaration

PER_LOT = 24


@dataclass(frozen=True, slots=True)
class Lot:
    """Destinations that are begun together."""

    declared: tuple[Declaration, ...]

    @property
    def after(self) -> str:
        """The cursor if all of them are begun."""
        return place(self.declared[-1])

    @property
    def by_selector(self) -> list[tuple[Declaration, ...]]:
        """Those with the same selector have the same owners, whose fences two at a time would conflict about."""
        return [tuple(some) for _, some in groupby(self.declared, key=lambda one: one.selector)]


def in_lots(declared: Sequence[Declaration], cursor: str) -> Iterator[Lot]:
    """All destinations, each once; cursor: the place of the one after which they begin.

    Those of the same cluster come together, since one list of its tasks serves them all.
    """
    ordered = sorted(declared, key=place)
    start = next((index for index, one in enumerate(ordered) if place(one) > cursor), 0)
    yield from map(Lot, batched([*ordered[start:], *ordered[:start]], PER_LOT, strict=False))


def before(left: Collection[Declaration], begun: Iterable[Declaration], cursor: str) -> str:
    """Where to continue so that what was left comes first; begun: all of a run, in order; cursor: where that began."""
    waiting = set(left)
    for one in begun:
        if one in waiting:
            break
        cursor = place(one)
    return cursor


def place(declared: Declaration) -> str:
    """The place of a destination in the order: by cluster, by what else selects its tasks, and by ARN."""
    return f"{declared.selector} {declared.arn}"
