"""RunTask reports a failure and starts the task all the same: only by its tags is a task without a file found."""

from simulator.faults import FaultPlan
from tests.simulation.batch.call_invariants import CallInvariants
from tests.simulation.batch.day import SOURCES, a_day
from tests.simulation.batch.state_invariants import StateInvariants
from tests.simulation.mutations import Mutation, asking

OCR = SOURCES[0]
FILES = 3
RECEIVED, LIMIT = 60.0, 7200.0
"""Seconds until files are known, and until all have been given up."""
GHOSTS = FaultPlan(seed=1, no_capacity=0.5, ghost=1.0)
NO_TAGS = Mutation("tasks have no tags", {"ecs:RunTask": asking(tags=[])}, "is left", seed=1)


def ghosts(mutation: Mutation | None) -> list[str]:
    """What is wrong after files whose tasks run until they are stopped."""
    with a_day(1, GHOSTS, sources=[OCR]) as day:
        state = StateInvariants(day, CallInvariants(day), delivered=True)
        if mutation:
            mutation.apply(day.cloud)
        for number in range(FILES):
            day.put(OCR, OCR.key(f"{number}.tif"), "endless")
        day.run(RECEIVED, state.watch)
        day.run_until_settled(LIMIT, state.watch)
        return [*state.calls.broken, *state.broken, *state.at_rest()]


def test_tasks_that_no_file_has_are_stopped() -> None:
    assert ghosts(None) == []


def test_without_tags_they_are_left() -> None:
    assert any(NO_TAGS.shows in problem for problem in ghosts(NO_TAGS))
