"""Every way in which a task may stop, and what becomes of its file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.stops import Cause, OwnStop, Stop
from berthmaster.batch.plan.transitions import with_launch
from tests.support.batch.scene import BatchScene, a_batch_scene
from tests.unit.batch.stop_vectors import EXITED, EXITED_TEXT, FAILED

SAMPLE = json.loads(
    json.loads((Path(__file__).parents[4] / "events/batch_follow_task_stopped.json").read_text())["Records"][0]["body"]
)


@dataclass(frozen=True)
class Outcome:
    """What becomes of a file after a stop: its state, and what it was charged."""

    state: State
    attempts: int = 0
    failures: int = 0
    spot_losses: int = 0


AGAIN = Outcome(State.WAITING)
STOPS = {
    Cause.REJECTED: (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=3), Outcome(State.DEAD)),
    Cause.NOTHING_TO_DO: (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=4), Outcome(State.SKIPPED)),
    Cause.TRY_LATER: (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=75), Outcome(State.WAITING, failures=1)),
    Cause.APPLICATION: (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=1), Outcome(State.WAITING, attempts=1)),
    # With more memory, at once.
    Cause.OUT_OF_MEMORY: (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=137), Outcome(State.STARTING)),
    Cause.INFRASTRUCTURE: (Stop(code="InfrastructureHealth"), Outcome(State.WAITING, failures=1)),
    Cause.SPOT: (Stop(code="SpotInterruption", exit_code=143), Outcome(State.WAITING, spot_losses=1)),
    Cause.CAPACITY: (Stop(code=FAILED, reason="Capacity is unavailable at this time. Please try again later"), AGAIN),
    Cause.UNREACHABLE: (
        Stop(code=FAILED, reason="CannotPullContainerError: pull command failed: dial tcp: i/o timeout"),
        Outcome(State.WAITING, failures=1),
    ),
    Cause.CONFIGURATION: (Stop(code=FAILED, reason="CannotPullContainerError: manifest unknown: not found"), AGAIN),
    Cause.UNKNOWN: (Stop(code="SomethingNew", reason="Something new."), Outcome(State.WAITING, failures=1)),
    Cause.DONE: (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=0), Outcome(State.COMMITTED)),
}
OWN_STOPS = {
    OwnStop.TIMEOUT: Outcome(State.WAITING, attempts=1),
    OwnStop.CANCEL: Outcome(State.CANCELLED),
    OwnStop.SUPERSEDED: Outcome(State.SUPERSEDED),
    OwnStop.STUCK: Outcome(State.WAITING, failures=1),
    OwnStop.SILENT: Outcome(State.WAITING, failures=1),
    OwnStop.ORPHAN: Outcome(State.WAITING, failures=1),
}


def an_event(file: File, stop: Stop, **detail: Any) -> dict[str, Any]:
    """ECS's event that the file's task has stopped."""
    assert file.launch is not None
    given = SAMPLE["detail"]
    (container,) = given["containers"]
    container = {**container, "exitCode": stop.exit_code} if stop.exit_code is not None else _without(container)
    return SAMPLE | {
        "detail": given
        | {
            "taskArn": file.launch.task,
            "startedBy": file.started_by,
            "version": 20,
            "stopCode": stop.code,
            "stoppedReason": stop.reason,
            "containers": [container],
        }
        | detail
    }


def _without(container: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in container.items() if name != "exitCode"}


def a_running_file(scene: BatchScene) -> File:
    scene.put("scans/a.tif")
    while [str(file.state) for file in scene.files()] != [State.RUNNING]:
        scene.wait(1)
    return scene.files()[0]


def outcome(scene: BatchScene) -> Outcome:
    (file,) = scene.files()
    return Outcome(file.state, file.attempts, file.failures, file.spot_losses)


def test_every_cause_has_its_outcome() -> None:
    of_others = {Cause.TIMED_OUT, Cause.CANCELLED, Cause.NOT_WORKING}
    assert set(STOPS) | of_others == set(Cause)
    assert set(OWN_STOPS) == set(OwnStop)


@pytest.mark.parametrize("cause", STOPS)
def test_what_follows_from_a_stop(cause: Cause) -> None:
    stop, expected = STOPS[cause]
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        scene.berthmaster.put_event(an_event(file, stop))
        scene.wait(5)
        assert outcome(scene) == expected
        (file,) = scene.files()
        if expected.state is State.DEAD:
            (failed,) = scene.events("File Failed")
            assert failed["cause"] == cause
            assert len(scene.mails()) == 1
        assert len(scene.events("File Skipped")) == (expected.state is State.SKIPPED)
        assert not file.unreported
        assert scene.dead_letters() == []


@pytest.mark.parametrize("own", OWN_STOPS)
def test_what_follows_from_a_stop_of_our_own(own: OwnStop) -> None:
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        scene.ledger.save(with_launch(file, stopped_for=own))
        scene.berthmaster.put_event(an_event(file, Stop(code="UserInitiated", reason="Stopped.", exit_code=143)))
        scene.wait(5)
        assert outcome(scene) == OWN_STOPS[own]


def test_files_that_fail_alike_are_one_mail() -> None:
    with a_batch_scene(program=lambda _: 3) as scene:
        for number in range(20):
            scene.put(f"scans/{number}.tif")
        scene.settle()
        assert len(scene.events("File Failed")) == 20
        assert len(scene.mails()) == 1


def test_a_sidecar_that_fails_does_not_undo_a_result() -> None:
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        containers = [{"name": "ocr", "exitCode": 0}, {"name": "proxy", "exitCode": 1}]
        stop = Stop(code=EXITED, reason=EXITED_TEXT, exit_code=0)
        scene.berthmaster.put_event(an_event(file, stop, containers=containers))
        scene.wait(5)
        assert outcome(scene) == Outcome(State.COMMITTED)


def test_a_task_that_a_sidecar_has_ended_is_started_again_and_the_sidecar_named() -> None:
    with a_batch_scene() as scene:
        file = a_running_file(scene)
        containers = [{"name": "ocr", "exitCode": 137}, {"name": "proxy", "exitCode": 1}]
        stop = Stop(code=EXITED, reason=EXITED_TEXT, exit_code=137)
        scene.berthmaster.put_event(an_event(file, stop, containers=containers))
        scene.wait(5)
        assert outcome(scene) == Outcome(State.WAITING, failures=1)
        assert "the container proxy has ended with exit code 1" in scene.files()[0].reason
