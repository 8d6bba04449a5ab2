"""Nothing is removed without evidence: missing or wrong answers of ECS change nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.targets.scene import (
    BATCH,
    CLUSTER,
    COOL_DOWN,
    RECONCILE,
    a_targets_scene,
    addresses,
    tags_of,
)


def test_a_list_that_is_wrongly_empty_removes_nothing() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(8)
        scene.wait(COOL_DOWN)
        with scene.answering("ecs:ListTasks", lambda _cloud, _params: {"taskArns": []}):
            scene.reconcile(times=5)
        assert scene.targets() == addresses(tasks)
        assert scene.operations(RECONCILE) == []
        assert scene.mails() == []


@pytest.mark.parametrize("operation", ["ecs:ListTasks", "ecs:DescribeTasks"])
def test_an_error_of_ecs_removes_nothing_and_fails_the_run(operation: str) -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        scene.scale_without_events(0)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        with scene.failing(operation, code="ServerException"):
            for _ in range(3):
                assert scene.failed_run() is not None
                scene.wait(60)
        assert scene.targets() == addresses(tasks)
        scene.reconcile(times=2)
        assert scene.targets() == set()


def test_a_cluster_that_fails_or_does_not_exist_does_not_hinder_others() -> None:
    with a_targets_scene() as scene:
        for cluster in ("broken", "absent"):
            scene.target_group(cluster, tags_of(service="x", cluster=cluster))
        usual = scene.usual_handler("ecs:ListTasks")
        assert usual

        def answer(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            if params["cluster"] == "broken":
                raise AwsError("ServerException", "Service Unavailable", status=500)
            if params["cluster"] == "absent":
                raise AwsError("ClusterNotFoundException", "Cluster not found.")
            return usual(cloud, params)

        with scene.without_events():
            tasks = scene.serve(2)
        with scene.answering("ecs:ListTasks", answer):
            error = scene.failed_run()
        assert isinstance(error, ExceptionGroup)
        assert len(error.exceptions) == 1
        assert scene.targets() == addresses(tasks)
        assert [text for _, text in scene.findings()] == ["ECS does not know the cluster absent"]


def test_a_task_that_ecs_does_not_describe_any_more_counts_as_stopped_after_an_hour() -> None:
    with a_targets_scene() as scene:
        task, _ = scene.serve(2)
        with scene.without_events():
            scene.fleet.stop(task)
            scene.wait(2 * 3600)
        assert not scene.cloud.tasks.is_visible(task)
        scene.reconcile(times=58)
        assert task.address in scene.targets()
        scene.reconcile(times=4)
        assert task.address not in scene.targets()


def test_a_deleted_cluster_is_reported_once_and_its_targets_are_deregistered_after_an_hour() -> None:
    with a_targets_scene(TargetsMinimumTargets="0") as scene:
        group = scene.target_group("batch", BATCH)
        task = scene.run_task("batch")
        with scene.without_events():
            scene.fleet.stop(task)
            scene.until_status(task, "STOPPED")
        scene.cloud.client("ecs").delete_cluster(cluster=CLUSTER)
        del scene.cloud.backend("ecs").clusters[CLUSTER]
        scene.wait(COOL_DOWN)
        scene.reconcile(times=50)
        assert scene.targets(group) == {task.address}
        found = dict(scene.findings())
        assert found.pop("not found") == f"ECS does not know the cluster {CLUSTER}"
        assert task.address in found.pop("waits for a description")
        assert not found
        assert len(scene.mails()) == 2
        scene.reconcile(times=15)
        assert scene.targets(group) == set()
