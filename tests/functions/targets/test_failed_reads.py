"""What AWS will not say of one destination, definition or operation concerns nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from simulator.aws.ecs.task import Task
from simulator.errors import AwsError
from tests.support.targets.scene import RECONCILE, SHOP, SYNC, TargetsScene, a_targets_scene, tags_of

BATCH, OTHER = tags_of(family="batch"), tags_of(service="other")


def addresses(tasks: list[Task]) -> set[str]:
    return {task.address for task in tasks}


@contextmanager
def failing(scene: TargetsScene, operation: str, about: str = "", code: str = "InternalFailure") -> Iterator[None]:
    """Let AWS fail at calls that name something; containers that know the answers die."""
    healthy = scene.cloud.answers.get(operation)

    def answer(cloud: Any, params: Any) -> Any:
        if about in str(params):
            raise AwsError(code, "Try again later.", status=503)
        return healthy(cloud, params) if healthy else None

    scene.berthmaster.runtime.kill_containers()
    scene.cloud.answers[operation] = answer
    try:
        yield
    finally:
        if healthy:
            scene.cloud.answers[operation] = healthy
        else:
            del scene.cloud.answers[operation]


def tell_at_once(scene: TargetsScene, tasks: list[Task]) -> None:
    """Let one invocation hear of all these tasks."""
    for task in tasks:
        scene.berthmaster.put_event(scene.sighting(task))
    scene.wait(10)


GROUP_READS = ["elbv2:DescribeTargetGroupAttributes", "elbv2:DescribeTargetHealth"]


# Events


@pytest.mark.parametrize("operation", GROUP_READS)
def test_a_target_group_that_cannot_be_read_waits_alone(operation: str) -> None:
    with a_targets_scene() as scene:
        broken, other = scene.target_group("broken", SHOP), scene.target_group("other", OTHER)
        with scene.deaf():
            tasks, others = scene.serve(2), scene.serve(2, name="other")
        with failing(scene, operation, broken):
            tell_at_once(scene, tasks + others)
            assert scene.targets(other) == addresses(others)
            assert scene.targets(broken) == set()
        scene.wait(300)
        assert scene.targets(broken) == scene.targets() == addresses(tasks)
        assert scene.letters() == []


def test_a_target_group_that_is_deleted_keeps_nobody_out_of_another() -> None:
    with a_targets_scene() as scene:
        gone, other = scene.target_group("gone", SHOP), scene.target_group("other", OTHER)
        scene.serve(1)
        with scene.deaf():
            scene.fleet.scale("shop", 3)
            others = scene.serve(2, name="other")
        scene.cloud.client("elbv2").delete_target_group(TargetGroupArn=gone)
        tell_at_once(scene, scene.running() + others)
        assert scene.targets(other) == addresses(others)
        assert scene.targets() == addresses(scene.running())
        scene.wait(300)
        assert scene.letters() == []


def test_what_cannot_be_read_keeps_no_task_out_of_its_other_destinations() -> None:
    with a_targets_scene() as scene:
        broken = scene.target_group("broken", SHOP)
        with failing(scene, "elbv2:DescribeTargetGroupAttributes", broken):
            tasks = scene.serve(2)
            assert scene.targets() == addresses(tasks)


def test_who_leaves_is_let_go_where_aws_answers_and_later_where_it_did_not() -> None:
    with a_targets_scene(drain=10) as scene:
        broken = scene.target_group("broken", SHOP, drain=10)
        tasks = scene.serve(2)
        assert scene.targets() == scene.targets(broken) == addresses(tasks)
        with failing(scene, "elbv2:DescribeTargetGroupAttributes", broken):
            scene.fleet.scale("shop", 1)
            scene.wait(2)
            assert scene.targets() == addresses(scene.running())
            assert scene.targets(broken) == addresses(tasks)
        scene.wait(300)
        assert scene.targets(broken) == addresses(scene.running())
        assert scene.letters() == []


def test_a_cloud_map_service_that_cannot_be_read_waits_alone() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        with failing(scene, "servicediscovery:GetService"):
            tasks = scene.serve(2)
            assert scene.targets() == addresses(tasks)
            assert scene.instances(discovery) == set()
        scene.wait(300)
        assert scene.instances(discovery) == addresses(tasks)


def test_a_definition_that_cannot_be_read_keeps_its_own_tasks_waiting_only() -> None:
    with a_targets_scene() as scene:
        batch = scene.target_group("batch", BATCH)
        with scene.deaf():
            task, tasks = scene.run_task("batch"), scene.serve(1)
        with failing(scene, "ecs:DescribeTaskDefinition", "batch"):
            tell_at_once(scene, [task, *tasks])
            assert scene.targets() == addresses(tasks)
            assert scene.targets(batch) == set()
        scene.wait(300)
        assert scene.targets(batch) == {task.address}


def test_an_operation_that_cloud_map_will_not_speak_of_keeps_nobody_out() -> None:
    with a_targets_scene() as scene:
        scene.cloud_map("batch", BATCH)
        with scene.deaf():
            tasks = scene.serve(2)
        with failing(scene, "servicediscovery:GetOperation"):
            task = scene.run_task("batch")
            tell_at_once(scene, [task, *tasks])
            assert scene.targets() == addresses(tasks)
        scene.wait(600)
        assert scene.letters() == []


def test_a_newcomer_waits_while_it_is_unknown_what_the_former_owner_of_its_address_left() -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        broken = scene.target_group("broken", BATCH, drain=10)
        former = scene.run_task("batch")
        with scene.deaf():
            scene.fleet.stop(former)
            scene.wait(120)
        with failing(scene, "elbv2:DescribeTargetGroupAttributes", broken):
            (heir,) = scene.serve(1, spread=False)
            assert heir.address == former.address
            assert scene.targets() == set()
        scene.wait(300)
        assert scene.targets() == {heir.address}
        assert scene.targets(broken) == set()


def test_when_ecs_will_not_say_what_it_registers_itself_nobody_arrives() -> None:
    with a_targets_scene() as scene:
        with failing(scene, "ecs:DescribeServices", code="ServerException"):
            scene.serve(1)
            assert scene.targets() == set()
        scene.wait(300)
        assert scene.targets() == addresses(scene.running())
        assert scene.letters() == []


def test_a_note_is_believed_for_five_minutes() -> None:
    with a_targets_scene() as scene:
        scene.serve(1)
        scene.reconcile()

        def asked_while_scaling_to(count: int) -> bool:
            seq = len(scene.cloud.calls)
            scene.fleet.scale("shop", count)
            scene.wait(60)
            assert scene.targets() == addresses(scene.running())
            return bool(scene.cloud.calls.since(seq).of(SYNC).named("elbv2:DescribeTargetHealth"))

        assert not asked_while_scaling_to(2)
        scene.wait(400)
        assert asked_while_scaling_to(3)
        scene.reconcile(times=8)
        assert not asked_while_scaling_to(4)


# Reconciliations


@pytest.mark.parametrize("operation", GROUP_READS)
def test_a_pass_heals_all_but_what_cannot_be_read_and_fails(operation: str) -> None:
    with a_targets_scene() as scene:
        broken = scene.target_group("broken", SHOP)
        with scene.deaf():
            tasks = scene.serve(2)
        with failing(scene, operation, broken):
            error = scene.berthmaster.invoke(RECONCILE, {}).error
            assert isinstance(error, ExceptionGroup)
            assert len(error.exceptions) == 1
        assert scene.targets() == addresses(tasks)
        assert scene.targets(broken) == set()
        scene.wait(60)
        scene.reconcile()
        assert scene.targets(broken) == addresses(tasks)


def test_a_target_group_that_is_deleted_is_told_and_fails_no_pass() -> None:
    with a_targets_scene() as scene:
        gone = scene.target_group("gone", SHOP)
        tasks = scene.serve(1)
        scene.reconcile()
        scene.cloud.client("elbv2").delete_target_group(TargetGroupArn=gone)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(tasks)


def test_the_same_address_in_another_vpc_is_no_heir() -> None:
    with a_targets_scene(drain=10) as scene:
        ec2 = scene.cloud.client("ec2")
        (task,) = scene.serve(1, spread=False)
        scene.cloud.client("elbv2").register_targets(
            TargetGroupArn=scene.shop, Targets=[{"Id": "10.0.0.60", "Port": 80}]
        )
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/26")["Subnet"]["SubnetId"]
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=task.address)
        with scene.deaf():
            scene.fleet.scale("shop", 0)
            scene.wait(130)
        scene.reconcile(times=3)
        assert scene.targets() == {"10.0.0.60"}
        assert scene.events("Change Proposed") == []
