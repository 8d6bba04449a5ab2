"""Workers that events do not tell of: lost events, tasks that ECS has forgotten, tasks that no worker has."""

from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.identity import worker_id
from simulator.workload.workers import taking
from tests.support.batch.claims import claim
from tests.support.batch.reconciling import calls, is_to_run, lose_task_events, pause, run_task, sleeps
from tests.support.batch.worker_records import a_worker
from tests.support.batch.workers import a_worker_pipeline, put, workers


def test_a_worker_whose_events_are_all_lost_is_followed() -> None:
    with a_worker_pipeline(taking(60)) as scene:
        lose_task_events(scene)
        put(scene, 5)
        scene.settle()
        scene.wait(600)
        found = workers(scene)
        assert {(one.state, one.is_released) for one in found} == {("ended", True)}
        assert {one.cause for one in found} == {"done"}
        assert all(one.launch.started_at and one.launch.stopped_at for one in found)


def test_the_file_of_a_worker_that_ecs_has_forgotten_is_done_by_another() -> None:
    with a_worker_pipeline() as scene:
        pause(scene)
        put(scene, 1)
        scene.wait(20)
        (file,) = scene.files()
        gone = a_worker(scene, worker_id("ocr", "gone", 1), Size(256, 512))
        now = scene.cloud.clock.now()
        claim(scene.cloud.client("dynamodb"), scene.table, file, at=now, owner=gone.id)
        scene.request("Resume Requested", automation="batch")
        scene.settle(limit=1200)
        scene.wait(600)
        found = Workers(scene.cloud.client("dynamodb"), scene.table).get("ocr", gone.id)
        assert found
        assert (found.state, found.is_released) == ("ended", True)
        (file,) = scene.files()
        assert file.launch
        assert (file.state, file.launch.number, file.attempts) == ("committed", 2, 0)
        assert scene.dead_letters() == []


def test_a_task_of_a_worker_that_has_ended_is_stopped_in_the_second_run_that_finds_it() -> None:
    with a_worker_pipeline(program=sleeps) as scene:
        put(scene, 1)
        scene.wait(60)
        (first,) = scene.cloud.tasks.alive()
        scene.cloud.tasks.fail_host(first)
        scene.wait(10)
        ghost = run_task(scene, first.started_by)
        scene.wait(65)
        assert is_to_run(scene, ghost)
        scene.wait(65)
        assert not is_to_run(scene, ghost)


def test_a_worker_that_the_ledger_does_not_know_is_not_stopped() -> None:
    with a_worker_pipeline(program=sleeps) as scene:
        other = run_task(scene, worker_id("ocr", "unknown", 1))
        scene.wait(300)
        assert is_to_run(scene, other)
        assert calls(scene, "ecs:StopTask") == []
        (told,) = scene.events("Tasks Unknown")
        assert told["tasks"] == [other]
