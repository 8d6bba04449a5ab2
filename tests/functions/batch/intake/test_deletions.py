"""A file whose object is deleted before its turn vanishes, and no task is started for it."""

import pytest

from tests.support.batch.objects import counted
from tests.support.batch.scene import INCOMING, a_batch_scene

PAUSED = {"paused": True}
KEY = "scans/a.tif"


@pytest.mark.parametrize("versioned", [True, False])
def test_a_deleted_file_vanishes_and_a_new_one_of_its_name_does_not(versioned: bool) -> None:  # noqa: FBT001 - a parameter
    with a_batch_scene(versioned=versioned, pipeline=PAUSED) as scene:
        scene.put(KEY, b"old")
        scene.berthmaster.drain()
        scene.cloud.client("s3").delete_object(Bucket=INCOMING, Key=KEY)
        scene.put(KEY, b"new")
        scene.berthmaster.drain()
        assert counted(scene, "FilesVanished") <= 1
        states = scene.states()[KEY]
        # Which of the two events came first is S3's affair: either ends the old one.
        assert states[0] in {"vanished", "superseded"}
        assert states[1] == "waiting"


def test_a_version_that_is_deleted_for_good_takes_no_other_with_it() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        first = scene.put(KEY, b"old")
        other = scene.put("scans/b.tif")
        scene.berthmaster.drain()
        scene.cloud.client("s3").delete_object(Bucket=INCOMING, Key=KEY, VersionId=first)
        scene.berthmaster.drain()
        assert {one.version_id: one.state for one in scene.files()} == {first: "vanished", other: "waiting"}
        assert counted(scene, "FilesVanished") == 1


def test_what_is_in_flight_goes_on() -> None:
    with a_batch_scene() as scene:
        scene.put(KEY)
        while not scene.files() or scene.states()[KEY] == ["waiting"]:
            scene.wait(0.2)
        scene.cloud.client("s3").delete_object(Bucket=INCOMING, Key=KEY)
        scene.settle()
        assert scene.states() == {KEY: ["committed"]}
