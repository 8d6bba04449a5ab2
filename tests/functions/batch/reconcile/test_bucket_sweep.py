"""Objects whose event was lost are found in their bucket; what was there before is not."""

from simulator.aws.s3.refusals import Refusal, Refusals
from tests.support.batch.reconciling import a_reconciled_scene, calls, lose_object_events, pause
from tests.support.batch.scene import INCOMING, RECONCILE


def test_an_object_whose_event_was_lost_is_processed_within_a_quarter_of_an_hour() -> None:
    with a_reconciled_scene() as scene:
        lose_object_events(scene)
        key = "scans/Hafen plan+1%20ü🚢.tif"
        version = scene.put(key)
        scene.settle(limit=15 * 60)
        assert scene.states() == {key: ["committed"]}
        (file,) = scene.files()
        assert file.version_id == version
        assert len(scene.events("File Completed")) == 1


def test_an_object_in_a_bucket_without_versioning_is_found_too() -> None:
    # In mode approve, too, where files are processed as in enforce.
    with a_reconciled_scene(versioned=False, mode="approve") as scene:
        lose_object_events(scene)
        scene.put("scans/a.tif")
        scene.settle(limit=15 * 60)
        assert scene.states() == {"scans/a.tif": ["committed"]}


def test_what_the_ledger_knows_is_received_once_and_costs_no_call_to_s3() -> None:
    with a_reconciled_scene() as scene:
        for number in range(5):
            scene.put(f"scans/{number}.tif")
        scene.wait(30 * 60)
        assert {tuple(states) for states in scene.states().values()} == {("committed",)}
        assert calls(scene, "s3:HeadObject") == []


def test_objects_from_before_the_pipeline_and_others_are_left_alone() -> None:
    with a_reconciled_scene(pipeline={"input": {"suffix": ".tif"}}) as scene:
        s3 = scene.cloud.client("s3")
        s3.put_object(Bucket=INCOMING, Key="older/a.tif", Body=b"old")
        lose_object_events(scene)
        scene.put("scans/a.txt")
        scene.put("elsewhere/a.tif")
        scene.put_pipeline("late", input={"prefix": "older/"}, output={"prefix": "late/"})
        scene.wait(30 * 60)
        assert scene.files() == []


def test_in_mode_observe_nothing_is_looked_for() -> None:
    with a_reconciled_scene(mode="observe") as scene:
        lose_object_events(scene)
        scene.put("scans/a.tif")
        scene.wait(20 * 60)
        assert scene.files() == []
        assert calls(scene, "s3:ListObjectsV2") == []


def test_a_paused_batch_looks_for_nothing() -> None:
    with a_reconciled_scene() as scene:
        lose_object_events(scene)
        pause(scene)
        scene.put("scans/a.tif")
        scene.wait(20 * 60)
        assert scene.files() == []


def test_a_bucket_that_refuses_stops_no_other_and_its_objects_are_found_later() -> None:
    with a_reconciled_scene() as scene:
        lose_object_events(scene)
        refusals = scene.cloud.state(Refusals)
        refusals.listed = [Refusal(bucket=INCOMING, action="s3:GetObject", prefix="scans/a.tif", caller=RECONCILE)]
        scene.put("scans/a.tif")
        scene.put("scans/b.tif")
        scene.wait(15 * 60)
        assert scene.states() == {"scans/b.tif": ["committed"]}
        refusals.listed = []
        scene.wait(15 * 60)
        assert scene.states()["scans/a.tif"] == ["committed"]
