"""A busy day of targets, watched from beginning to end."""

from random import Random

from simulator.faults import FaultPlan
from tests.simulation.answers import Answers
from tests.simulation.economy import Economy
from tests.simulation.ledger_invariants import LedgerInvariants
from tests.simulation.mutations import Mutation
from tests.simulation.one_at_a_time import overlaps
from tests.simulation.targets.call_invariants import CallInvariants
from tests.simulation.targets.day import a_busy_day, let_aws_be_unsure
from tests.simulation.targets.state_invariants import StateInvariants

HAPPENINGS = 10
LONGEST_PAUSE = 150.0
QUIET = 600.0
"""Longer than any drain and any bound, so that everything must be right afterwards."""
LATE = 10.0
UNKNOWN = 40.0
"""For how long a stop may be unknown where events are lost: a start is trusted for half a minute."""
BURSTS = 0.4
SYNC, RECONCILE = "TargetsSyncFunction", "TargetsReconcileFunction"
WATCHED = frozenset({"elbv2", "servicediscovery"})
"""What the reconciliation reads and changes, one run at a time."""
LARGE = 5
"""Each fifth day has large services."""
STOPS_LOST = 8
"""On each eighth day, no event says that a task leaves."""


def with_events_delivered(random: Random, seed: int) -> FaultPlan:
    """Events are duplicate, out of order and a little late; AWS throttles, fails, and loses answers."""
    return FaultPlan(
        seed=seed,
        throttled=random.choice([0.0, 0.1]),
        server_error=random.choice([0.0, 0.05]),
        lost_response=random.choice([0.0, 0.05]),
        entry_refused=random.choice([0.0, 0.05]),
        event_duplicated=random.choice([0.0, 0.5]),
        event_delayed=random.choice([0.0, 0.5]),
        longest_delay=LATE,
    )


def with_events_lost(random: Random, seed: int) -> FaultPlan:
    """Events are lost or minutes late, and functions crash at any call."""
    return FaultPlan(
        seed=seed,
        throttled=random.choice([0.0, 0.1]),
        server_error=random.choice([0.0, 0.05]),
        lost_response=random.choice([0.0, 0.05]),
        crash=random.choice([0.0, 0.005]),
        entry_refused=random.choice([0.0, 0.05]),
        event_lost=random.choice([0.1, 0.5, 1.0]),
        event_duplicated=random.choice([0.0, 0.5]),
        event_delayed=random.choice([0.0, 0.3]),
        longest_delay=90.0,
    )


def busy_day(seed: int, mutation: Mutation | None = None) -> list[str]:
    """Everything that was wrong during a day or at its end, in sentences."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    delivered = seed % 2 == 0
    faults = (with_events_delivered if delivered else with_events_lost)(random, seed)
    with a_busy_day(seed, faults, is_large=seed % LARGE == 1) as day:
        stops_lost = seed % STOPS_LOST == STOPS_LOST - 2
        calls = CallInvariants(day, LATE if delivered and not stops_lost else UNKNOWN)
        state = StateInvariants(day, calls, delivered, stops_lost)
        ledger = LedgerInvariants(day.cloud)
        answers = Answers(day.berthmaster)
        economy = Economy(day.berthmaster, SYNC, "-Targets")
        let_aws_be_unsure(day, delivered=delivered)
        if mutation:
            mutation.apply(day.cloud)
        for _ in range(HAPPENINGS):
            if day.random.random() < BURSTS:
                day.burst(state.watch)
            day.something_happens()
            day.run(random.uniform(0, LONGEST_PAUSE), state.watch)
        day.calm_down()
        day.run(QUIET, state.watch)
        reconciling = overlaps(call for call in day.cloud.calls.of(RECONCILE) if call.service in WATCHED)
        return [
            *calls.broken,
            *ledger.broken,
            *reconciling,
            *economy.exceeded(),
            *answers.missing(),
            *state.broken,
            *state.at_rest(),
        ]
