"""In mode observe, what comes is answered with what would be started, and never started later."""

from simulator.faults import Outage
from tests.support.batch.objects import an_event, send
from tests.support.batch.scene import INCOMING, RESULTS, a_batch_scene

KEY = "scans/a.tif"


def test_what_would_be_started_is_reported_once() -> None:
    with a_batch_scene(mode="observe", pipeline={"spot": {"tries": 2}}) as scene:
        event = an_event(KEY, 1, **{"version-id": "v1"})
        send(scene, [event])
        send(scene, [event])
        (file,) = scene.files()
        assert (file.state, file.unreported) == ("observed", False)
        (observed,) = scene.events("File Observed")
        assert (observed["bucket"], observed["key"], observed["version_id"]) == (INCOMING, KEY, "v1")
        assert observed["would_start"] == {
            "cluster": "batch",
            "task_definition": "ocr",
            "container": "ocr",
            "capacity_provider": "FARGATE_SPOT",
            "output": f"s3://{RESULTS}/ocr/.berthmaster/attempts/{file.id}/1/",
        }


def test_what_was_observed_is_not_processed_in_mode_enforce() -> None:
    with a_batch_scene(mode="observe") as scene:
        scene.put(KEY)
        scene.berthmaster.drain()
        scene.deploy_mode("enforce")
        scene.put("scans/b.tif")
        scene.berthmaster.drain()
        scene.settle()
        assert scene.states() == {KEY: ["observed"], "scans/b.tif": ["committed"]}
        assert len(scene.cloud.calls.named("ecs:RunTask")) == 1


def test_an_observed_file_is_reported_as_soon_as_the_bus_takes_it() -> None:
    with a_batch_scene(mode="observe") as scene:
        scene.cloud.faults.begin_outage(Outage("events:PutEvents", scene.cloud.clock.timestamp() + 120))
        scene.put(KEY)
        scene.put("scans/", b"")
        scene.wait(100)
        assert scene.events("File Observed") == []
        assert {one.key: one.state for one in scene.files()} == {KEY: "observed", "scans/": "skipped"}
        scene.berthmaster.drain()
        assert [one["key"] for one in scene.events("File Observed")] == [KEY]
        assert not any(one.unreported for one in scene.files())
        assert scene.dead_letters() == []
