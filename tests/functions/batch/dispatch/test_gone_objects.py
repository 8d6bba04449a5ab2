"""An object that is deleted or overwritten before its file is launched again: nothing more is launched for it."""

from collections.abc import Callable

import pytest

from berthmaster.batch.model.files import File, State
from simulator.aws.s3.refusals import Refusal, Refusals
from simulator.faults import Outage
from tests.support.batch.objects import an_event, send
from tests.support.batch.reconciling import fails_at_first, lose_object_events
from tests.support.batch.scene import DISPATCH, INCOMING, BatchScene, a_batch_scene

KEY = "scans/a.tif"


def a_file_that_runs(scene: BatchScene) -> File:
    """Its first attempt is going to fail; what becomes of its object from now on, no event tells."""
    scene.put(KEY)
    while [file.state for file in scene.files()] != [State.RUNNING]:
        scene.wait(1)
    lose_object_events(scene)
    return scene.files()[0]


def delete(scene: BatchScene) -> None:
    """The object of a bucket without versioning."""
    scene.cloud.client("s3").delete_object(Bucket=INCOMING, Key=KEY)


def delete_version(scene: BatchScene) -> None:
    """The version for good."""
    scene.cloud.client("s3").delete_object(Bucket=INCOMING, Key=KEY, VersionId=scene.files()[0].version_id)


def overwrite(scene: BatchScene) -> None:
    """In a bucket without versioning."""
    scene.put(KEY, b"other")


@pytest.mark.parametrize(
    ("versioned", "change", "said"),
    [(False, delete, "deleted"), (True, delete_version, "deleted"), (False, overwrite, "overwritten")],
)
def test_a_file_whose_object_is_gone_is_not_launched_again(
    *, versioned: bool, change: Callable[[BatchScene], None], said: str
) -> None:
    with a_batch_scene(program=fails_at_first, versioned=versioned) as scene:
        a_file_that_runs(scene)
        change(scene)
        scene.settle()
        (file,) = scene.files()
        assert (file.state, file.attempts) == (State.VANISHED, 1)
        assert said in file.reason
        assert len(list(scene.cloud.tasks.visible())) == 1
        assert scene.mails() == []
        assert scene.dead_letters() == []


def test_a_version_behind_a_delete_marker_is_there_still() -> None:
    with a_batch_scene(program=fails_at_first) as scene:
        a_file_that_runs(scene)
        delete(scene)
        scene.settle()
        assert scene.states() == {KEY: ["committed"]}


@pytest.mark.parametrize("is_refused", [True, False])
def test_an_object_that_cannot_be_looked_at_is_processed_all_the_same(*, is_refused: bool) -> None:
    """Its task may see more than batch_dispatch may."""
    with a_batch_scene(program=fails_at_first) as scene:
        a_file_that_runs(scene)
        if is_refused:
            refusal = Refusal(bucket=INCOMING, action="s3:GetObjectVersion", caller=DISPATCH)
            scene.cloud.state(Refusals).listed.append(refusal)
        else:
            scene.cloud.faults.begin_outage(Outage("s3:HeadObject", scene.cloud.clock.timestamp() + 3600))
        scene.settle()
        assert scene.states() == {KEY: ["committed"]}
        assert len(list(scene.cloud.tasks.visible())) == 2
        assert scene.cloud.calls.of(DISPATCH).named("s3:HeadObject")


def test_an_object_is_not_looked_at_before_its_first_launch() -> None:
    with a_batch_scene() as scene:
        scene.put(KEY)
        scene.settle()
        assert scene.states() == {KEY: ["committed"]}
        assert not scene.cloud.calls.of(DISPATCH).named("s3:HeadObject")


def test_an_object_that_was_deleted_before_its_creation_was_known_costs_one_launch() -> None:
    """Upload and rename: S3's two events come in any order."""
    with a_batch_scene(versioned=False) as scene:
        send(scene, [an_event(KEY, 2, detail_type="Object Deleted"), an_event(KEY, 1)])
        scene.settle()
        (file,) = scene.files()
        assert (file.state, file.attempts) == (State.VANISHED, 1)
        assert scene.mails() == []
