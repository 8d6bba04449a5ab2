"""In which order a run goes through the destinations, since there may not be time for all of them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from berthmaster.targets.model import Declaration, EksSelector

TASKS_PER_LOT, PODS_PER_LOT = 24, 2
"""A cluster that does not answer takes seconds, so few destinations of pods are under way at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the next run continues: after these destinations of tasks and of pods, by their places in the order."""

    tasks: str = ""
    pods: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Destinations that are begun together. after: the cursor if all of them are begun."""

    declared: tuple[Declaration, ...]
    after: Cursor

    @property
    def by_selector(self) -> list[tuple[Declaration, ...]]:
        """Those with the same selector have the same owners, whose fences two at a time would conflict about."""
        return [tuple(some) for _, some in groupby(self.declared, key=lambda one: one.selector)]


def in_lots(declared: Sequence[Declaration], cursor: Cursor) -> Iterator[Lot]:
    """All destinations, each once, from where the cursor says.

    Destinations of pods and of tasks advance side by side, so that neither waits for the end of the other. Those of the
    same cluster come together, since one list of its tasks serves them all.
    """
    of_pods = _from([one for one in declared if isinstance(one.selector, EksSelector)], cursor.pods)
    of_tasks = _from([one for one in declared if not isinstance(one.selector, EksSelector)], cursor.tasks)
    while of_tasks or of_pods:
        tasks, of_tasks = of_tasks[:TASKS_PER_LOT], of_tasks[TASKS_PER_LOT:]
        pods, of_pods = of_pods[:PODS_PER_LOT], of_pods[PODS_PER_LOT:]
        cursor = Cursor(
            tasks=place(tasks[-1]) if tasks else cursor.tasks, pods=place(pods[-1]) if pods else cursor.pods
        )
        yield Lot(declared=(*tasks, *pods), after=cursor)


def before(left: Collection[Declaration], begun: Iterable[Declaration], cursor: Cursor) -> Cursor:
    """Where to continue so that what was left comes first; begun: all of a run, in order; cursor: where that began."""
    lanes = {"tasks": cursor.tasks, "pods": cursor.pods}
    waiting = set(left)
    is_left = dict.fromkeys(lanes, False)
    for one in begun:
        lane = "pods" if isinstance(one.selector, EksSelector) else "tasks"
        is_left[lane] = is_left[lane] or one in waiting
        if not is_left[lane]:
            lanes[lane] = place(one)
    return Cursor(**lanes)


def place(declared: Declaration) -> str:
    """The place of a destination in the order: by cluster, by what else selects its tasks or pods, and by ARN."""
    return f"{declared.selector} {declared.arn}"


def _from(declared: Sequence[Declaration], after: str) -> list[Declaration]:
    ordered = sorted(declared, key=place)
    start = next((index for index, one in enumerate(ordered) if place(one) > after), 0)
    return [*ordered[start:], *ordered[:start]]
