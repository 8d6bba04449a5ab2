"""A file has one result wherever a function dies, before or after any call of the file's whole life.

What a dead function has not done is done when its message is received again, or by a later reconciliation. A read
changes nothing, so to die before or after a read is to die before the next write.
"""

from collections.abc import Callable
from functools import cache, partial

import pytest

from berthmaster.batch.model.files import State
from berthmaster.batch.plan.versions import newest
from simulator.aws.ecs.task import Task
from simulator.calls import Call
from simulator.faults import CrashAfter, CrashBefore
from tests.simulation.batch.call_invariants import CallInvariants
from tests.simulation.batch.day import OF_WORKERS, SOURCES, Day, Source, a_day
from tests.simulation.batch.state_invariants import StateInvariants
from tests.simulation.ledger_invariants import LedgerInvariants

OCR, THUMBS, MAIL = SOURCES
PAGES, _ = OF_WORKERS
NAME = "a b+c%20"
LIMIT = 2 * 3600.0
REPEATED = 8
"""Of so many writes of a longer story one: the others are those of the first one."""
RECEIVED_AGAIN = 240.0
"""By then a message of batch_intake that died is received again, and the ledger knows the file."""
QUIET = 180.0
"""Two runs of the reconciliation."""
FUNCTIONS = ("BatchIntakeFunction", "BatchDispatchFunction", "BatchFollowFunction", "BatchReconcileFunction")

type Story = Callable[[Day], None]


def one_file(source: Source, day: Day) -> None:
    """A file is put."""
    day.put(source, source.key(NAME), "good")


def a_retry(day: Day) -> None:
    """The first task of a file fails."""
    day.put(OCR, OCR.key(NAME), "flaky")


def a_spot_loss(day: Day) -> None:
    """The first task of a file is interrupted."""

    def interrupt(task: Task) -> None:
        day.cloud.tasks.watchers.remove(interrupt_once)
        day.cloud.clock.after(2.0, lambda: day.cloud.tasks.interrupt(task))

    def interrupt_once(task: Task) -> None:
        if task.last_status == "RUNNING":
            interrupt(task)

    day.cloud.tasks.watchers.append(interrupt_once)
    day.put(THUMBS, THUMBS.key(NAME), "good")


def an_overwrite(day: Day) -> None:
    """A newer version comes while the task of the first one runs."""
    day.put(MAIL, MAIL.key(NAME), "good")
    day.cloud.clock.after(40.0, lambda: day.put(MAIL, MAIL.key(NAME), "good"))


def a_lost_worker(day: Day) -> None:
    """The host of the first worker fails while it has a file."""

    def fail(task: Task) -> None:
        if task.last_status == "RUNNING":
            day.cloud.tasks.watchers.remove(fail)
            day.cloud.clock.after(5.0, lambda: day.cloud.tasks.fail_host(task))

    day.cloud.tasks.watchers.append(fail)
    day.put(PAGES, PAGES.key(NAME), "good")


STORIES: dict[str, tuple[Source, Story]] = {
    "versioned": (OCR, partial(one_file, OCR)),
    "unversioned": (MAIL, partial(one_file, MAIL)),
    "retry": (OCR, a_retry),
    "spot loss": (THUMBS, a_spot_loss),
    "overwrite": (MAIL, an_overwrite),
    "lost worker": (PAGES, a_lost_worker),
}


def told(name: str, crash: CrashBefore | CrashAfter | None = None) -> tuple[list[Call], list[str]]:
    """The functions' calls of a story with a crash, and what was wrong."""
    source, story = STORIES[name]
    with a_day(1, sources=[source]) as day:
        state = StateInvariants(day, CallInvariants(day), delivered=True)
        ledger = LedgerInvariants(day.cloud)
        before = len(day.cloud.calls)
        if crash:
            day.cloud.faults.set_crash(crash)
        story(day)
        day.run(RECEIVED_AGAIN, state.watch)
        day.run_until_settled(LIMIT, state.watch)
        calls = [call for call in day.cloud.calls.since(before) if call.is_by_function]
        day.run(QUIET, state.watch)
        wrong = [*day.ledger.broken, *state.calls.broken, *ledger.broken, *state.broken, *state.at_rest()]
        if crash and day.cloud.faults.crashes != 1:
            wrong.append(f"{day.cloud.faults.crashes} crashes")
        last = newest(day.ledger.files.values())
        if last is None or last.state is not State.COMMITTED:
            wrong.append(f"{last}")
        return calls, wrong


@cache
def writes(name: str) -> list[int]:
    """The numbers of the calls that write, without a crash."""
    calls, wrong = told(name)
    assert wrong == []
    return [number for number, call in enumerate(calls, 1) if not call.is_read and call.caller in FUNCTIONS]


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("name", STORIES)
def test_a_file_has_one_result_wherever_a_function_dies(
    name: str, crash: type[CrashBefore | CrashAfter], stride: int
) -> None:
    assert len(writes(name)) > 15
    step = stride if name == "versioned" or stride == 1 else stride * REPEATED
    for number in writes(name)[crash is CrashAfter :: step]:
        _, wrong = told(name, crash(number))
        assert (number, wrong) == (number, [])
