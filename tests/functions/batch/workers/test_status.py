"""What people hear who ask for files that workers have, or that wait for workers."""

from simulator.workload.workers import taking
from tests.support.batch.workers import a_worker_pipeline, put, wait_for, workers


def test_who_asks_hears_of_the_workers() -> None:
    with a_worker_pipeline(taking(200), pipeline={"limits": {"tasks": 1}}) as scene:
        put(scene, 3)
        wait_for(scene, "running")
        scene.wait(10)
        (claimed,) = [one for one in scene.files() if one.state == "running"]
        waiting = next(one for one in scene.files() if one.state == "waiting")
        for file in (claimed, waiting):
            scene.request("File Status Requested", file=file.id)
        scene.request("File Status Requested", pipeline="ocr")
        scene.wait(30)
        (worker,) = workers(scene)
        told = {one["file"]: one for one in scene.events("File Status")}
        assert f"The worker {worker.id} works on it since" in told[claimed.id]["text"]
        assert told[claimed.id]["task"] == worker.launch.task
        assert "It waits for a worker: 1 runs, and " in told[waiting.id]["text"]
        (pipeline,) = scene.events("Pipeline Status")
        assert (pipeline["workers_running"], pipeline["workers_starting"]) == (1, 0)
        assert "1 of its workers run, and 0 start." in pipeline["message"]


def test_a_file_that_is_cancelled_leaves_its_worker_to_others() -> None:
    with a_worker_pipeline(taking(200), pipeline={"limits": {"tasks": 1}}) as scene:
        put(scene, 2)
        wait_for(scene, "running")
        (claimed,) = [one for one in scene.files() if one.state == "running"]
        scene.request("Cancel Requested", file=claimed.id)
        scene.settle()
        assert sorted(one.state for one in scene.files()) == ["cancelled", "committed"]
        scene.wait(200)
        (worker,) = workers(scene)
        assert worker.cause == "done", "one worker did both, and nobody has stopped it"
