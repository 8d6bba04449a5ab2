"""Which days notice which mutation: `make mutants DAYS=0-19`."""

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.batch.busy_day import busy_day as busy_day_of_batch
from tests.simulation.batch.mutations import MUTATIONS as OF_BATCH
from tests.simulation.capacity.day import bad_day
from tests.simulation.capacity.mutations import MUTATIONS as OF_CAPACITY
from tests.simulation.mutations import Day, Mutation
from tests.simulation.security_groups.mutations import MUTATIONS as OF_SECURITY_GROUPS
from tests.simulation.security_groups.weeks import wrong
from tests.simulation.targets.busy_day import busy_day
from tests.simulation.targets.mutations import MUTATIONS as OF_TARGETS

CORES = 2
AUTOMATIONS: tuple[tuple[str, Day, tuple[Mutation, ...]], ...] = (
    ("capacity", bad_day, OF_CAPACITY),
    ("targets", busy_day, OF_TARGETS),
    ("batch", busy_day_of_batch, OF_BATCH),
    ("security_groups", wrong, OF_SECURITY_GROUPS),
)


def notices(automation: int, number: int, seed: int) -> bool:
    """Whether the day of a seed notices one mutation of an automation, both by their index."""
    logging.disable(logging.CRITICAL)
    _, day, mutations = AUTOMATIONS[automation]
    return mutations[number].is_noticed_by(day, seed)


def searched(seeds: range) -> Iterator[tuple[str, list[int]]]:
    """Each mutation, and the seeds whose days notice it."""
    with ProcessPoolExecutor(CORES) as pool:
        for automation, (name, _, mutations) in enumerate(AUTOMATIONS):
            for number, mutation in enumerate(mutations):
                found = pool.map(notices, [automation] * len(seeds), [number] * len(seeds), seeds)
                yield f"{name}: {mutation}", [seed for seed, noticed in zip(seeds, found, strict=True) if noticed]


if __name__ == "__main__":
    first, _, last = sys.argv[1].partition("-")
    days = range(int(first), int(last or first) + 1)
    unnoticed = 0
    for what, seeds in searched(days):
        print(f"{len(seeds)} of {len(days)} days notice: {what}: {seeds}", flush=True)  # noqa: T201 - its purpose
        unnoticed += not seeds
    sys.exit(unnoticed)
