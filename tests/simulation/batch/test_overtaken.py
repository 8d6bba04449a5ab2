"""An older version whose commit was put off is overtaken by a newer one, whose result it must not replace."""

from berthmaster.batch.model.files import File, State
from simulator.calls import caller
from simulator.faults import Outage
from tests.simulation.batch.call_invariants import CallInvariants
from tests.simulation.batch.day import SOURCES, Day, a_day
from tests.simulation.batch.state_invariants import StateInvariants
from tests.simulation.mutations import Mutation, Params
from tests.support.batch.scene import FOLLOW

OCR = SOURCES[0]
KEY = OCR.key("a.tif")
LIMIT = 3600.0
FAR = 200.0
"""Seconds until the older version comes again: more than a newer one takes from its upload to its result."""


def not_seeing_versions(params: Params) -> Params:
    """Whoever commits sees no version of the key."""
    values = params.get("ExpressionAttributeValues", {})
    if caller() != FOLLOW or ":key" not in values:
        return params
    return {**params, "ExpressionAttributeValues": {**values, ":key": {"S": "none"}}}


BLIND = Mutation("versions are not read", {"dynamodb:Query": not_seeing_versions}, "instead of", seed=1)


def overtaken(mutation: Mutation | None) -> tuple[list[File], list[str]]:
    """The files, the older one first, after the newer one was committed while the older one could not be copied."""
    with a_day(1, sources=[OCR]) as day:
        state = StateInvariants(day, CallInvariants(day), delivered=True)
        if mutation:
            mutation.apply(day.cloud)
        day.cloud.faults.begin_outage(Outage("s3:CopyObject", day.now + LIMIT))
        day.put(OCR, KEY, "good")
        while not _waits_long(day):
            day.run(1.0, state.watch)
        day.cloud.faults.clear()
        day.put(OCR, KEY, "good")
        day.run_until_settled(LIMIT, state.watch)
        files = [next(one for one in day.ledger.files.values() if one.etag == put.etag) for put in day.uploads]
        assert {one.state for one in files} == {State.COMMITTED}
        assert files[0].since > files[1].since
        return files, [*state.calls.broken, *state.broken, *state.at_rest()]


def _waits_long(day: Day) -> bool:
    """Whether the older version is to come again in some minutes only."""
    files = list(day.ledger.files.values())
    return any(one.state is State.COMMITTING and one.due.timestamp() - day.now > FAR for one in files)


def test_an_older_version_that_comes_again_leaves_the_newer_ones_result() -> None:
    (older, newer), wrong = overtaken(None)
    assert wrong == []
    assert (older.is_published, newer.is_published) == (False, True)
    assert older.reason == "a newer version of the object has its result"


def test_without_reading_the_versions_the_older_one_replaces_it() -> None:
    (older, _), wrong = overtaken(BLIND)
    assert older.is_published
    assert any(BLIND.shows in problem for problem in wrong)
