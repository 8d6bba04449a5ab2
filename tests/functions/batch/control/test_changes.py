"""Files are cancelled and replayed as operators ask for it, one by one or all of a pipeline."""

from typing import Any

from tests.support.batch.reconciling import a_reconciled_scene, is_to_run, pause, sleeps
from tests.support.batch.scene import INCOMING, BatchScene, a_batch_scene


class Recovering:
    """A program that rejects every file until it is fixed."""

    def __init__(self) -> None:
        self.is_fixed = False

    def __call__(self, task: Any) -> int:
        if not self.is_fixed:
            return 3
        task.sleep(5)
        task.s3.put_object(
            Bucket=task.environment["BERTHMASTER_OUTPUT_BUCKET"],
            Key=f"{task.environment['BERTHMASTER_OUTPUT_PREFIX']}out.txt",
            Body=b"done",
        )
        return 0


def answer(scene: BatchScene, detail_type: str, *, within: float = 60, **about: Any) -> str:
    """Send a request; with which words it was answered, within some seconds."""
    before = len(scene.events("Request Accepted", "Request Refused"))
    scene.request(detail_type, by="ann", **about)
    scene.wait(within)
    (found,) = scene.events("Request Accepted", "Request Refused")[before:]
    return str(found.get("text") or found["reason"])


def test_a_cancelled_file_loses_its_task_and_may_be_replayed() -> None:
    with a_reconciled_scene(program=sleeps) as scene:
        scene.put("scans/a+b%20.tif")
        scene.wait(120)
        (running,) = scene.files()
        assert running.launch
        text = answer(scene, "Cancel Requested", within=5, bucket=INCOMING, key="scans/a+b%20.tif")
        assert text == "the file was running and is cancelled; its task is stopped within two minutes"
        assert "still being stopped" in answer(scene, "Replay Requested", within=5, file=running.id)
        scene.wait(180)
        assert not is_to_run(scene, running.launch.task)
        (cancelled,) = scene.files()
        assert (cancelled.state, cancelled.reason) == ("cancelled", "cancelled by ann")
        assert answer(scene, "Cancel Requested", file=running.id) == "it is cancelled already"
        assert "has all its attempts again" in answer(scene, "Replay Requested", file=running.id)
        scene.wait(120)
        (again,) = scene.files()
        assert again.launch
        assert (again.state, again.launch.number) == ("running", 2)


def test_a_dead_file_is_replayed_under_its_identity() -> None:
    program = Recovering()
    with a_reconciled_scene(program=program) as scene:
        scene.put("scans/a.tif")
        scene.settle()
        (dead,) = scene.files()
        assert dead.state == "dead"
        program.is_fixed = True
        pause(scene)
        assert "when batch goes on, since batch has been paused" in answer(scene, "Replay Requested", file=dead.id)
        scene.wait(120)
        assert scene.files()[0].state == "waiting"
        scene.request("Resume Requested", automation="batch")
        scene.settle()
        (done,) = scene.files()
        assert (done.id, done.state, done.attempts, done.result_of) == (dead.id, "committed", 0, 2)
        assert "only what is dead or cancelled" in answer(scene, "Replay Requested", file=dead.id)


def test_a_file_with_a_newer_version_is_not_replayed() -> None:
    program = Recovering()
    with a_reconciled_scene(program=program) as scene:
        older = scene.put("scans/a.tif", b"1")
        scene.settle()
        scene.put("scans/a.tif", b"2")
        scene.wait(30)
        scene.settle()
        text = answer(scene, "Replay Requested", bucket=INCOMING, key="scans/a.tif", version_id=older)
        assert text == f"a newer version of the object has come, the file {scene.files()[1].id}"


def test_what_cannot_be_done_is_refused_with_its_reason() -> None:
    with a_batch_scene() as scene:
        for about, reason in (
            ({"pipeline": "nrc"}, "there is no pipeline nrc; those that there are: ocr"),
            ({"file": 30 * "0"}, "the ledger has no such file"),
            ({"file": 30 * "0", "pipeline": "ocr"}, "detail: must have `file`, or"),
            ({"bucket": INCOMING}, "detail.key: is missing"),
            ({"pipeline": "ocr", "most": 0}, "detail.most"),
        ):
            assert answer(scene, "Replay Requested", within=10, **about).startswith(reason)
        scene.delete_document()
        scene.wait(60)
        assert "is not in force" in answer(scene, "Replay Requested", pipeline="ocr")
    with a_batch_scene(mode="observe") as scene:
        assert "the mode is observe" in answer(scene, "Replay Requested", pipeline="ocr")


def test_all_dead_files_of_a_pipeline_are_replayed_some_first() -> None:
    program = Recovering()
    with a_reconciled_scene(program=program) as scene:
        for number in range(30):
            scene.put(f"scans/{number}.tif")
        scene.settle()
        program.is_fixed = True
        assert answer(scene, "Replay Requested", pipeline="ocr", most=5).startswith("5 files of the pipeline are")
        scene.settle()
        assert answer(scene, "Replay Requested", pipeline="ocr").startswith("25 files of the pipeline are")
        scene.settle()
        some, rest = scene.events("Request Completed")
        assert (some["done"], rest["done"], rest["left"], rest["failed"]) == (5, 25, 0, 0)
        assert {state for states in scene.states().values() for state in states} == {"committed"}


def test_all_files_of_a_pipeline_are_cancelled_but_not_those_that_come_later() -> None:
    with a_reconciled_scene(program=sleeps, pipeline={"limits": {"tasks": 3}}) as scene:
        for number in range(20):
            scene.put(f"scans/{number}.tif")
        scene.wait(120)
        scene.request("Cancel Requested", pipeline="ocr", by="ann")
        scene.wait(2)
        scene.put("scans/later.tif")
        scene.wait(300)
        (completed,) = scene.events("Request Completed")
        assert (completed["done"], completed["left"], completed["failed"]) == (20, 0, 0)
        states = scene.states()
        assert states.pop("scans/later.tif") == ["running"]
        assert states == {f"scans/{number}.tif": ["cancelled"] for number in range(20)}
        assert len(scene.cloud.tasks.alive()) == 1
