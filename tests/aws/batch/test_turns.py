"""One invocation launches at a time, and none that was to look for files is forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from berthmaster.batch.ledger.dispatcher import Turn, Turns
from berthmaster.batch.model.dispatcher import Dispatcher
from berthmaster.batch.model.files import FileReference
from berthmaster.clients import Clients
from simulator.cloud import Cloud
from tests.support.tables import BATCH_TABLE, create_batch_table

MINUTE = timedelta(minutes=1)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        yield cloud


@pytest.fixture
def turns(cloud: Cloud) -> Turns:
    assert cloud
    return Turns(Clients().dynamodb, BATCH_TABLE)


def begun(turns: Turns, cloud: Cloud, owner: str) -> Turn | None:
    return turns.begin(owner=owner, now=cloud.clock.now(), deadline=cloud.clock.now() + MINUTE)


def test_what_is_known_is_handed_on(cloud: Cloud, turns: Turns) -> None:
    first = begun(turns, cloud, "first")
    assert first == Turn("first", Dispatcher(), None)
    known = replace(first.known, unsettled=(FileReference("ocr", "a"),), wakes_at=cloud.clock.now())
    assert turns.end(first, known)
    assert turns.look() == known
    assert begun(turns, cloud, "second") == Turn("second", known, None)


def test_who_comes_meanwhile_is_served_by_the_one_who_launches(cloud: Cloud, turns: Turns) -> None:
    first = begun(turns, cloud, "first")
    assert first
    assert begun(turns, cloud, "second") is None
    assert begun(turns, cloud, "third") is None
    assert not turns.end(first, first.known), "it looks once more for both"
    assert turns.end(first, first.known)
    assert begun(turns, cloud, "fourth")


def test_who_comes_just_when_the_turn_ends_takes_it(cloud: Cloud, turns: Turns) -> None:
    first = begun(turns, cloud, "first")
    assert first
    update_item, ends = cloud.handlers["dynamodb:UpdateItem"], [lambda: turns.end(first, first.known)]

    def end_before_asking(account: object, params: dict[str, str]) -> object:
        if params["UpdateExpression"].startswith("SET asked") and ends:
            assert ends.pop()()
        return update_item(account, params)  # type: ignore[arg-type]

    cloud.handlers["dynamodb:UpdateItem"] = end_before_asking
    assert begun(turns, cloud, "second")
    assert not ends


def test_after_a_death_it_is_known_that_launches_are_not(cloud: Cloud, turns: Turns) -> None:
    died_at = cloud.clock.now()
    assert begun(turns, cloud, "first")
    cloud.clock.advance(65)
    assert begun(turns, cloud, "second") is None, "the first one may still write"
    cloud.clock.advance(10)
    second = begun(turns, cloud, "second")
    assert second
    assert second.lost_since
    assert second.lost_since <= died_at
    again = begun(turns, cloud, "second")
    assert again
    assert again.lost_since is None, "a retry by the SDK is no death"


def test_a_dead_invocation_that_wakes_up_ends_nobody_elses_turn(cloud: Cloud, turns: Turns) -> None:
    first = begun(turns, cloud, "first")
    assert first
    cloud.clock.advance(75)
    assert begun(turns, cloud, "second")
    assert turns.end(first, replace(first.known, unsettled=(FileReference("ocr", "old"),)))
    turns.leave(first, first.known)
    assert begun(turns, cloud, "third") is None
    assert turns.look() == Dispatcher()
