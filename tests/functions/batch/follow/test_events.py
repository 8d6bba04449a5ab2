"""Events of tasks come twice, late, out of order, and from tasks that should not be there."""

from dataclasses import replace
from typing import Any

import pytest

from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.stops import Stop
from berthmaster.batch.plan.transitions import launching, with_launch
from simulator.faults import CrashAfter, FaultPlan
from tests.functions.batch.follow.test_stops import EXITED, EXITED_TEXT, a_running_file, an_event
from tests.support.batch.scene import FOLLOW, BatchScene, a_batch_scene

DONE = Stop(code=EXITED, reason=EXITED_TEXT, exit_code=0)
FAILED = Stop(code=EXITED, reason=EXITED_TEXT, exit_code=1)


def runs(file: File, **detail: Any) -> dict[str, Any]:
    """ECS's event that the file's task runs."""
    return an_event(file, DONE, lastStatus="RUNNING", desiredStatus="RUNNING", version=4, **detail)


def send(scene: BatchScene, *events: dict[str, Any]) -> None:
    for event in events:
        scene.berthmaster.put_event(event)
    scene.wait(5)


def the_file(scene: BatchScene) -> File:
    (file,) = scene.files()
    return file


def relaunched(scene: BatchScene, file: File) -> File:
    """The file after another launch was requested by an invocation that has died: no task of it is known."""
    assert file.launch is not None
    launch = replace(file.launch, number=file.launch.number + 1, task="", task_version=-1, started_at=None)
    return scene.ledger.save(launching(file, launch, due=launch.deadline))


def test_an_event_makes_the_task_known_whose_launch_was_not_answered() -> None:
    with a_batch_scene() as scene:
        file = relaunched(scene, a_running_file(scene))
        task = with_launch(file, task="arn:aws:ecs:eu-central-1:123456789012:task/batch/" + "a" * 32)
        send(scene, runs(task))
        assert the_file(scene).state is State.RUNNING
        known = the_file(scene).launch
        assert known is not None
        assert task.launch is not None
        assert (known.number, known.task) == (2, task.launch.task)


def test_a_stop_of_a_launch_that_was_not_answered_is_believed() -> None:
    with a_batch_scene() as scene:
        file = relaunched(scene, a_running_file(scene))
        task = with_launch(file, task="arn:aws:ecs:eu-central-1:123456789012:task/batch/" + "a" * 32)
        send(scene, an_event(task, FAILED), runs(task))
        assert (the_file(scene).state, the_file(scene).attempts) == (State.WAITING, 1)


@pytest.mark.parametrize("stop", [DONE, FAILED])
def test_a_ghost_of_an_earlier_launch_claims_nothing(stop: Stop) -> None:
    with a_batch_scene() as scene:
        ghost = a_running_file(scene)
        file = relaunched(scene, ghost)
        send(scene, runs(ghost), an_event(ghost, stop))
        assert the_file(scene) == file


def test_a_second_task_of_a_launch_claims_nothing() -> None:
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        ghost = with_launch(file, task="arn:aws:ecs:eu-central-1:123456789012:task/batch/" + "a" * 32)
        send(scene, runs(ghost), an_event(ghost, FAILED))
        assert the_file(scene) == file


def test_what_is_late_or_comes_twice_changes_nothing() -> None:
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        send(scene, an_event(file, FAILED), an_event(file, FAILED), runs(file))
        assert (the_file(scene).state, the_file(scene).attempts) == (State.WAITING, 1)
        scene.settle()
        committed = the_file(scene)
        send(scene, an_event(file, FAILED), runs(file), an_event(committed, FAILED), an_event(committed, DONE))
        assert the_file(scene) == committed
        assert len(scene.events("File Completed")) == 1


def test_the_end_of_a_task_whose_file_was_superseded_is_remembered() -> None:
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        scene.put("scans/a.tif", b"newer")
        scene.wait(5)
        send(scene, an_event(file, FAILED))
        superseded = scene.files()[0]
        assert superseded.state is State.SUPERSEDED
        assert superseded.launch is not None
        assert superseded.launch.stopped_at is not None
        assert superseded.attempts == 0


def test_a_task_that_ecs_has_forgotten_is_started_again() -> None:
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        event = an_event(file, Stop(reason="ECS does not know the task any more."), containers=[])
        for field in ("taskDefinitionArn", "cpu", "memory", "stopCode", "startedAt", "stoppedAt"):
            event["detail"].pop(field)
        send(scene, event)
        assert (the_file(scene).state, the_file(scene).failures) == (State.WAITING, 1)


def test_doubled_delayed_events_change_nothing_of_what_is_charged() -> None:
    """Every other launch of a file fails, and every event may come twice and late."""

    def fails_twice(task: Any) -> int:
        task.sleep(5)
        return int(task.environment["BERTHMASTER_ATTEMPT"] != "3")

    faults = FaultPlan(event_duplicated=0.5, event_delayed=0.5, longest_delay=120)
    with a_batch_scene(program=fails_twice, faults=faults) as scene:
        for number in range(8):
            scene.put(f"scans/{number}.tif")
        scene.settle(limit=7200)
        assert {(file.state, file.attempts) for file in scene.files()} == {(State.COMMITTED, 2)}
        assert all(file.launch and file.launch.number == 3 for file in scene.files())


def test_a_crash_after_any_call_of_a_stop_charges_it_once_and_is_reported() -> None:
    call, crashes = 0, 1
    with a_batch_scene(program=lambda task: task.sleep(20) or 3) as scene:
        while crashes:
            call += 1
            before = scene.cloud.faults.crashes
            scene.put(f"scans/{call}.tif")
            while [file.state for file in scene.files()][call - 1 :] != [State.RUNNING]:
                scene.wait(1)
            scene.cloud.faults.set_crash(CrashAfter(call, FOLLOW))
            scene.wait(900)
            crashes = scene.cloud.faults.crashes - before
            file = scene.files()[-1]
            assert (file.state, file.unreported) == (State.DEAD, False), call
        assert {one["file"] for one in scene.events("File Failed")} == {file.id for file in scene.files()}
    assert call > 5


def test_a_burst_of_stops_is_followed_within_seconds() -> None:
    with a_batch_scene(program=lambda _: 4, pipeline={"limits": {"tasks": 200}}) as scene:
        for number in range(100):
            scene.put(f"scans/{number}.tif")
        scene.settle()
        delays = [
            (file.since - file.launch.stopped_at).total_seconds()
            for file in scene.files()
            if file.launch and file.launch.stopped_at
        ]
        assert len(delays) == 100
        assert max(delays) < 10
        assert scene.dead_letters() == []
