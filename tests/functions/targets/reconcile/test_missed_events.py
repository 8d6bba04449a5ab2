"""The reconciliation repairs what lost events left undone."""

from tests.support.targets.scene import (
    BATCH,
    COOL_DOWN,
    RECONCILE,
    SHOP,
    TargetsScene,
    a_targets_scene,
    addresses,
)


def asked_by_name(scene: TargetsScene) -> set[str]:
    """The tasks that runs have had described."""
    calls = scene.cloud.calls.of(RECONCILE).named("ecs:DescribeTasks")
    return {arn for call in calls for arn in call.params["tasks"]}


def test_started_tasks_are_registered() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        with scene.without_events():
            tasks = scene.serve(3)
        assert scene.targets() == set()
        scene.reconcile()
        assert scene.targets() == scene.instances(discovery) == addresses(tasks)
        scene.reconcile(times=2)
        assert scene.operations(RECONCILE) == ["RegisterTargets"] + 3 * ["RegisterInstance"]


def test_stopped_tasks_are_deregistered_in_the_second_run_after_ecs_was_asked_by_name() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        tasks = scene.serve(2)
        with scene.without_events():
            scene.fleet.scale("shop", 1)
            scene.wait(COOL_DOWN)
        (running,) = scene.running()
        (stopped,) = [task for task in tasks if task is not running]
        scene.reconcile()
        assert scene.targets() == scene.instances(discovery) == addresses(tasks)
        assert stopped.arn not in asked_by_name(scene)
        scene.reconcile()
        assert scene.targets() == scene.instances(discovery) == {running.address}
        assert stopped.arn in asked_by_name(scene)


def test_a_task_that_ecs_lists_as_leaving_is_deregistered_in_the_first_run() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        with scene.without_events():
            scene.fleet.interrupt(task)
            scene.wait(1)
        assert task.is_listening
        with scene.answering("ecs:ListTasks", lambda _cloud, _params: {"taskArns": [task.arn]}):
            scene.reconcile(minutes=0)
        assert scene.targets() == set()


def test_a_task_of_no_service_is_registered_by_its_family() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH)
        with scene.without_events():
            task = scene.run_task("batch")
        scene.reconcile()
        assert scene.targets(group) == {task.address}


def test_a_task_that_is_not_yet_healthy_is_not_registered() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            task = scene.start_task(health_check=True)
            task.next.cancel()
            scene.wait(60)
        scene.reconcile(times=2)
        assert task.health_status == "UNKNOWN"
        assert scene.targets() == set()


def test_a_task_that_drains_on_request_is_not_registered_again() -> None:
    with a_targets_scene(drain=400) as scene:
        discovery = scene.cloud_map("shop", SHOP)
        (task,) = scene.serve(1)
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(COOL_DOWN)
        scene.reconcile(times=3)
        assert task.is_running
        assert scene.targets() == scene.instances(discovery) == set()
        scene.wait(120)
        assert task.desired_status == "STOPPED"
        assert scene.operations(RECONCILE) == []


def test_a_registration_that_failed_in_cloud_map_is_tried_again() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        (task,) = scene.serve(1)
        scene.reconcile(times=2)
        assert scene.instances(discovery) == set()
        scene.reconcile(times=5)
        assert scene.instances(discovery) == {task.address}


def test_a_registration_that_the_reconciliation_began_and_that_failed_is_reported_once() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        with scene.without_events():
            (task,) = scene.serve(1)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        scene.reconcile(times=2)
        assert scene.instances(discovery) == set()
        assert [code for code, _ in scene.findings()] == ["operation failed"]
        scene.reconcile(times=6)
        assert scene.instances(discovery) == {task.address}
        assert len(scene.mails()) == 1
