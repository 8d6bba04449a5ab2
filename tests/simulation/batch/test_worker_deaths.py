"""A worker dies at any of its calls: its files have one result each all the same, made by one claim.

A read changes nothing, so to die before or after a read is to die before the next write.
"""

from functools import cache

import pytest

from berthmaster.batch.model.files import State
from simulator.calls import WORKLOAD, Call
from simulator.faults import CrashAfter, CrashBefore
from tests.simulation.batch.call_invariants import CallInvariants
from tests.simulation.batch.claim_invariants import ClaimInvariants
from tests.simulation.batch.day import OF_WORKERS, a_day
from tests.simulation.batch.program_policy import ProgramPolicy
from tests.simulation.batch.state_invariants import StateInvariants

pytestmark = pytest.mark.long

PAGES, _ = OF_WORKERS
FILES = 2
RECEIVED, LIMIT, QUIET = 60.0, 3600.0, 180.0
WRITES = ("dynamodb:UpdateItem", "s3:PutObject", "sqs:SendMessageBatch")


def died(crash: CrashBefore | CrashAfter | None = None) -> tuple[list[Call], int, list[str]]:
    """The calls of programs, how many claims there were, and what was wrong."""
    with a_day(1, sources=[PAGES]) as day:
        calls = CallInvariants(day)
        claims, state = ClaimInvariants(day, calls), StateInvariants(day, calls, delivered=True)
        programs = ProgramPolicy(day, claims)
        if crash:
            day.cloud.faults.set_crash(crash)
        for number in range(FILES):
            day.put(PAGES, PAGES.key(f"{number} {'x' * number}"), "good")
        day.run(RECEIVED, state.watch)
        day.run_until_settled(LIMIT, state.watch)
        day.run(QUIET, state.watch)
        files = day.ledger.files.values()
        wrong = [*day.ledger.broken, *calls.broken, *claims.broken, *programs.broken(), *state.broken]
        wrong += [*state.at_rest(), *(f"{one}" for one in files if one.state is not State.COMMITTED)]
        if crash and day.cloud.faults.crashes != 1:
            wrong.append(f"{day.cloud.faults.crashes} crashes")
        made = sum(len(worker.claims) for worker in claims.workers.values())
        return list(day.cloud.calls.of(WORKLOAD)), made, wrong


@cache
def writes() -> list[tuple[int, str]]:
    """The numbers and names of the calls that write, without a death."""
    calls, made, wrong = died()
    assert (made, wrong) == (FILES, [])
    return [(number, call.name) for number, call in enumerate(calls, 1) if not call.is_read]


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("name", WRITES)
def test_files_have_one_result_wherever_a_worker_dies(
    name: str, crash: type[CrashBefore | CrashAfter], stride: int
) -> None:
    numbers = [number for number, written in writes() if written == name]
    assert numbers
    for number in numbers[crash is CrashAfter :: stride] or numbers:
        _, made, wrong = died(crash(number, WORKLOAD))
        assert (number, wrong) == (number, [])
        assert made <= FILES + 1
