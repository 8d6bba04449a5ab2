"""Where a file is and why, as an operator is answered."""

from collections.abc import Mapping
from typing import Any

from tests.support.batch.reconciling import pause, sleeps
from tests.support.batch.scene import INCOMING, BatchScene, a_batch_scene


def ask(scene: BatchScene, answer: str = "File Status", **about: str) -> Mapping[str, Any]:
    """Send the request; the answer, which comes within a minute."""
    before = len(scene.events(answer))
    scene.request("File Status Requested", by="ann", **about)
    scene.wait(60)
    (found,) = scene.events(answer)[before:]
    assert found["by"] == "ann"
    return found


def test_a_file_is_followed_from_its_running_task_to_its_result() -> None:
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/ocr", "awslogs-stream-prefix": "ecs"}}

    def ten_minutes(task: Any) -> int:
        task.sleep(600)
        return 0

    with a_batch_scene(program=ten_minutes) as scene:
        scene.cloud.client("ecs").register_task_definition(
            family="ocr",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {"name": "ocr", "image": "example/ocr:1", "stopTimeout": 120, "logConfiguration": log}
            ],
        )
        version = scene.put("scans/a b+c%20.tif")
        scene.wait(120)
        running = ask(scene, bucket=INCOMING, key="scans/a b+c%20.tif")
        assert (running["state"], running["version_id"]) == ("running", version)
        assert "has been running since" in running["text"]
        assert running["logs"].endswith(f"$252Fecs$252Focr/log-events/ecs$252Focr$252F{running['task'][-32:]}")
        scene.settle()
        done = ask(scene, file=running["file"])
        assert done["state"] == "committed"
        assert f"s3://results/ocr/.berthmaster/manifests/{done['file']}.json" in done["next"]
        assert "scans/a b+c%20.tif is committed" in scene.berthmaster.published[-1].subject


def test_what_holds_files_back_is_named() -> None:
    with a_batch_scene(program=sleeps, pipeline={"limits": {"tasks": 1}}) as scene:
        scene.put("scans/a.tif")
        scene.wait(60)
        scene.put("scans/b.tif")
        scene.wait(60)
        assert "`limits.tasks` is 1. 0 files" in ask(scene, bucket=INCOMING, key="scans/b.tif")["text"]
        pause(scene)
        of_pipeline = ask(scene, "Pipeline Status", pipeline="ocr")
        assert (of_pipeline["waiting"], of_pipeline["in_flight"], of_pipeline["dead"]) == (1, 1, 0)
        assert "batch has been paused by an operator" in of_pipeline["text"]
        assert of_pipeline["file"] == ask(scene, bucket=INCOMING, key="scans/b.tif")["file"]


def test_what_is_not_in_the_ledger_is_explained() -> None:
    with a_batch_scene() as scene:
        lost = ask(scene, bucket=INCOMING, key="scans/never%20came.tif")
        assert (lost["state"], lost["file"]) == ("unknown", "")
        assert "no such object" in lost["text"]
        assert "'scans/never came.tif'" in lost["text"]
        scene.put("Scans/a.tif")
        assert "does not begin with 'scans/'" in ask(scene, bucket=INCOMING, key="Scans/a.tif")["text"]
        assert "Did you mean incoming?" in ask(scene, bucket="incomming", key="scans/a.tif")["text"]
        assert "no pipeline nrc" in ask(scene, "Request Refused", pipeline="nrc")["reason"]
        assert "Those that come are launched." in ask(scene, "Pipeline Status", pipeline="ocr")["next"]
        assert "No file has this id" in ask(scene, file=30 * "0")["text"]
