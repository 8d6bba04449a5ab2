"""Breakers in the ledger: written by whoever sees a launch fail or run, at the same time."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from berthmaster.batch.ledger.breakers import TRIES, Breakers
from berthmaster.batch.model.breaker import Breaker
from berthmaster.clients import Clients
from berthmaster.items import Conflict
from simulator.cloud import Cloud
from tests.support.tables import BATCH_TABLE, create_batch_table


@pytest.fixture
def breakers() -> Iterator[Breakers]:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        yield Breakers(Clients().dynamodb, BATCH_TABLE)


def counted(breaker: Breaker, by: str = "") -> Breaker:
    return replace(breaker, row=breaker.row + 1, diagnosis=by)


def test_what_changes_nothing_writes_nothing(breakers: Breakers) -> None:
    before, after = breakers.change("ocr", lambda breaker: breaker)
    assert before == after == Breaker(pipeline="ocr")
    assert breakers.all() == {}


def test_a_change_is_decided_again_if_another_came_first(breakers: Breakers) -> None:
    others = [breakers.change]

    def overtaken_once(breaker: Breaker) -> Breaker:
        while others:
            others.pop()("ocr", counted)
        return counted(breaker, by="this one")

    assert breakers.change("ocr", overtaken_once)[1].row == 2
    assert breakers.all()["ocr"].row == 2


def test_a_change_is_not_tried_for_ever(breakers: Breakers) -> None:
    def overtaken(breaker: Breaker) -> Breaker:
        breakers.change("ocr", counted)
        return counted(breaker, by="this one")

    with pytest.raises(Conflict):
        breakers.change("ocr", overtaken)
    assert breakers.get("ocr").row == TRIES
