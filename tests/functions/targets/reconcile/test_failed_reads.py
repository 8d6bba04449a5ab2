"""A destination that cannot be read does not hinder the others."""

import pytest

from tests.support.targets.scene import SHOP, a_targets_scene, addresses


@pytest.mark.parametrize("operation", ["elbv2:DescribeTargetGroupAttributes", "elbv2:DescribeTargetHealth"])
def test_a_group_that_cannot_be_read_fails_the_run_after_the_others_are_reconciled(operation: str) -> None:
    with a_targets_scene() as scene:
        broken = scene.target_group("broken", SHOP)
        with scene.without_events():
            tasks = scene.serve(2)
        with scene.failing(operation, broken):
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
