"""A worker is stopped in the middle of a file: the next one has what its command has left, which is then deleted."""

from datetime import timedelta

from berthmaster.batch.plan.leftovers import AFTER_STOP
from simulator.aws.ecs.programs import Terminated
from simulator.workload.workers import Job, worker
from tests.support.batch.workers import a_worker_pipeline, workers

STEPS, STEP = 10, 20


def in_steps(job: Job) -> int:
    """Work for some minutes; the result says at which step it has begun."""
    progress = job.checkpoint / "progress"
    begun_at = done = int(progress.read_text()) if progress.exists() else 0
    try:
        while done < STEPS:
            job.sleep(STEP)
            done += 1
    except Terminated:
        progress.write_text(str(done))
        return 1
    job.write("begun.txt", b"%d" % begun_at)
    return 0


def test_a_file_goes_on_where_its_worker_was_stopped() -> None:
    with a_worker_pipeline() as scene:
        scene.cloud.tasks.programs["ocr"] = worker(in_steps, with_checkpoints=True)
        scene.put("scans/a.tif")
        scene.wait(150)
        (first,) = workers(scene)
        scene.cloud.client("ecs").stop_task(cluster="batch", task=first.launch.task)
        scene.wait(600)
        (file,) = scene.files()
        assert (file.state, file.attempts, file.result_of) == ("committed", 0, 2)
        results = scene.objects("ocr/")
        assert 1 <= int(results["ocr/a.tif/begun.txt"]) < STEPS
        kept = f"ocr/.berthmaster/attempts/{file.id}/1/.checkpoint"
        assert kept in results
        scene.wait((AFTER_STOP + timedelta(minutes=15)).total_seconds())
        assert set(results) - set(scene.objects("ocr/")) == {kept}
