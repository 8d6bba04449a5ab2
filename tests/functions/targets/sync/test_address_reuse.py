"""An address that gets a new owner, who is registered as soon as AWS allows it after the former one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.aws.ecs.task import Task
from simulator.aws.elbv2.targets import WhileDraining
from tests.support.targets.calls import registrations
from tests.support.targets.scene import BATCH, SHOP, TargetsScene, a_targets_scene

ANSWERS = [one for one in WhileDraining if one is not WhileDraining.REFUSED]
LASTING = [WhileDraining.ACCEPTED, WhileDraining.DROPPED]


@contextmanager
def a_task_at_the_address_of_its_predecessor(
    while_draining: WhileDraining, *, drain: int = 300
) -> Iterator[tuple[TargetsScene, Task]]:
    """The only task of a service has just begun to run at an address that still drains for its predecessor."""
    with a_targets_scene(reuse=1.0, drain=drain, scheduled=True) as scene:
        scene.cloud.targets.while_draining = while_draining
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(5)
        (new,) = [task for task in scene.fleet.tasks if task is not former]
        scene.until_status(new, "RUNNING")
        assert new.address == former.address
        assert scene.state(new) == "draining"
        yield scene, new


@pytest.mark.parametrize("way", LASTING)
def test_a_task_at_a_draining_address_is_registered_within_seconds(way: WhileDraining) -> None:
    with a_task_at_the_address_of_its_predecessor(way) as (scene, new):
        scene.wait(15)
        assert scene.state(new) == "initial"
        scene.wait(20)
        assert scene.state(new) == "healthy"
        assert scene.findings() == []


def test_a_registration_that_is_dropped_when_the_drain_ends_is_made_again_at_once() -> None:
    with a_task_at_the_address_of_its_predecessor(WhileDraining.DROPPED, drain=120) as (scene, new):
        scene.wait(30)
        gone_at = scene.cloud.targets.of(scene.shop)[new.address, new.port].gone_at
        assert gone_at is not None
        scene.wait(gone_at - scene.cloud.clock.timestamp() + 15)
        assert scene.targets() == {new.address}
        scene.wait(600)
        assert scene.targets() == {new.address}
        assert registrations(scene)[scene.shop, new.address] == 3


@pytest.mark.parametrize("way", [WhileDraining.REFUSED, WhileDraining.IGNORED])
def test_what_aws_does_not_register_early_waits_for_the_rest_of_the_drain_and_is_reported(way: WhileDraining) -> None:
    with a_task_at_the_address_of_its_predecessor(way, drain=120) as (scene, new):
        gone_at = scene.cloud.targets.of(scene.shop)[new.address, new.port].gone_at
        assert gone_at is not None
        scene.wait(75)
        ((code, text),) = scene.findings()
        assert code == "address drains"
        assert f"{new.address}:{new.port} of {new.arn}" in text
        assert "at most 120 s" in text
        scene.wait(gone_at - scene.cloud.clock.timestamp() + 10)
        assert scene.targets() == {new.address}
        scene.wait(300)
        assert len(scene.findings()) == 1
        assert registrations(scene)[scene.shop, new.address] == 3


@pytest.mark.parametrize("way", ANSWERS)
def test_a_task_whose_interface_does_not_show_the_address_waits_for_the_drain(way: WhileDraining) -> None:
    with a_task_at_the_address_of_its_predecessor(way, drain=120) as (scene, new):
        with scene.answering("ec2:DescribeNetworkInterfaces", lambda _cloud, _params: {"NetworkInterfaces": []}):
            scene.wait(90)
            assert scene.state(new) == "draining"
            assert [code for code, _ in scene.findings()] == ["address drains"]
        scene.wait(60)
        assert scene.targets() == {new.address}


@pytest.mark.parametrize("way", ANSWERS)
def test_a_task_that_leaves_after_it_was_registered_early_is_deregistered(way: WhileDraining) -> None:
    with a_task_at_the_address_of_its_predecessor(way) as (scene, new):
        scene.wait(20)
        with scene.without_events():
            scene.fleet.scale("shop", 0)
            scene.wait(5)
        scene.send_events([new])
        assert scene.targets() == set()
        scene.wait(600)
        assert scene.targets() == set()
        assert not scene.cloud.targets.of(scene.shop)


def test_a_deregistration_that_aws_carries_out_again_does_not_remove_the_next_owner() -> None:
    with a_targets_scene(reuse=1.0, drain=300) as scene:
        scene.cloud.targets.while_draining = WhileDraining.ACCEPTED
        scene.cloud.targets.repeated_deregistrations.per_call = 1.0
        scene.cloud.targets.repeated_deregistrations.longest = 9.0
        formers = scene.serve(5, spread=False)
        with scene.without_events():
            for former in formers:
                scene.fleet.crash(former)
            scene.wait(60)
        scene.send_events(scene.running())
        scene.wait(20)
        assert scene.targets() == {task.address for task in scene.running()} == {task.address for task in formers}
        assert set(registrations(scene).values()) == {2}


def test_two_releases_in_a_small_subnet_leave_a_service_routable() -> None:
    with a_targets_scene(reuse=1.0, drain=300, scheduled=True) as scene:
        scene.cloud.targets.while_draining = WhileDraining.ACCEPTED
        tasks = scene.serve(5, spread=False)
        for _ in range(2):
            for task in tasks:
                scene.fleet.crash(task)
            scene.wait(120)
            tasks = scene.running()
            assert scene.targets() == {task.address for task in tasks}
            assert len(tasks) == 5


def test_behind_a_network_load_balancer_the_next_owner_is_registered_when_the_former_one_is_gone() -> None:
    with a_targets_scene(reuse=1.0) as scene:
        tcp = scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer(), drain=0)
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(40)
        (new,) = scene.running()
        assert new.address == former.address
        assert scene.targets(tcp) == {new.address}


def test_in_cloud_map_the_next_owner_has_an_instance_of_its_own() -> None:
    with a_targets_scene(reuse=1.0, drain=5) as scene:
        discovery = scene.cloud_map("shop", SHOP, ttl=60)
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(40)
        (new,) = scene.running()
        assert new.address == former.address
        (instance,) = scene.cloud.discovery.instances(discovery.rpartition("/")[2])
        assert new.id in instance


def test_a_task_without_destinations_removes_the_former_owner_of_its_address() -> None:
    with a_targets_scene(reuse=1.0) as scene:
        group = scene.target_group("batch", BATCH)
        former = scene.run_task("batch")
        with scene.without_events():
            scene.fleet.stop(former)
            scene.until_status(former, "STOPPED")
        assert scene.targets(group) == {former.address}
        new = scene.begin_task("other")
        scene.until_status(new, "RUNNING")
        assert new.address == former.address
        assert scene.targets(group) == set()


def test_late_events_of_the_former_owner_do_not_touch_the_next_one() -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(90)
        (new,) = scene.running()
        assert scene.targets() == {new.address} == {former.address}
        before = len(scene.writes())
        for event in scene.task_events(former):
            scene.berthmaster.put_event(event)
        scene.wait(60)
        assert len(scene.writes()) == before
        assert scene.targets() == {new.address}
