"""Workers that give no sign of life, judged by the clock of whoever looks: their files, and their tasks."""

from datetime import timedelta

from berthmaster.batch.ledger.heartbeats import partition
from simulator.aws.ecs.programs import Container
from simulator.workload.workers import taking, worker
from tests.support.batch.reconciling import calls, is_to_run, pause
from tests.support.batch.workers import a_worker_pipeline, hangs, put, wait_for, workers


class HangsAtFirst:
    """A worker that claims a file and then does nothing, and good ones after it."""

    def __init__(self) -> None:
        self._has_hung = False

    def __call__(self, container: Container) -> int:
        if self._has_hung:
            return worker(taking(10))(container) or 0
        self._has_hung = True
        return hangs(container)


def test_the_file_of_a_worker_that_hangs_is_done_by_another_and_the_task_is_stopped() -> None:
    with a_worker_pipeline(program=HangsAtFirst(), pipeline={"limits": {"tasks": 2}}) as scene:
        put(scene, 1)
        wait_for(scene, "running")
        (silent,) = workers(scene)
        claimed_at = scene.cloud.clock.now()
        wait_for(scene, "waiting")
        assert timedelta(seconds=90) <= scene.cloud.clock.now() - claimed_at <= timedelta(minutes=3.5)
        scene.settle(limit=120)
        assert is_to_run(scene, silent.launch.task), "it may come to life again"
        scene.wait(400)
        (stop,) = calls(scene, "ecs:StopTask")
        assert stop.params["task"] == silent.launch.task
        assert stop.params["reason"] == "Berthmaster: its worker gave no sign of life for minutes"
        (file,) = scene.files()
        assert file.launch
        assert (file.state, file.launch.number, file.attempts, file.failures) == ("committed", 2, 0, 1)
        assert {(one.state, one.is_released) for one in workers(scene)} == {("ended", True)}
        assert len(workers(scene)) == 2


def test_a_worker_whose_heartbeats_say_another_time_lives() -> None:
    """No time that a worker writes is believed: only that the text changes."""

    def slow_clock(container: Container) -> int:
        dynamodb, worker_id = container.client("dynamodb"), container.environment["BERTHMASTER_WORKER"]
        number = 0
        while True:
            number += 1
            dynamodb.put_item(
                TableName=container.environment["BERTHMASTER_TABLE"],
                Item={
                    "pk": {"S": partition("ocr")},
                    "sk": {"S": worker_id},
                    "beat": {"S": f"{number:012d}"},
                    "at": {"S": "1999-01-01T00:00:00+00:00"},
                    "done": {"N": "0"},
                },
            )
            container.sleep(20)

    with a_worker_pipeline(program=slow_clock, pipeline={"limits": {"tasks": 1}}) as scene:
        put(scene, 1)
        scene.wait(900)
        (one,) = workers(scene)
        assert one.state == "running"
        assert calls(scene, "ecs:StopTask") == []


def test_a_paused_batch_stops_no_silent_worker() -> None:
    with a_worker_pipeline(program=hangs) as scene:
        put(scene, 1)
        wait_for(scene, "running")
        pause(scene)
        scene.wait(900)
        assert calls(scene, "ecs:StopTask") == []


def test_the_first_worker_that_lives_shows_that_its_pipeline_works_again() -> None:
    """Not the first whose container runs: it may end at once, as those before it."""
    with a_worker_pipeline(program=lambda _: 1, pipeline={"limits": {"tasks": 1}}) as scene:
        put(scene, 2)
        scene.wait(600)
        assert len(scene.events("Pipeline Stopped")) == 1
        scene.define_task("ocr", worker(taking(600)))
        wait_for(scene, "running")
        scene.wait(150)
        assert len(scene.events("Pipeline Resumed")) == 1
        assert [file.state for file in scene.files()].count("committed") == 0, "seen by its heartbeats, not by a result"
