"""Versions of one key: each is one file, and the newest alone is processed, in whatever order events come."""

from random import Random

import pytest

from simulator.faults import FaultPlan
from tests.support.batch.objects import an_event, counted, intake_calls, send
from tests.support.batch.scene import a_batch_scene

PAUSED = {"paused": True}
KEY = "scans/a.tif"


@pytest.mark.parametrize("versioned", [True, False])
def test_an_event_that_comes_twice_is_one_file(versioned: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with a_batch_scene(versioned=versioned, pipeline=PAUSED) as scene:
        event = an_event(KEY, 1, **({"version-id": "v1"} if versioned else {}))
        send(scene, [event])
        calls = intake_calls(scene)
        # The first Query reads which pipelines are in force.
        assert calls == ["Query", "PutItem", "Query", "SendMessage"]
        (file,) = scene.files()
        send(scene, [event, event])
        scene.wait(60)
        assert scene.files() == [file]
        assert (counted(scene, "FilesReceived"), counted(scene, "FilesKnown")) == (1, 2)


def test_an_event_that_comes_again_after_the_end_changes_nothing() -> None:
    with a_batch_scene() as scene:
        scene.put(KEY, b"some text")
        scene.settle()
        event = next(one.event for one in scene.berthmaster.bus_events if one.event["source"] == "aws.s3")
        (file,) = scene.files()
        assert file.state == "committed"
        scene.wait(3 * 3600)
        send(scene, [event])
        scene.wait(60)
        assert scene.files() == [file]


@pytest.mark.parametrize("seed", range(6))
def test_of_many_versions_in_any_order_only_the_newest_is_live(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - the order of events, by seed
    faults = FaultPlan(
        seed=seed, event_delayed=0.5, event_duplicated=0.3, throttled=0.03, lost_response=0.03, crash=0.01
    )
    with a_batch_scene(seed=seed, pipeline=PAUSED) as scene:
        scene.cloud.faults.plan = faults
        events = [
            an_event(key, number, **{"version-id": f"v{number}"})
            for key in (KEY, "scans/b.tif")
            for number in range(1, 13)
        ]
        random.shuffle(events)
        for event in events:
            scene.berthmaster.put_event(event)
            scene.wait(random.choice([0, 0, 0, 0.1, 2]))
        scene.cloud.faults.clear()
        scene.berthmaster.drain()
        assert scene.dead_letters() == []
        files = scene.files()
        assert len(files) == len(events)
        assert {(one.key, one.version_id) for one in files if one.state != "superseded"} == {
            (KEY, "v12"),
            ("scans/b.tif", "v12"),
        }
        assert {one.state for one in files} == {"waiting", "superseded"}


def test_of_two_versions_that_come_at_once_one_is_left() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        keys = [f"scans/{number}.tif" for number in range(20)]
        send(scene, [an_event(key, number, **{"version-id": f"v{number}"}) for key in keys for number in (2, 1)])
        assert {(one.key, one.version_id) for one in scene.files() if one.is_live} == {(key, "v2") for key in keys}
        assert len(scene.files()) == 2 * len(keys)


def test_a_version_that_comes_late_is_superseded_at_once_and_a_result_stays() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        send(scene, [an_event(KEY, 2), an_event(KEY, 1)])
        assert {one.etag: one.state for one in scene.files()} == {"etag-1": "superseded", "etag-2": "waiting"}
        (late,) = [one for one in scene.files() if one.state == "superseded"]
        (current,) = [one for one in scene.files() if one.state == "waiting"]
        assert current.id in late.reason


def test_two_versions_that_share_an_id_are_no_copies() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        send(scene, [an_event(KEY, 1, **{"version-id": "v1"})])
        forged = an_event(KEY, 2, **{"version-id": "v1"})
        scene.berthmaster.put_event(forged)
        scene.put("scans/b.tif")
        scene.berthmaster.drain()
        assert scene.states() == {KEY: ["waiting"], "scans/b.tif": ["waiting"]}
        assert [one["detail"] for one in scene.dead_letters()] == [forged["detail"]]


def test_what_is_written_while_versioning_is_suspended_is_told_apart_by_its_content() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        send(scene, [an_event(KEY, number, **{"version-id": "null"}) for number in (1, 2)])
        assert sorted((one.etag, one.version_id, one.state) for one in scene.files()) == [
            ("etag-1", "", "superseded"),
            ("etag-2", "", "waiting"),
        ]
