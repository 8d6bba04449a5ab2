"""What others deregister is registered again, and what others register is theirs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.aws.ecs.task import Task
from simulator.aws.elbv2.targets import WhileDraining
from tests.support.targets.scene import (
    BATCH,
    COOL_DOWN,
    RECONCILE,
    SHOP,
    TargetsScene,
    a_targets_scene,
    addresses,
)

BY_HAND = "10.0.0.61"
"""An address that no task has."""


def test_a_target_that_someone_deregistered_is_registered_again() -> None:
    with a_targets_scene(drain=0) as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.deregister_by_hand(tasks[0])
        scene.reconcile()
        assert scene.targets() == addresses(tasks)


def test_an_instance_that_someone_deregistered_is_registered_again() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP, ttl=10)
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        service_id = discovery.rpartition("/")[2]
        removed = next(iter(scene.cloud.discovery.instances(service_id)))
        scene.cloud.client("servicediscovery").deregister_instance(ServiceId=service_id, InstanceId=removed)
        scene.wait(10)
        scene.reconcile()
        assert scene.instances(discovery) == addresses(tasks)


@pytest.mark.parametrize("way", [WhileDraining.ACCEPTED, WhileDraining.DROPPED])
def test_a_target_that_someone_deregistered_is_registered_again_while_it_drains(way: WhileDraining) -> None:
    with a_targets_scene(drain=100) as scene:
        scene.cloud.targets.while_draining = way
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.deregister_by_hand(task)
        scene.reconcile()
        assert scene.targets() == {task.address}
        scene.reconcile(times=3)
        assert scene.targets() == {task.address}


def test_a_target_that_aws_refuses_while_it_drains_is_registered_when_it_has_drained() -> None:
    with a_targets_scene(drain=100) as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.deregister_by_hand(task)
        scene.reconcile()
        assert scene.state(task) == "draining"
        scene.reconcile(times=2)
        assert scene.targets() == {task.address}
        assert [call.outcome for call in scene.writes()] == ["ok", "InvalidTarget", "ok"]


def test_what_an_event_has_just_changed_is_left_alone_for_two_minutes() -> None:
    with a_targets_scene(drain=0) as scene:
        task = scene.start_task()
        scene.wait(2)
        scene.deregister_by_hand(task)
        scene.wait(30)
        scene.reconcile(times=2)
        assert scene.targets() == set()
        scene.reconcile()
        assert scene.targets() == {task.address}


def test_a_target_that_a_person_registered_is_left_alone() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            (task,) = scene.serve(1)
        for address in (BY_HAND, task.address):
            scene.register_by_hand(address)
        scene.reconcile(times=3)
        scene.scale_without_events(0)
        scene.reconcile(times=3)
        assert scene.targets() == {BY_HAND, task.address}
        assert scene.writes() == []


def test_tasks_that_ecs_itself_registers_are_left_to_ecs() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 2)
        scene.registered_by_ecs("shop")
        scene.wait(60)
        scene.reconcile(times=3)
        assert scene.writes() == []


@pytest.mark.parametrize("count", [3, 10])
def test_a_service_that_ecs_registers_from_now_on_keeps_its_targets(count: int) -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(count)
        scene.wait(COOL_DOWN)
        scene.registered_by_ecs("shop")
        scene.reconcile(times=6)
        assert scene.targets() == addresses(tasks)
        scene.fleet.stop(tasks[0])
        scene.wait(60)
        assert tasks[0].address not in scene.targets()


# Addresses of stopped tasks that others have now, in a group that others use too


@contextmanager
def a_stopped_task_in_a_shared_group() -> Iterator[tuple[TargetsScene, str, Task]]:
    """A task has stopped without an event, in a group where a person has registered a target."""
    with a_targets_scene(reuse=1.0) as scene:
        group = scene.target_group("batch", BATCH)
        scene.register_by_hand(BY_HAND, group)
        former = scene.run_task("batch")
        scene.wait(COOL_DOWN)
        with scene.without_events():
            scene.fleet.stop(former)
            scene.until_status(former, "STOPPED")
        yield scene, group, former


def test_an_address_that_an_unknown_interface_has_needs_an_approval() -> None:
    with a_stopped_task_in_a_shared_group() as (scene, group, former):
        subnet_id = next(iter(scene.network.subnets))
        scene.cloud.client("ec2").create_network_interface(SubnetId=subnet_id, PrivateIpAddress=former.address)
        scene.reconcile(times=3)
        assert scene.targets(group) == {BY_HAND, former.address}
        (proposal,) = scene.events("Change Proposed")
        assert "taken over" in proposal["reason"]
        scene.approve(proposal)
        scene.reconcile()
        assert scene.targets(group) == {BY_HAND}


def test_an_address_that_a_task_without_destinations_has_is_deregistered() -> None:
    with a_stopped_task_in_a_shared_group() as (scene, group, former):
        with scene.without_events():
            new = scene.run_task("other")
        assert new.address == former.address
        scene.reconcile(times=3)
        assert scene.targets(group) == {BY_HAND}
        assert scene.events("Change Proposed") == []


def test_an_address_that_a_task_has_which_ecs_registers_there_is_left_to_ecs() -> None:
    with a_stopped_task_in_a_shared_group() as (scene, group, former):
        with scene.without_events():
            scene.fleet.service("billing", scene.first_subnet(), 1)
            scene.registered_by_ecs("billing", group)
            scene.wait(60)
        assert addresses(scene.running("billing")) == {former.address}
        scene.reconcile(times=3)
        assert scene.targets(group) == {BY_HAND, former.address}
        assert scene.operations(RECONCILE) == []
        assert scene.events("Change Proposed") == []


def test_the_same_address_in_another_vpc_does_not_matter() -> None:
    with a_targets_scene(drain=10) as scene:
        ec2 = scene.cloud.client("ec2")
        (task,) = scene.serve(1, spread=False)
        scene.register_by_hand(BY_HAND)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/26")["Subnet"]["SubnetId"]
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=task.address)
        with scene.without_events():
            scene.fleet.scale("shop", 0)
            scene.wait(COOL_DOWN)
        scene.reconcile(times=3)
        assert scene.targets() == {BY_HAND}
        assert scene.events("Change Proposed") == []
