"""Workers are launched within the pipeline's limit, once each, and where there is room."""

from collections import Counter
from dataclasses import replace

from simulator.workload.workers import taking
from tests.functions.batch.dispatch.test_limits import wake
from tests.support.batch.reconciling import pause
from tests.support.batch.refusals import refusals
from tests.support.batch.scene import DISPATCH, BatchScene
from tests.support.batch.workers import a_worker_pipeline, launches, put, workers

IN_A_MINUTE = {"goal": {"finishWithinMinutes": 1}}
"""So many workers are wanted as there may be."""


def all_committed(scene: BatchScene) -> bool:
    return {state for states in scene.states().values() for state in states} == {"committed"}


def test_workers_and_files_by_themselves_are_no_more_tasks_than_the_pipeline_allows_while_functions_overlap() -> None:
    most = 0
    with a_worker_pipeline(taking(20), pipeline={"limits": {"tasks": 3}, **IN_A_MINUTE}) as scene:
        pause(scene)
        put(scene, 20)
        scene.wait(30)
        for file in scene.files()[:2]:
            scene.ledger.save(replace(file, is_alone=True))
        scene.request("Resume Requested", automation="batch")
        while any(file.is_live for file in scene.files()):
            for _ in range(3):
                wake(scene)
            scene.wait(3)
            most = max(most, len(scene.cloud.tasks.alive()))
        assert all_committed(scene)
        assert most == 3
        by_files = [call for call in launches(scene) if not call.params["startedBy"].startswith("w")]
        assert len(by_files) == 2


def test_an_answer_that_is_lost_starts_no_second_task() -> None:
    with a_worker_pipeline(pipeline=IN_A_MINUTE) as scene:
        for _ in range(2):
            scene.cloud.faults.lose_response(lambda call: call.name == "ecs:RunTask")
        put(scene, 10)
        scene.settle()
        scene.wait(60)
        assert len(launches(scene)) >= 3, "else no answer was lost"
        started = Counter(task.started_by for task in scene.cloud.tasks.visible())
        assert set(started) == {one.id for one in workers(scene)}
        assert set(started.values()) == {1}
        assert all_committed(scene)


def test_where_there_is_no_capacity_other_workers_are_requested_elsewhere() -> None:
    with a_worker_pipeline(pipeline={"spot": {"tries": 1}, **IN_A_MINUTE}) as scene:
        scene.cloud.fargate.lack_capacity(zone=f"{scene.cloud.region}a", until=scene.cloud.clock.timestamp() + 3600)
        scene.cloud.fargate.lack_capacity(provider="FARGATE_SPOT", until=scene.cloud.clock.timestamp() + 3600)
        put(scene, 10)
        scene.settle(limit=600)
        assert all_committed(scene)
        assert {one.cause for one in workers(scene)} <= {"capacity", "done", None}
        assert {one.launch.provider for one in workers(scene) if one.launch.task} == {"FARGATE"}
        assert len([one for one in workers(scene) if one.cause == "capacity"]) <= 8, "one tries again, not all"


def test_a_pipeline_whose_workers_cannot_be_requested_is_tried_with_one() -> None:
    with a_worker_pipeline(pipeline={"limits": {"tasks": 5}, **IN_A_MINUTE}) as scene:
        with refusals(scene, "ClusterNotFoundException", "Cluster not found."):
            put(scene, 30)
            scene.wait(250)
            assert len(scene.events("Pipeline Stopped")) == 1
            assert len(workers(scene)) <= 9, "as many as were under way"
        scene.settle()
        assert all_committed(scene)
        assert len(scene.events("Pipeline Resumed")) == 1


def test_what_workers_are_busy_with_is_looked_at_now_and_then_and_not_all_the_time() -> None:
    with a_worker_pipeline(taking(60), pipeline={"limits": {"tasks": 1}}) as scene:
        put(scene, 40)
        scene.wait(120)
        before = len(scene.cloud.calls.of(DISPATCH))
        scene.wait(180)
        readings = (len(scene.cloud.calls.of(DISPATCH)) - before) / 60
        assert readings <= 6, "by batch_reconcile, once a minute"
