"""A destination that cannot be read does not hinder the others."""

from tests.support.targets.scene import SHOP, a_targets_scene, addresses


def test_a_group_that_cannot_be_read_fails_the_run_after_the_others_are_reconciled() -> None:
    with a_targets_scene() as scene:
        broken = scene.target_group("broken", SHOP)
        with scene.without_events():
            tasks = scene.serve(2)
        with scene.failing("elbv2:DescribeTargetHealth", broken):
            error = scene.failed_run()
            assert isinstance(error, ExceptionGroup)
            assert len(error.exceptions) == 1
        assert scene.targets() == addresses(tasks)
        assert scene.targets(broken) == set()
        scene.wait(60)
        scene.reconcile()
        assert scene.targets(broken) == addresses(tasks)


def test_a_group_that_was_deleted_fails_no_run() -> None:
    with a_targets_scene() as scene:
        deleted = scene.target_group("deleted", SHOP)
        tasks = scene.serve(1)
        scene.reconcile()
        scene.cloud.client("elbv2").delete_target_group(TargetGroupArn=deleted)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(tasks)


def test_without_its_attributes_a_group_gets_new_tasks_and_keeps_its_stopped_ones() -> None:
    """The end of a drain is unknown, and a target that is removed twice may drain twice as long."""
    with a_targets_scene(drain=10) as scene:
        tasks = scene.serve(2)
        with scene.without_events():
            scene.fleet.stop(tasks[0])
            scene.wait(200)
        with scene.failing("elbv2:DescribeTargetGroupAttributes"):
            scene.reconcile()
            assert isinstance(scene.failed_run(), ExceptionGroup)
            assert scene.targets() == addresses(tasks) | addresses(scene.running())
        scene.wait(60)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())
