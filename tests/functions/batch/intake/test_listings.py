"""A file that was found by listing, because its event was lost or is late, is one with its event."""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from berthmaster.batch.arrivals import Arrival, Arrivals
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from simulator.account import Account
from simulator.faults import NO_FAULTS, FaultPlan
from tests.support.batch.objects import send
from tests.support.batch.scene import INCOMING, BatchScene, a_batch_scene

KEY = "scans/a.tif"
PAUSED = {"paused": True}


LOST = FaultPlan(event_lost=1.0)


def listed(scene: BatchScene, key: str = KEY) -> Arrival | None:
    """List the bucket as the reconciliation does, and receive what it shows of a key."""
    at = scene.cloud.clock.now()
    (found,) = scene.cloud.client("s3").list_objects_v2(Bucket=INCOMING, Prefix=key)["Contents"]
    pipeline = Pipelines(scene.cloud.client("dynamodb"), scene.table, Clock()).in_force()["ocr"]
    arrivals = Arrivals(Clients(), Clock(), scene.ledger, Mode.ENFORCE)
    return arrivals.listed(pipeline, bucket=INCOMING, key=key, etag=found["ETag"], size=found["Size"], listed_at=at)


def put_without_event(scene: BatchScene, body: bytes) -> Mapping[str, Any]:
    """Write the object; returns its event, which does not come by itself. Six minutes later."""
    before = len(scene.berthmaster.bus_events)
    scene.cloud.faults.plan = LOST
    scene.put(KEY, body)
    scene.wait(360)
    scene.cloud.faults.plan = NO_FAULTS
    (event,) = [one.event for one in scene.berthmaster.bus_events[before:] if one.event["source"] == "aws.s3"]
    return event


@pytest.mark.parametrize("versioned", [True, False])
def test_a_listed_file_is_processed_once_though_its_event_comes_after_all(versioned: bool) -> None:  # noqa: FBT001
    with a_batch_scene(versioned=versioned) as scene:
        event = put_without_event(scene, b"some text")
        assert scene.files() == []
        arrival = listed(scene)
        assert arrival is not None
        assert arrival.is_new
        assert listed(scene) is None
        send(scene, [event])
        (file,) = scene.files()
        assert (file.id, file.sequencer) == (arrival.file.id, event["detail"]["object"]["sequencer"])
        scene.settle()
        send(scene, [event])
        assert listed(scene) is None
        assert scene.states() == {KEY: ["committed"]}
        assert len(scene.cloud.calls.named("ecs:RunTask")) == 1


@pytest.mark.parametrize("versioned", [True, False])
def test_a_listing_knows_what_an_event_has_brought_and_asks_for_no_version_id(versioned: bool) -> None:  # noqa: FBT001
    with a_batch_scene(versioned=versioned, pipeline=PAUSED) as scene:
        scene.put(KEY)
        scene.berthmaster.drain()
        assert listed(scene) is None
        assert scene.cloud.calls.named("s3:HeadObject") == []
        assert scene.states() == {KEY: ["waiting"]}


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_current_version_wins_however_late_the_events_of_all_are(
    order: tuple[int, ...],
    versioned: bool,  # noqa: FBT001 - a parameter
) -> None:
    with a_batch_scene(versioned=versioned, pipeline=PAUSED) as scene:
        events = [put_without_event(scene, body) for body in (b"first", b"second", b"third")]
        arrival = listed(scene)
        assert arrival is not None
        send(scene, [events[number] for number in order])
        left = [one for one in scene.files() if one.state != "superseded"]
        assert [(one.id, one.state) for one in left] == [(arrival.file.id, "waiting")]
        # One item for each version, though one of them was found twice.
        assert len(scene.files()) == len(events)
        later = put_without_event(scene, b"fourth")
        send(scene, [later])
        assert [one.etag for one in scene.files() if one.is_live] == [later["detail"]["object"]["etag"]]


def test_an_object_that_changes_between_listing_and_asking_is_left_to_the_next_listing() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        put_without_event(scene, b"old")

        asked = scene.cloud.handlers["s3:HeadObject"]

        def after_a_change(account: Account, params: Any) -> Any:
            scene.cloud.handlers["s3:HeadObject"] = asked
            put_without_event(scene, b"new")
            return asked(account, params)

        scene.cloud.handlers["s3:HeadObject"] = after_a_change
        assert listed(scene) is None
        arrival = listed(scene)
        assert arrival is not None
        assert scene.states() == {KEY: ["waiting"]}
