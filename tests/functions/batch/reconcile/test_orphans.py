"""A task that no file has is marked in one run and stopped in the next; where the ledger may be wrong, none is."""

import pytest

from berthmaster.batch.ledger.files import partition
from berthmaster.batch.plan.identity import shard_of
from tests.support.batch.reconciling import a_reconciled_scene, calls, is_to_run, pause, run_task, sleeps
from tests.support.batch.scene import BatchScene


def launched(scene: BatchScene) -> str:
    """Put an object and wait until its task runs; returns the id of the file."""
    scene.put("scans/a.tif")
    scene.wait(90)
    (file,) = scene.files()
    assert file.state == "running"
    return file.id


def test_a_ghost_is_stopped_in_the_second_run_that_finds_it() -> None:
    with a_reconciled_scene(program=sleeps) as scene:
        file = launched(scene)
        ghost = run_task(scene, f"{file}-0")
        scene.wait(65)
        assert is_to_run(scene, ghost)
        scene.wait(65)
        assert not is_to_run(scene, ghost)
        (stop,) = calls(scene, "ecs:StopTask")
        assert (stop.params["task"], stop.params["reason"]) == (
            ghost,
            "Berthmaster: no file of the ledger has this task",
        )


def test_the_task_of_a_file_that_was_superseded_is_stopped_within_two_minutes() -> None:
    with a_reconciled_scene(program=sleeps) as scene:
        launched(scene)
        scene.put("scans/a.tif", b"a better scan")
        scene.wait(120)
        old, new = scene.files()
        assert (old.state, new.state) == ("superseded", "running")
        assert old.launch
        assert new.launch
        assert not is_to_run(scene, old.launch.task)
        assert is_to_run(scene, new.launch.task)


@pytest.mark.parametrize(
    "given",
    [{"stack": "another"}, {"group": "family:ocr"}],
    ids=["of another stack", "by another group"],
)
def test_a_task_of_somebody_else_is_left_alone(given: dict[str, str]) -> None:
    with a_reconciled_scene(program=sleeps) as scene:
        file = launched(scene)
        other = run_task(scene, f"{file}-0", **given)
        scene.wait(300)
        assert is_to_run(scene, other)


def test_an_empty_ledger_stops_nothing_and_says_so_once() -> None:
    with a_reconciled_scene(program=sleeps) as scene:
        file = launched(scene)
        (before,) = scene.files()
        assert before.launch
        dynamodb = scene.cloud.client("dynamodb")
        dynamodb.delete_item(
            TableName=scene.table, Key={"pk": {"S": partition("ocr", shard_of(file))}, "sk": {"S": file}}
        )
        scene.wait(600)
        assert is_to_run(scene, before.launch.task)
        assert calls(scene, "ecs:StopTask") == []
        (told,) = scene.events("Tasks Unknown")
        assert told["tasks"] == [before.launch.task]
        assert len(scene.mails()) == 1


def test_a_paused_batch_stops_no_orphan_until_it_resumes() -> None:
    with a_reconciled_scene(program=sleeps) as scene:
        file = launched(scene)
        pause(scene)
        ghost = run_task(scene, f"{file}-0")
        scene.wait(300)
        assert is_to_run(scene, ghost)


def test_a_task_whose_launch_has_no_answer_yet_is_no_orphan() -> None:
    with a_reconciled_scene(program=sleeps) as scene:
        scene.put("scans/a.tif")
        lost = scene.cloud.faults.lose_response
        lost(lambda call: call.name == "ecs:RunTask")
        scene.wait(600)
        assert calls(scene, "ecs:StopTask") == []
