"""Workers that end before their files are done: what is charged to whom, and who does the files then."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.model.breaker import BreakerState
from simulator.aws.ecs.programs import Container, Program
from simulator.workload.workers import taking, worker
from tests.support.batch.scene import BatchScene
from tests.support.batch.workers import a_worker_pipeline, claim_one, launches, put, wait_for, workers

RELEASED = 100.0
"""By then the claims of a worker that has ended are released."""


def breaker(scene: BatchScene) -> BreakerState:
    return Breakers(scene.cloud.client("dynamodb"), scene.table).get("ocr").state


def test_the_file_of_a_worker_whose_host_failed_is_done_by_another_and_charged_nothing() -> None:
    with a_worker_pipeline(taking(300)) as scene:
        put(scene, 1)
        wait_for(scene, "running")
        (first,) = scene.cloud.tasks.alive()
        scene.cloud.tasks.fail_host(first)
        ended_at = scene.cloud.clock.now()
        wait_for(scene, "waiting")
        (file,) = scene.files()
        assert timedelta(seconds=60) <= file.since - ended_at <= timedelta(seconds=RELEASED)
        assert (file.attempts, file.failures, file.is_alone) == (0, 1, False)
        scene.settle()
        (file,) = scene.files()
        assert file.launch
        assert (file.state, file.launch.number) == ("committed", 2)
        assert workers(scene)[0].cause == "infrastructure"


class FailsAtFirst:
    """A worker that fails when it has claimed its first file, and a good one after that."""

    def __init__(self) -> None:
        self._has_failed = False

    def __call__(self, container: Container) -> int:
        if self._has_failed:
            return worker(taking(10))(container) or 0
        claim_one(container)
        self._has_failed = True
        return 1


def is_killed(scene: BatchScene) -> None:
    """A worker is killed while it works, as for lack of memory."""
    (task,) = scene.cloud.tasks.alive()
    scene.cloud.tasks.crash(task)


@pytest.mark.parametrize(
    ("program", "happens", "is_larger"),
    [(worker(taking(300)), is_killed, True), (FailsAtFirst(), lambda _: None, False)],
    ids=["killed", "failed"],
)
def test_a_file_at_which_a_worker_ended_has_a_task_of_its_own(
    program: Program, happens: Callable[[BatchScene], None], *, is_larger: bool
) -> None:
    with a_worker_pipeline(program=program) as scene:
        put(scene, 1)
        wait_for(scene, "running")
        happens(scene)
        scene.settle()
        (file,) = scene.files()
        assert file.launch
        assert (file.state, file.is_alone, file.attempts, file.launch.number) == ("committed", True, 0, 2)
        assert (file.launch.size is not None) is is_larger
        (by_itself,) = [call for call in launches(scene) if call.params["startedBy"].startswith(file.id)]
        assert by_itself.params["clientToken"] == f"{file.id}-2"


def test_an_image_that_is_no_worker_stops_the_pipeline_until_it_is_one() -> None:
    """Nobody is charged for what such a task does not do: without this, one would follow the other."""
    with a_worker_pipeline(program=lambda _: 0, pipeline={"limits": {"tasks": 1}}) as scene:
        put(scene, 3)
        scene.wait(600)
        assert breaker(scene) is not BreakerState.CLOSED
        assert len(workers(scene)) <= 4
        (stopped,) = scene.events("Pipeline Stopped")
        assert "berthmaster-worker" in stopped["diagnosis"]
        scene.define_task("ocr", worker(taking(10)))
        scene.settle()
        assert {state for states in scene.states().values() for state in states} == {"committed"}
        assert breaker(scene) is BreakerState.CLOSED
        assert len(scene.events("Pipeline Resumed")) == 1


def test_what_spot_workers_hand_back_goes_on_demand_when_spot_had_its_tries() -> None:
    with a_worker_pipeline(taking(300), pipeline={"spot": {"tries": 2}}) as scene:
        put(scene, 1)
        for _ in range(2):
            wait_for(scene, "running")
            (task,) = scene.cloud.tasks.alive()
            assert task.capacity_provider == "FARGATE_SPOT"
            scene.cloud.tasks.interrupt(task)
            scene.wait(10)
        scene.settle()
        (file,) = scene.files()
        assert file.launch
        assert (file.state, file.launch.number, file.launch.provider) == ("committed", 3, "FARGATE")
        assert (file.failures, file.spot_losses, file.is_alone) == (0, 2, True)


def test_what_a_spot_worker_could_not_hand_back_goes_on_demand_when_spot_had_its_tries() -> None:
    with a_worker_pipeline(taking(300), pipeline={"spot": {"tries": 1}}) as scene:
        put(scene, 1)
        wait_for(scene, "running")
        (task,) = scene.cloud.tasks.alive()
        assert task.capacity_provider == "FARGATE_SPOT"
        # The notice comes, and the container is gone before it could report.
        scene.cloud.tasks.interrupt(task)
        scene.cloud.tasks.crash(task)
        scene.settle()
        (file,) = scene.files()
        assert file.launch
        assert (file.state, file.spot_losses, file.launch.provider) == ("committed", 1, "FARGATE")
