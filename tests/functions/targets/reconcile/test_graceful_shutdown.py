"""A container that is killed while its destination may still send requests is reported, once."""

import pytest

from tests.support.targets.scene import SHOP, a_targets_scene, tags_of


def test_a_container_that_a_network_load_balancer_outlives_is_reported_once() -> None:
    with a_targets_scene() as scene:
        scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer())
        scene.serve(2)
        scene.reconcile(times=3)
        text = (
            "container shop of task definition shop is killed 30 s after SIGTERM, and requests may arrive for 120 s "
            "after it is deregistered: set stopTimeout to 120 s or more, and serve on after SIGTERM"
        )
        assert scene.findings() == [("stopTimeout", text)]
        (mail,) = scene.mails()
        assert "stopTimeout" in mail


@pytest.mark.parametrize(("stop_timeout", "is_reported"), [(119, True), (120, False)])
def test_a_container_that_outlives_the_routing_is_not_reported(stop_timeout: int, *, is_reported: bool) -> None:
    with a_targets_scene() as scene:
        scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer())
        scene.serve(1, stop_timeout=stop_timeout)
        scene.reconcile()
        assert bool(scene.findings()) is is_reported


def test_names_that_are_remembered_for_longer_than_a_task_lives_are_reported() -> None:
    with a_targets_scene() as scene:
        scene.cloud_map("shop", SHOP, ttl=300)
        scene.cloud_map("short", SHOP, ttl=15)
        scene.serve(1)
        scene.reconcile()
        ((code, text),) = scene.findings()
        assert code == "stopTimeout"
        assert "shorten the DNS TTL" in text
        assert "310 s" in text


def test_tasks_that_ecs_registers_itself_are_not_reported() -> None:
    with a_targets_scene(shop={}) as scene:
        group = scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer())
        scene.serve(1, target_groups=[group])
        scene.reconcile()
        assert scene.findings() == []


def test_containers_that_do_not_serve_the_target_are_not_reported() -> None:
    with a_targets_scene(shop={}) as scene:
        balancer = scene.network_load_balancer()
        scene.target_group("tcp", tags_of(service="shop", port="9999"), protocol="TCP", balancer=balancer)
        scene.serve(1)
        scene.reconcile()
        assert scene.findings() == []
