"""Tasks are registered within seconds after they run, everywhere their destinations' tags ask for."""

import pytest

from tests.support.targets.calls import registrations
from tests.support.targets.scene import BATCH, SHOP, TAG, a_targets_scene, addresses, tags_of


def test_a_task_is_registered_within_two_seconds_of_running() -> None:
    with a_targets_scene() as scene:
        task = scene.start_task()
        scene.wait(2)
        assert scene.targets() == {task.address}


def test_a_task_is_registered_once_in_each_of_its_destinations() -> None:
    with a_targets_scene() as scene:
        tcp = scene.target_group("shop-tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer())
        plain, records = scene.cloud_map("shop", SHOP), scene.cloud_map("shop-dns", SHOP, ttl=10)
        expected = addresses(scene.serve(3))
        assert len(expected) == 3
        assert scene.targets(scene.shop) == scene.targets(tcp) == expected
        assert scene.instances(plain) == scene.instances(records) == expected
        times = registrations(scene)
        assert len(times) == 4 * 3
        assert set(times.values()) == {1}
        assert scene.dead_letters() == []


def test_a_task_of_no_service_is_registered_by_its_family() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH)
        task = scene.run_task("batch")
        scene.run_task("other")
        assert scene.targets(group) == {task.address}
        assert scene.targets(scene.shop) == set()


def test_a_port_can_be_chosen_by_number() -> None:
    with a_targets_scene(shop=tags_of(service="shop", port="9901")) as scene:
        (task,) = scene.serve(1)
        assert scene.cloud.targets.routable(scene.shop) == {(task.address, 9901)}


def test_an_address_outside_the_target_groups_vpc_is_registered_in_all_zones() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("away", SHOP, vpc_id=scene.other_vpc())
        (task,) = scene.serve(1)
        assert scene.targets(group) == {task.address}
        zones = {
            call.params["TargetGroupArn"]: call.params["Targets"][0].get("AvailabilityZone")
            for call in scene.writes()
            if call.operation == "RegisterTargets"
        }
        assert zones == {group: "all", scene.shop: None}


@pytest.mark.parametrize("waits", ["true", "false"])
def test_a_task_with_a_health_check_is_registered_when_it_is_healthy_unless_configured_otherwise(waits: str) -> None:
    with a_targets_scene(TargetsWaitForHealth=waits) as scene:
        task = scene.start_task(health_check=True)
        scene.wait(5)
        assert task.health_status == "UNKNOWN"
        assert scene.targets() == (set() if waits == "true" else {task.address})
        scene.wait(30)
        assert task.health_status == "HEALTHY"
        assert scene.targets() == {task.address}


def test_a_registered_task_that_becomes_unhealthy_is_left_to_the_destinations_health_check() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1, health_check=True)
        scene.berthmaster.put_event(scene.task_event(task, healthStatus="UNHEALTHY", version=task.version + 1))
        scene.wait(5)
        assert scene.targets() == {task.address}


def test_destinations_without_tags_or_with_wrong_ones_are_left_alone() -> None:
    with a_targets_scene(shop={}) as scene:
        scene.target_group("wrong", {TAG: "managed", "berthmaster:service": "shop"})
        scene.cloud_map("shop", {"team": "shop"})
        scene.serve(2)
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        assert scene.writes() == []
        assert scene.dead_letters() == []
