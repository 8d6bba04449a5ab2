"""A busy day of batch, watched from beginning to end."""

from random import Random

from simulator.faults import FaultPlan
from tests.simulation.batch.call_invariants import CallInvariants
from tests.simulation.batch.day import a_busy_day
from tests.simulation.batch.state_invariants import StateInvariants
from tests.simulation.ledger_invariants import LedgerInvariants
from tests.simulation.mutations import Mutation

HAPPENINGS = 25
LONGEST_PAUSE = 90.0
BURSTS = 0.15
LATE = 10.0
SETTLED_WITHIN = 4 * 3600.0
QUIET = 900.0


def with_events_delivered(random: Random, seed: int) -> FaultPlan:
    """Events are duplicate, out of order and a little late; AWS loses answers."""
    return FaultPlan(
        seed=seed,
        event_duplicated=random.choice([0.0, 0.5]),
        event_delayed=random.choice([0.0, 0.5]),
        longest_delay=LATE,
    )


def busy_day(seed: int, mutation: Mutation | None = None) -> list[str]:
    """Everything that was wrong during a day or at its end, in sentences."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    with a_busy_day(seed, with_events_delivered(random, seed)) as day:
        calls = CallInvariants(day)
        state = StateInvariants(day, calls, delivered=True)
        ledger = LedgerInvariants(day.cloud)
        if mutation:
            mutation.apply(day.cloud)
        for _ in range(HAPPENINGS):
            if day.random.random() < BURSTS:
                day.burst(state.watch)
            day.something_happens()
            day.run(random.uniform(0, LONGEST_PAUSE), state.watch)
        day.calm_down()
        day.run_until_settled(SETTLED_WITHIN, state.watch)
        day.run(QUIET, state.watch)
        return [*day.ledger.broken, *calls.broken, *ledger.broken, *state.broken, *state.at_rest()]
