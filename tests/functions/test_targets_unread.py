"""What AWS will not say of one destination, definition or operation concerns nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from simulator.errors import AwsError
from simulator.task import Task
from tests.target_scenes import RECONCILE, SHOP, SYNC, Quay, a_quay, tags_of

BATCH, OTHER = tags_of(family="batch"), tags_of(service="other")


def addresses(tasks: list[Task]) -> set[str]:
    return {task.address for task in tasks}


@contextmanager
def failing(quay: Quay, operation: str, about: str = "", code: str = "InternalFailure") -> Iterator[None]:
    """Let AWS fail at calls that name something; containers that know the answers die."""
    healthy = quay.cloud.answers.get(operation)

    def answer(cloud: Any, params: Any) -> Any:
        if about in str(params):
            raise AwsError(code, "Try again later.", status=503)
        return healthy(cloud, params) if healthy else None

    quay.berthmaster.runtime.kill_containers()
    quay.cloud.answers[operation] = answer
    try:
        yield
    finally:
        if healthy:
            quay.cloud.answers[operation] = healthy
        else:
            del quay.cloud.answers[operation]


def tell_at_once(quay: Quay, tasks: list[Task]) -> None:
    """Let one invocation hear of all these tasks."""
    for task in tasks:
        quay.berthmaster.put_event(quay.sighting(task))
    quay.wait(10)


GROUP_READS = ["elbv2:DescribeTargetGroupAttributes", "elbv2:DescribeTargetHealth"]


# Events


@pytest.mark.parametrize("operation", GROUP_READS)
def test_a_target_group_that_cannot_be_read_waits_alone(operation: str) -> None:
    with a_quay() as quay:
        broken, other = quay.target_group("broken", SHOP), quay.target_group("other", OTHER)
        with quay.deaf():
            tasks, others = quay.serve(2), quay.serve(2, name="other")
        with failing(quay, operation, broken):
            tell_at_once(quay, tasks + others)
            assert quay.targets(other) == addresses(others)
            assert quay.targets(broken) == set()
        quay.wait(300)
        assert quay.targets(broken) == quay.targets() == addresses(tasks)
        assert quay.letters() == []


def test_a_target_group_that_is_deleted_keeps_nobody_out_of_another() -> None:
    with a_quay() as quay:
        gone, other = quay.target_group("gone", SHOP), quay.target_group("other", OTHER)
        quay.serve(1)
        with quay.deaf():
            quay.fleet.scale("shop", 3)
            others = quay.serve(2, name="other")
        quay.cloud.client("elbv2").delete_target_group(TargetGroupArn=gone)
        tell_at_once(quay, quay.running() + others)
        assert quay.targets(other) == addresses(others)
        assert quay.targets() == addresses(quay.running())
        quay.wait(300)
        assert quay.letters() == []


def test_what_cannot_be_read_keeps_no_task_out_of_its_other_destinations() -> None:
    with a_quay() as quay:
        broken = quay.target_group("broken", SHOP)
        with failing(quay, "elbv2:DescribeTargetGroupAttributes", broken):
            tasks = quay.serve(2)
            assert quay.targets() == addresses(tasks)


def test_who_leaves_is_let_go_where_aws_answers_and_later_where_it_did_not() -> None:
    with a_quay(drain=10) as quay:
        broken = quay.target_group("broken", SHOP, drain=10)
        tasks = quay.serve(2)
        assert quay.targets() == quay.targets(broken) == addresses(tasks)
        with failing(quay, "elbv2:DescribeTargetGroupAttributes", broken):
            quay.fleet.scale("shop", 1)
            quay.wait(2)
            assert quay.targets() == addresses(quay.running())
            assert quay.targets(broken) == addresses(tasks)
        quay.wait(300)
        assert quay.targets(broken) == addresses(quay.running())
        assert quay.letters() == []


def test_a_cloud_map_service_that_cannot_be_read_waits_alone() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        with failing(quay, "servicediscovery:GetService"):
            tasks = quay.serve(2)
            assert quay.targets() == addresses(tasks)
            assert quay.instances(discovery) == set()
        quay.wait(300)
        assert quay.instances(discovery) == addresses(tasks)


def test_a_definition_that_cannot_be_read_keeps_its_own_tasks_waiting_only() -> None:
    with a_quay() as quay:
        batch = quay.target_group("batch", BATCH)
        with quay.deaf():
            task, tasks = quay.run_task("batch"), quay.serve(1)
        with failing(quay, "ecs:DescribeTaskDefinition", "batch"):
            tell_at_once(quay, [task, *tasks])
            assert quay.targets() == addresses(tasks)
            assert quay.targets(batch) == set()
        quay.wait(300)
        assert quay.targets(batch) == {task.address}


def test_an_operation_that_cloud_map_will_not_speak_of_keeps_nobody_out() -> None:
    with a_quay() as quay:
        quay.cloud_map("batch", BATCH)
        with quay.deaf():
            tasks = quay.serve(2)
        with failing(quay, "servicediscovery:GetOperation"):
            task = quay.run_task("batch")
            tell_at_once(quay, [task, *tasks])
            assert quay.targets() == addresses(tasks)
        quay.wait(600)
        assert quay.letters() == []


def test_a_newcomer_waits_while_it_is_unknown_what_the_former_owner_of_its_address_left() -> None:
    with a_quay(reuse=1.0, drain=10) as quay:
        broken = quay.target_group("broken", BATCH, drain=10)
        former = quay.run_task("batch")
        with quay.deaf():
            quay.fleet.stop(former)
            quay.wait(120)
        with failing(quay, "elbv2:DescribeTargetGroupAttributes", broken):
            (heir,) = quay.serve(1, spread=False)
            assert heir.address == former.address
            assert quay.targets() == set()
        quay.wait(300)
        assert quay.targets() == {heir.address}
        assert quay.targets(broken) == set()


def test_when_ecs_will_not_say_what_it_registers_itself_nobody_arrives() -> None:
    with a_quay() as quay:
        with failing(quay, "ecs:DescribeServices", code="ServerException"):
            quay.serve(1)
            assert quay.targets() == set()
        quay.wait(300)
        assert quay.targets() == addresses(quay.running())
        assert quay.letters() == []


def test_a_note_is_believed_for_five_minutes() -> None:
    with a_quay() as quay:
        quay.serve(1)
        quay.reconcile()

        def asked_while_scaling_to(count: int) -> bool:
            seq = len(quay.cloud.calls)
            quay.fleet.scale("shop", count)
            quay.wait(60)
            assert quay.targets() == addresses(quay.running())
            return bool(quay.cloud.calls.since(seq).of(SYNC).named("elbv2:DescribeTargetHealth"))

        assert not asked_while_scaling_to(2)
        quay.wait(400)
        assert asked_while_scaling_to(3)
        quay.reconcile(times=8)
        assert not asked_while_scaling_to(4)


# Reconciliations


@pytest.mark.parametrize("operation", GROUP_READS)
def test_a_pass_heals_all_but_what_cannot_be_read_and_fails(operation: str) -> None:
    with a_quay() as quay:
        broken = quay.target_group("broken", SHOP)
        with quay.deaf():
            tasks = quay.serve(2)
        with failing(quay, operation, broken):
            error = quay.berthmaster.invoke(RECONCILE, {}).error
            assert isinstance(error, ExceptionGroup)
            assert len(error.exceptions) == 1
        assert quay.targets() == addresses(tasks)
        assert quay.targets(broken) == set()
        quay.wait(60)
        quay.reconcile()
        assert quay.targets(broken) == addresses(tasks)


def test_a_target_group_that_is_deleted_is_told_and_fails_no_pass() -> None:
    with a_quay() as quay:
        gone = quay.target_group("gone", SHOP)
        tasks = quay.serve(1)
        quay.reconcile()
        quay.cloud.client("elbv2").delete_target_group(TargetGroupArn=gone)
        quay.reconcile(times=2)
        assert quay.targets() == addresses(tasks)


def test_the_same_address_in_another_vpc_is_no_heir() -> None:
    with a_quay(drain=10) as quay:
        ec2 = quay.cloud.client("ec2")
        (task,) = quay.serve(1, spread=False)
        quay.cloud.client("elbv2").register_targets(TargetGroupArn=quay.shop, Targets=[{"Id": "10.0.0.60", "Port": 80}])
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/26")["Subnet"]["SubnetId"]
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=task.address)
        with quay.deaf():
            quay.fleet.scale("shop", 0)
            quay.wait(130)
        quay.reconcile(times=3)
        assert quay.targets() == {"10.0.0.60"}
        assert quay.events("Change Proposed") == []
