"""A target outside the VPC of its group needs a zone; where what is remembered of the VPC is old, AWS's word counts."""

import pytest

from simulator.aws.ecs.task import Task
from tests.support.targets.scene import COOL_DOWN, SHOP, TargetsScene, a_targets_scene, addresses

ZONE = "AvailabilityZone"


def zones(scene: TargetsScene, operation: str, group: str) -> list[str]:
    """The zones that the functions sent with each target of a group, empty for none."""
    return [
        target.get(ZONE, "")
        for call in scene.writes()
        if call.operation == operation and call.params["TargetGroupArn"] == group and call.outcome == "ok"
        for target in call.params["Targets"]
    ]


def in_a_new_subnet(scene: TargetsScene) -> list[Task]:
    """Start the service in a subnet of a block that the VPC has only just got."""
    scene.cloud.client("ec2").associate_vpc_cidr_block(VpcId=scene.network.vpc_id, CidrBlock="100.64.0.0/16")
    scene.wait(30)
    subnet_id = scene.network.subnet("c", "100.64.0.0/24")
    scene.fleet.service("shop", scene.network.network_configuration(subnet_id), 2)
    scene.wait(60)
    return scene.running()


def test_tasks_in_a_subnet_that_is_newer_than_what_is_remembered_are_registered_within_seconds() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("other", scene.first_subnet(), 1)
        group = scene.target_group("both", SHOP | {"berthmaster:service": "shop other"})
        scene.wait(60)
        assert len(scene.targets(group)) == 1
        tasks = in_a_new_subnet(scene)
        assert scene.targets() == addresses(tasks)
        assert addresses(tasks) < scene.targets(group)
        scene.reconcile()
        assert scene.findings() == []


def test_the_reconciliation_reads_again_what_aws_contradicts() -> None:
    with a_targets_scene() as scene:
        scene.reconcile()
        with scene.without_events():
            tasks = in_a_new_subnet(scene)
        scene.reconcile()
        assert scene.targets() == addresses(tasks)
        assert [code for code, _ in scene.findings()] == ["not found"]


def test_a_block_of_the_vpc_without_a_subnet_does_not_count_as_inside() -> None:
    with a_targets_scene() as scene:
        ec2 = scene.cloud.client("ec2")
        wide = str(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
        ec2.create_subnet(VpcId=wide, CidrBlock="10.0.128.0/24")
        group = scene.target_group("wide", SHOP, vpc_id=wide)
        tasks = scene.serve(2)
        assert scene.targets(group) == addresses(tasks)
        assert zones(scene, "RegisterTargets", group) == ["all", "all"]


def test_a_target_is_deregistered_with_the_zone_that_it_was_registered_with() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("elsewhere", SHOP, vpc_id=scene.other_vpc())
        (task,) = scene.serve(1)
        scene.fleet.stop(task)
        scene.wait(20)
        assert task.address not in scene.targets(group)
        assert zones(scene, "DeregisterTargets", group) == ["all"]
        assert zones(scene, "DeregisterTargets", scene.shop) == [""]


@pytest.mark.parametrize("cross_zone", ["true", "false"])
def test_a_change_of_cross_zone_load_balancing_is_noticed_when_aws_refuses_the_zone(cross_zone: str) -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("elsewhere", SHOP, vpc_id=scene.other_vpc())
        scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.cloud.client("elbv2").modify_target_group_attributes(
            TargetGroupArn=group, Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": cross_zone}]
        )
        scene.fleet.scale("shop", 3)
        scene.wait(60)
        assert scene.targets(group) == addresses(scene.running())
