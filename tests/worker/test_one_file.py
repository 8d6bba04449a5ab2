"""Tasks that were started for one file with the worker in their image: the contract `command`, in virtual time."""

import pytest

from simulator.aws.ecs.programs import Terminated
from simulator.workload.workers import Job, Work, worker
from tests.support.batch.worker_ledger import INCOMING, RESULTS, ROOT
from tests.support.batch.worker_scene import WorkerScene, a_worker_scene


def start(scene: WorkerScene, work: Work, file: str, attempt: int = 1, *, version_id: str = "") -> str:
    found = scene.ledger.file(file)
    environment = {
        "BERTHMASTER_FILE": file,
        "BERTHMASTER_INPUT_BUCKET": INCOMING,
        "BERTHMASTER_INPUT_KEY": found.key,
        "BERTHMASTER_INPUT_VERSION_ID": version_id or found.version_id,
        "BERTHMASTER_INPUT_ETAG": found.etag,
        "BERTHMASTER_OUTPUT_BUCKET": RESULTS,
        "BERTHMASTER_OUTPUT_PREFIX": f"{ROOT}{file}/{attempt}/",
        "BERTHMASTER_ATTEMPT": str(attempt),
    }
    return scene.run_task(worker(work, with_checkpoints=True), environment)


@pytest.mark.parametrize("code", [0, 3, 4, 75, 137])
def test_the_task_ends_as_its_command_does(code: int) -> None:
    def work(job: Job) -> int:
        job.write("a/b.txt", job.data * 2)
        return code

    with a_worker_scene() as scene:
        file = scene.ledger.put("x.tif", b"x")
        task = start(scene, work, file)
        scene.run(60)
        assert scene.exit_code(task) == code
        assert scene.ledger.objects() == ({} if code else {f"{file}/1/a/b.txt": b"xx"})
        # It is not the worker's to claim or to report.
        assert scene.ledger.file(file).claim is None
        assert scene.ledger.results() == []


def test_an_input_that_is_gone_is_to_be_looked_for_again() -> None:
    with a_worker_scene() as scene:
        task = start(scene, lambda _: 0, scene.ledger.put("x", b"x"), version_id="gone")
        scene.run(60)
        assert scene.exit_code(task) == 75


def test_a_task_that_is_stopped_leaves_a_checkpoint_for_the_next_launch() -> None:
    def work(job: Job) -> int:
        step = job.checkpoint / "step"
        if step.exists():
            job.write("result", step.read_bytes())
            return 0
        try:
            job.sleep(1000)
        except Terminated:
            step.write_text("3")
        return 1

    with a_worker_scene() as scene:
        file = scene.ledger.put("x", b"x")
        task = start(scene, work, file)
        scene.run(60)
        scene.stop(task)
        scene.run(60)
        assert scene.exit_code(task) == 143
        # One that did not start lies between.
        second = start(scene, work, file, attempt=3)
        scene.run(60)
        assert scene.exit_code(second) == 0
        assert scene.ledger.objects()[f"{file}/3/result"] == b"3"
