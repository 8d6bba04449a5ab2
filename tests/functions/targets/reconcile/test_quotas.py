"""When AWS allows no more targets, those that are registered stay, and people are notified once."""

from collections.abc import Mapping
from typing import Any

from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.targets.scene import SHOP, a_targets_scene, addresses


def test_a_full_target_group_is_reported_once_and_new_tasks_follow_when_others_leave() -> None:
    with a_targets_scene(drain=10) as scene:
        scene.cloud.quotas.apply("L-A0D0B863", 3)
        first = scene.serve(3)
        scene.fleet.scale("shop", 5)
        scene.wait(60)
        scene.reconcile(times=12)
        assert scene.targets() == addresses(first)
        assert [code for code, _ in scene.findings()] == ["quota reached"]
        assert len(scene.mails()) == 1
        scene.fleet.scale("shop", 3)
        scene.wait(60)
        scene.reconcile(times=8)
        assert scene.targets() == addresses(scene.running())


def test_a_full_cloud_map_service_is_reported() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        scene.cloud.discovery.instances_per_service = 2
        with scene.without_events():
            scene.serve(3)
        scene.reconcile()
        assert len(scene.instances(discovery)) == 2
        assert [code for code, _ in scene.findings()] == ["quota reached"]


def test_a_target_that_aws_refuses_is_reported_once_however_often_it_is_tried() -> None:
    def refuse(_cloud: Cloud, _params: Mapping[str, Any]) -> None:
        raise AwsError("InvalidTarget", "The target is not what it should be.")

    with a_targets_scene() as scene:
        with scene.without_events():
            tasks = scene.serve(1)
        with scene.answering("elbv2:RegisterTargets", refuse):
            scene.reconcile(times=20)
        ((code, text),) = scene.findings()
        assert code == "refused"
        assert tasks[0].address in text
        assert len(scene.mails()) == 1
        scene.reconcile(times=6)
        assert scene.targets() == addresses(tasks)
