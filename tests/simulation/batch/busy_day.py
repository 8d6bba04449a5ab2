"""A busy day of batch, watched from beginning to end."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from simulator.aws.dynamodb.stale_reads import StaleReads
from simulator.faults import FaultPlan
from tests.simulation.answers import Answers
from tests.simulation.batch.call_invariants import CallInvariants
from tests.simulation.batch.claim_invariants import ClaimInvariants
from tests.simulation.batch.day import OF_WORKERS, SOURCES, Day, Source, a_day
from tests.simulation.batch.money_invariants import MoneyInvariants
from tests.simulation.batch.program_policy import ProgramPolicy
from tests.simulation.batch.state_invariants import StateInvariants
from tests.simulation.economy import Economy
from tests.simulation.ledger_invariants import LedgerInvariants
from tests.simulation.mutations import Mutation
from tests.simulation.one_at_a_time import overlaps
from tests.support.batch.scene import DISPATCH, RECONCILE

ROUNDS, ROUNDS_OF_WORKERS = 18, 12
"""In each of them a file comes, and something else happens; with workers, many files come more often."""
FEWEST = 8
"""Files that a day launches, and that workers claim in one with workers: one with fewer proves nothing."""
LONGEST_PAUSE = 90.0
BURSTS, BURSTS_OF_WORKERS = 0.1, 0.25
LATE = 10.0
LISTED_WITHIN = 1200.0
"""Seconds within which an object is found whose event was lost."""
SETTLED_WITHIN = 4 * 3600.0
QUIET = 900.0


def with_events_delivered(random: Random, seed: int) -> FaultPlan:
    """Events are duplicate, out of order and a little late; AWS throttles, fails, and loses answers."""
    return FaultPlan(
        seed=seed,
        throttled=random.choice([0.0, 0.1]),
        server_error=random.choice([0.0, 0.05]),
        lost_response=random.choice([0.0, 0.05]),
        entry_refused=random.choice([0.0, 0.05]),
        write_conflict=random.choice([0.0, 0.1]),
        event_duplicated=random.choice([0.0, 0.5]),
        event_delayed=random.choice([0.0, 0.5]),
        longest_delay=LATE,
        **_of_fargate(random),
    )


def with_events_lost(random: Random, seed: int) -> FaultPlan:
    """Events are lost or minutes late, and functions and tasks crash at any call."""
    return FaultPlan(
        seed=seed,
        throttled=random.choice([0.0, 0.1]),
        server_error=random.choice([0.0, 0.05]),
        lost_response=random.choice([0.0, 0.05]),
        crash=random.choice([0.0, 0.005]),
        entry_refused=random.choice([0.0, 0.05]),
        write_conflict=random.choice([0.0, 0.1]),
        event_lost=random.choice([0.1, 0.5, 1.0]),
        event_duplicated=random.choice([0.0, 0.5]),
        event_delayed=random.choice([0.0, 0.3]),
        longest_delay=90.0,
        program_crash=random.choice([0.0, 0.01]),
        **_of_fargate(random),
    )


def pipelines_of(seed: int) -> Sequence[Source]:
    """Two days of three have pipelines whose tasks take many files."""
    return SOURCES if seed % 3 == 0 else (SOURCES[0], SOURCES[2], *OF_WORKERS)


def _dollars(random: Random) -> dict[str, float]:
    """What pipelines may cost, on some days: room for a few tasks at once."""
    limits = {"ocr": random.choice([None, None, 0.006]), "pages": random.choice([None, 0.02, 0.05])}
    return {name: limit for name, limit in limits.items() if limit}


def _of_fargate(random: Random) -> dict[str, float]:
    return {
        "no_capacity": random.choice([0.0, 0.1]),
        "ghost": random.choice([0.0, 0.5]),
        "stuck_provisioning": random.choice([0.0, 0.02]),
        "interface_timeout": random.choice([0.0, 0.02]),
        "pull_interrupted": random.choice([0.0, 0.05]),
        "spot_reclaim": random.choice([0.0, 0.05]),
    }


def busy_day(seed: int, mutation: Mutation | None = None) -> list[str]:
    """Everything that was wrong during a day or at its end, in sentences."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    delivered = seed % 2 == 0
    faults = (with_events_delivered if delivered else with_events_lost)(random, seed)
    sources = pipelines_of(seed)
    has_workers = any(one.program for one in sources)
    if has_workers:
        faults = replace(faults, program_fault=random.choice([0.0, 0.05]))
    with a_day(seed, faults, sources=sources, dollars=_dollars(random) if has_workers else {}) as day:
        calls = CallInvariants(day)
        claims = ClaimInvariants(day, calls)
        programs = ProgramPolicy(day, claims)
        money = MoneyInvariants(day, calls, delivered=delivered)
        state = StateInvariants(day, calls, delivered)
        ledger = LedgerInvariants(day.cloud)
        answers = Answers(day.scene.berthmaster)
        economy = Economy(day.scene.berthmaster, DISPATCH, "-Batch")
        day.cloud.state(StaleReads).longest = random.choice([0.0, 1.0])
        if mutation:
            mutation.apply(day.cloud)
        day.is_busy = True
        if has_workers:
            day.burst(state.watch, day.random.choice(OF_WORKERS))
        for _ in range(ROUNDS_OF_WORKERS if has_workers else ROUNDS):
            day.a_file_comes()
            if day.random.random() < (BURSTS_OF_WORKERS if has_workers else BURSTS):
                day.burst(state.watch)
            day.something_happens()
            day.decide()
            day.run(random.uniform(0, LONGEST_PAUSE), state.watch)
        day.calm_down()
        if not delivered:
            day.run(LISTED_WITHIN, state.watch)
        day.run_until_settled(SETTLED_WITHIN, state.watch)
        day.run(QUIET, state.watch)
        return [
            *day.ledger.broken,
            *calls.broken,
            *claims.broken,
            *programs.broken(),
            *money.broken,
            *money.wrong_sums(),
            *ledger.broken,
            *overlaps(day.cloud.calls.of(DISPATCH).named("ecs:RunTask")),
            *overlaps(call for call in day.cloud.calls.of(RECONCILE) if call.service == "ecs"),
            *economy.exceeded(),
            *answers.missing(),
            *state.broken,
            *state.at_rest(),
            *_too_few_files(day),
            *_too_few_claims(claims, has_workers=has_workers),
        ]


def _too_few_files(day: Day) -> list[str]:
    launched = sum(file.launch is not None for file in day.ledger.files.values())
    return [] if launched >= FEWEST else [f"only {launched} files were launched"]


def _too_few_claims(claims: ClaimInvariants, *, has_workers: bool) -> list[str]:
    made = sum(len(worker.claims) for worker in claims.workers.values())
    return [] if made >= FEWEST or not has_workers else [f"only {made} files were claimed"]
