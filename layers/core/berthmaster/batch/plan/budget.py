"""What launches may cost at most, and how many of them a day's budget has room for: pure.

A task counts at its price until its deadline as long as it has not stopped: whatever it does until then, the limit is
kept. So less may run at once than would be booked in the end, and what is left is launched when tasks end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate, chain

from berthmaster.batch.model.budgets import Budget
from berthmaster.batch.model.files import File, Launch, Provider
from berthmaster.batch.model.prices import Prices, Resources
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.plan.prices import dollars

OVERRUN = timedelta(minutes=5)
"""That a task is billed for besides the time that it has: for its pull, and until it is stopped after its deadline."""


def most(prices: Prices, resources: Resources, lasts: timedelta) -> float:
    """What a task may cost that is to be stopped after so much time."""
    return dollars(prices, resources, (lasts + OVERRUN).total_seconds())


def may_cost(launch: Launch, prices: Prices, definition: Resources) -> float:
    """What a task may cost in all that was launched. definition: what its task definition says now."""
    cpu, memory = launch.size or (definition.cpu, definition.memory)
    is_spot = launch.provider is Provider.FARGATE_SPOT
    resources = replace(definition, cpu=cpu, memory=memory, is_spot=is_spot)
    return most(prices, resources, launch.deadline - launch.requested_at)


def in_flight(
    files: Iterable[File], workers: Iterable[Worker], prices: Prices, definition: Resources
) -> dict[str, float]:
    """What tasks may cost that have not stopped, by the ids of their files and workers.

    A file that a worker has costs nothing besides the worker, and one that is being committed has been booked.
    """
    of_files = ((one.id, one.launch) for one in files if one.is_in_flight and not one.claim)
    of_workers = ((one.id, one.launch) for one in workers if one.is_active)
    return {
        identifier: may_cost(launch, prices, definition)
        for identifier, launch in chain(of_files, of_workers)
        if launch and launch.stopped_at is None
    }


def fitting(budget: Budget, costs: Sequence[float], begun: Mapping[str, float]) -> int:
    """How many launches there is room for, in their order. begun: what others may cost that `budget` does not know."""
    left = budget.left - sum(begun.values())
    return sum(total <= left for total in accumulate(costs))
