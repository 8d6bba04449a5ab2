"""Busy days: whatever goes wrong, nothing dead is routed to for long, nobody is left out, nobody is mistaken.

`make seeds SEEDS=10000` runs more of them; a failure prints the faults and the seed, which reproduce it.
"""

from random import Random

from simulator.faults import FaultPlan
from tests.simulation.call_invariants import CallInvariants
from tests.simulation.day import a_busy_day
from tests.simulation.state_invariants import StateInvariants

HAPPENINGS = 10
LONGEST_PAUSE = 150.0
QUIET = 600.0
"""Longer than any drain and any bound, so that all must be in order afterwards."""
LATE = 10.0
UNKNOWN = 40.0
"""For how long a departure may be unknown where events are lost: an arrival is believed for half a minute."""
LARGE = 5
"""Each fifth day has large services."""


def where_events_arrive(random: Random, seed: int) -> FaultPlan:
    """Events come twice, out of order and a little late; AWS throttles, errs, and loses answers."""
    return FaultPlan(
        seed=seed,
        throttled=random.choice([0.0, 0.1]),
        server_error=random.choice([0.0, 0.05]),
        lost_answer=random.choice([0.0, 0.05]),
        entry_refused=random.choice([0.0, 0.05]),
        event_duplicated=random.choice([0.0, 0.5]),
        event_delayed=random.choice([0.0, 0.5]),
        longest_delay=LATE,
    )


def where_they_are_lost(random: Random, seed: int) -> FaultPlan:
    """Events are lost or minutes late, and functions die at any call."""
    return FaultPlan(
        seed=seed,
        throttled=random.choice([0.0, 0.1]),
        server_error=random.choice([0.0, 0.05]),
        lost_answer=random.choice([0.0, 0.05]),
        crash=random.choice([0.0, 0.005]),
        entry_refused=random.choice([0.0, 0.05]),
        event_lost=random.choice([0.1, 0.5, 1.0]),
        event_duplicated=random.choice([0.0, 0.5]),
        event_delayed=random.choice([0.0, 0.3]),
        longest_delay=90.0,
    )


def test_a_busy_day(day: int) -> None:
    random = Random(day)  # noqa: S311 - reproducible on purpose
    is_told = day % 2 == 0
    faults = (where_events_arrive if is_told else where_they_are_lost)(random, day)
    with a_busy_day(day, faults, is_large=day % LARGE == 1) as scene:
        conduct = CallInvariants(scene, LATE if is_told else UNKNOWN)
        witness = StateInvariants(scene, conduct, is_told)
        for _ in range(HAPPENINGS):
            scene.something_happens()
            scene.run(random.uniform(0, LONGEST_PAUSE), witness.watch)
        scene.calm_down()
        scene.run(QUIET, witness.watch)
        problems = [*conduct.broken, *witness.broken, *witness.at_rest()]
    assert problems == [], faults
