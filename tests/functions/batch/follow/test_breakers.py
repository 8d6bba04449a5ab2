"""Pipelines that are out of order, as ECS's events tell: canaries, and what people hear."""

from dataclasses import replace

import pytest

from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.model.breaker import Breaker, BreakerState
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.stops import OwnStop, Stop
from berthmaster.batch.plan.transitions import ended, with_launch
from tests.functions.batch.follow.test_events import runs, send
from tests.functions.batch.follow.test_stops import FAILED, a_running_file, an_event
from tests.support.batch.refusals import refusals
from tests.support.batch.scene import BatchScene, a_batch_scene

NO_IMAGE = Stop(code=FAILED, reason="CannotPullContainerError: manifest unknown: not found")
OURS = Stop(code="UserInitiated", reason="Stopped.")


def breakers(scene: BatchScene) -> Breakers:
    return Breakers(scene.cloud.client("dynamodb"), scene.table)


def a_canary_that_is_cancelled(scene: BatchScene, own: OwnStop) -> File:
    """Its pipeline is out of order, it is being tried, and an operator or a newer version has ended it meanwhile."""
    file = a_running_file(scene)
    assert file.launch is not None
    now = scene.cloud.clock.now()
    breaker = Breaker(
        pipeline="ocr", state=BreakerState.PROBING, since=now, opened_at=now, canary=file.id, canary_launch=1
    )
    breakers(scene).change("ocr", lambda one: replace(breaker, reported=True, version=one.version))
    # What is known of its task is what RunTask has answered.
    file = with_launch(file, stopped_for=own, started_at=None)
    return scene.ledger.save(ended(file, State(own.replace("cancel", "cancelled")), now, "it was ended"))


@pytest.mark.parametrize("own", [OwnStop.CANCEL, OwnStop.SUPERSEDED])
def test_after_a_canary_that_was_ended_the_next_one_follows_soon(own: OwnStop) -> None:
    with a_batch_scene() as scene:
        canary = a_canary_that_is_cancelled(scene, own)
        scene.put("scans/b.tif")
        scene.wait(5)
        assert scene.states()["scans/b.tif"] == ["waiting"]
        send(scene, an_event(canary, OURS))
        scene.wait(120)
        assert scene.states()["scans/b.tif"] == ["committed"]
        assert breakers(scene).get("ocr").state is BreakerState.CLOSED


def test_a_canary_that_was_ended_and_runs_shows_what_others_do() -> None:
    with a_batch_scene() as scene:
        canary = a_canary_that_is_cancelled(scene, OwnStop.CANCEL)
        send(scene, runs(canary))
        assert breakers(scene).get("ocr").state is BreakerState.CLOSED
        send(scene, runs(canary), an_event(canary, OURS))
        assert len(scene.events("Pipeline Resumed")) == 1


def test_a_pipeline_that_is_out_of_order_again_and_again_is_a_pair_of_mails() -> None:
    with a_batch_scene() as scene:
        for number in range(3):
            with refusals(scene, "ClusterNotFoundException", "Cluster not found."):
                scene.put(f"scans/{number}.tif")
                scene.wait(30)
            scene.wait(900)
        assert len(scene.events("Pipeline Stopped")) == len(scene.events("Pipeline Resumed")) == 3
        assert ["runs again" in mail for mail in scene.mails()] == [False, True]


def test_a_pipeline_that_stays_out_of_order_is_mailed_though_another_time_was() -> None:
    with a_batch_scene() as scene:
        with refusals(scene, "ClusterNotFoundException", "Cluster not found."):
            scene.put("scans/a.tif")
            scene.wait(30)
        scene.settle()
        with refusals(scene, "ClusterNotFoundException", "Cluster not found."):
            scene.put("scans/b.tif")
            for minute in range(120):
                scene.put(f"scans/{minute}.tif") if minute % 10 == 0 else None
                scene.wait(60)
        assert ["runs again" in mail for mail in scene.mails()] == [False, True, False]
        assert len(scene.events("Pipeline Stopped")) == 2
