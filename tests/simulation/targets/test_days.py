"""Busy days: whatever fails, no stopped task gets traffic for long, no running one is missing, none is confused.

A failure prints the seed and the faults; `make days DAYS=<seed>` runs that day again.
"""

from random import Random

from simulator.faults import FaultPlan
from tests.simulation.days import Days
from tests.simulation.targets.call_invariants import CallInvariants
from tests.simulation.targets.day import a_busy_day
from tests.simulation.targets.state_invariants import StateInvariants

HAPPENINGS = 10
LONGEST_PAUSE = 150.0
QUIET = 600.0
"""Longer than any drain and any bound, so that everything must be right afterwards."""
LATE = 10.0
UNKNOWN = 40.0
"""For how long a stop may be unknown where events are lost: a start is trusted for half a minute."""
LARGE = 5
"""Each fifth day has large services."""


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


def test_busy_days(days: Days) -> None:
    for seed in days:
        random = Random(seed)  # noqa: S311 - reproducible on purpose
        delivered = seed % 2 == 0
        faults = (with_events_delivered if delivered else with_events_lost)(random, seed)
        with a_busy_day(seed, faults, is_large=seed % LARGE == 1) as scene:
            calls = CallInvariants(scene, LATE if delivered else UNKNOWN)
            state = StateInvariants(scene, calls, delivered)
            for _ in range(HAPPENINGS):
                scene.something_happens()
                scene.run(random.uniform(0, LONGEST_PAUSE), state.watch)
            scene.calm_down()
            scene.run(QUIET, state.watch)
            problems = [*calls.broken, *state.broken, *state.at_rest()]
        assert (seed, problems) == (seed, []), faults
