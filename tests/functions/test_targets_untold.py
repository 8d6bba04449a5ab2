"""targets_reconcile when nobody listens: what is to be done is done, and what can be told later is told later."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.faults import Outage
from tests.target_scenes import RECONCILE, Quay, a_quay, tags_of

COOL_DOWN = 130
"""Seconds after which what an event touched is the reconciliation's again."""


@contextmanager
def a_loss_a_newcomer_and_a_riddle() -> Iterator[tuple[Quay, str]]:
    """All that is told of, to be found in one pass; yields the newcomer's group, too.

    In one group eight of ten tasks are gone unheard; in another a task is to be registered; a third makes no sense.
    """
    with a_quay() as quay:
        quay.serve(10)
        quay.wait(COOL_DOWN)
        with quay.deaf():
            quay.fleet.scale("shop", 2)
            quay.wait(60)
        quay.reconcile()
        batch = quay.target_group("batch", tags_of(family="batch"))
        quay.target_group("riddle", tags_of(service="shop", family="shop"))
        with quay.deaf():
            quay.run_task("batch")
        yield quay, batch


@pytest.mark.parametrize("operation", ["events:PutEvents", "sns:Publish"])
def test_what_cannot_be_told_hinders_nothing_and_is_told_when_somebody_listens(operation: str) -> None:
    with a_loss_a_newcomer_and_a_riddle() as (quay, batch):
        now = quay.cloud.clock.timestamp()
        quay.cloud.faults.begin_outage(Outage(operation, until=now + 150))
        assert isinstance(quay.berthmaster.invoke(RECONCILE, {}).error, ExceptionGroup)
        assert quay.targets(batch) == {task.address for task in quay.fleet.tasks if task.family == "batch"}
        assert quay.berthmaster.published == []
        quay.wait(180)
        quay.reconcile(times=3)
        assert sorted(one.subject for one in quay.berthmaster.published) == [
            "Berthmaster targets: change proposed for shop",
            "Berthmaster targets: tags",
        ]
        records = quay.berthmaster.logs.records(RECONCILE)
        lost = [one for one in records if one.get("message") == "could not be told"]
        told = [one for one in quay.events("Targets Registered") if one["destination"] == batch]
        assert (len(lost), len(told)) == ((1, 0) if operation == "events:PutEvents" else (0, 1))


def test_a_change_that_cannot_be_asked_about_hinders_none_that_was_approved() -> None:
    with a_quay() as quay:
        quay.serve(30)
        quay.wait(COOL_DOWN)
        with quay.deaf():
            quay.fleet.scale("shop", 10)
            quay.wait(60)
        quay.reconcile(times=2)
        (first,) = quay.events("Change Proposed")
        quay.tell("Change Approved", change=first["change"], by="mate")
        with quay.deaf():
            quay.fleet.scale("shop", 0)
            quay.wait(60)
        quay.cloud.faults.begin_outage(Outage("sns:Publish", until=quay.cloud.clock.timestamp() + 600))
        assert len(quay.targets()) == 30
        errors = [quay.berthmaster.invoke(RECONCILE, {}).error for _ in range(2)]
        assert errors[-1] is not None
        assert len(quay.targets()) == 10
