"""What Berthmaster does not know of: after the ledger was lost, or where a team adopts it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from simulator.cloud import Cloud
from tests.support.targets.scene import (
    BATCH,
    COOL_DOWN,
    SHOP,
    TargetsScene,
    a_targets_scene,
    addresses,
    tags_of,
)

ADOPTING = tags_of(service="shop", adopt="true")
BY_HAND = "10.0.0.61"
"""An address that no interface has."""
LOOKS = 13
"""Minutes in which a run looks twice at what nobody claims."""


@contextmanager
def a_lost_ledger(**options: object) -> Iterator[tuple[TargetsScene, set[str]]]:
    """Four tasks were registered, the ledger was lost, and two have stopped since; yields the addresses of these."""
    with a_targets_scene(**({"shop": ADOPTING, "drain": 0} | options)) as scene:  # type: ignore[arg-type]
        tasks = scene.serve(4)
        scene.wait(COOL_DOWN)
        with scene.without_events():
            scene.fleet.scale("shop", 2)
            scene.wait(60)
        scene.lose_ledger()
        yield scene, addresses(tasks) - addresses(scene.running())


def test_targets_of_tasks_that_run_are_adopted_and_leave_with_them() -> None:
    with a_lost_ledger() as (scene, _):
        before = len(scene.writes())
        scene.reconcile()
        assert len(scene.writes()) == before
        task = scene.running()[0]
        scene.fleet.stop(task)
        scene.wait(30)
        assert task.address not in scene.targets()


def test_addresses_that_no_interface_has_are_removed_in_the_second_run() -> None:
    with a_lost_ledger() as (scene, stopped):
        scene.reconcile()
        assert stopped < scene.targets()
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())
        assert scene.findings() == []


def test_a_new_task_at_an_abandoned_address_is_adopted() -> None:
    with a_targets_scene(shop=ADOPTING, reuse=1.0, drain=300) as scene:
        (task,) = scene.serve(1, spread=False)
        with scene.without_events():
            scene.fleet.crash(task)
            scene.until_status(task, "STOPPED")
            scene.lose_ledger()
            scene.reconcile(minutes=0.75)
            (new,) = scene.running()
            assert new.address == task.address
        scene.reconcile(times=3)
        assert scene.targets() == {new.address}
        assert scene.operations() == ["RegisterTargets"]


def test_many_abandoned_addresses_need_an_approval() -> None:
    with a_targets_scene(shop=ADOPTING, drain=0) as scene:
        scene.serve(10)
        scene.scale_without_events(2)
        scene.lose_ledger()
        scene.reconcile(times=3)
        assert len(scene.targets()) == 10
        (proposal,) = scene.events("Change Proposed")
        assert "remove 8 of 10" in proposal["reason"]
        assert {step["owner"] for step in proposal["steps"]} == {
            f"unknown owner of {step['ip']}" for step in proposal["steps"]
        }
        scene.approve(proposal)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())


def test_a_task_that_the_tags_do_not_select_is_removed_unless_ecs_registers_it() -> None:
    with a_targets_scene(shop=ADOPTING, drain=0) as scene:
        scene.serve(2)
        with scene.without_events():
            (other,) = scene.serve(1, name="other")
            (ecs,) = scene.serve(1, name="billing")
        scene.registered_by_ecs("billing")
        for task in (other, ecs):
            scene.register_by_hand(task.address)
        scene.reconcile(times=LOOKS)
        assert scene.targets() == addresses(scene.running()) | {ecs.address}
        assert scene.findings() == []


def test_what_another_interface_has_stays_and_is_said() -> None:
    with a_targets_scene(shop=ADOPTING) as scene:
        tasks = scene.serve(2)
        subnet_id = next(iter(scene.network.subnets))
        scene.cloud.client("ec2").create_network_interface(SubnetId=subnet_id, PrivateIpAddress=BY_HAND)
        scene.register_by_hand(BY_HAND)
        scene.reconcile(times=LOOKS)
        assert scene.targets() == addresses(tasks) | {BY_HAND}
        ((code, text),) = scene.findings()
        assert code == "not adopted"
        assert f"{BY_HAND}:8080" in text


def test_an_address_within_a_prefix_of_an_interface_is_not_abandoned() -> None:
    with a_targets_scene(shop=ADOPTING) as scene:
        tasks = scene.serve(2)
        subnet_id = next(iter(scene.network.subnets))
        created = scene.cloud.client("ec2").create_network_interface(SubnetId=subnet_id, Ipv4PrefixCount=1)
        prefix = created["NetworkInterface"]["Ipv4Prefixes"][0]["Ipv4Prefix"]
        pod = prefix.replace("/28", "").rpartition(".")
        address = f"{pod[0]}.{int(pod[2]) + 5}"
        scene.register_by_hand(address)
        scene.reconcile(times=LOOKS)
        assert scene.targets() == addresses(tasks) | {address}


def test_a_task_that_is_not_ready_is_not_removed() -> None:
    with a_targets_scene(shop=ADOPTING) as scene:
        with scene.without_events():
            (task,) = scene.serve(1, health_check=True)
        task.health_status = "UNHEALTHY"
        scene.register_by_hand(task.address)
        scene.reconcile(times=LOOKS)
        assert scene.targets() == {task.address}


def test_without_the_tag_abandoned_addresses_are_said_once_and_stay() -> None:
    with a_lost_ledger(shop=SHOP) as (scene, stopped):
        scene.reconcile(times=2 * LOOKS)
        assert stopped < scene.targets()
        ((code, text),) = scene.findings()
        assert code == "abandoned"
        assert all(address in text for address in stopped)
        assert "berthmaster:adopt=true" in text
        scene.register_by_hand(BY_HAND)
        scene.reconcile(times=2 * LOOKS)
        assert len(scene.mails()) == 1


def test_in_mode_observe_nothing_is_adopted_and_removals_are_reported() -> None:
    with a_lost_ledger() as (scene, stopped):
        scene.change_mode("observe")
        scene.reconcile(times=3)
        assert stopped < scene.targets()
        (report,) = scene.events("Change Reported")
        assert {(step["call"], step["ip"]) for step in report["steps"]} == {("deregister", ip) for ip in stopped}
        scene.fleet.stop(scene.running()[0])
        scene.wait(60)
        assert len(scene.targets()) == 4


def test_instances_of_cloud_map_are_recognised_by_their_ids() -> None:
    with a_targets_scene(drain=0, TargetsMinimumTargets="0") as scene:
        discovery = scene.cloud_map("batch", BATCH | {"berthmaster:adopt": "true"})
        former, task = scene.run_task(), scene.run_task()
        with scene.without_events():
            scene.fleet.stop(former)
            scene.wait(60)
        scene.lose_ledger()
        scene.reconcile(times=4)
        assert scene.instances(discovery) == {task.address}
        scene.fleet.stop(task)
        scene.wait(60)
        assert scene.instances(discovery) == set()


@pytest.mark.parametrize("value", ["yes", "True", "1"])
def test_another_value_of_the_tag_is_reported(value: str) -> None:
    with a_targets_scene(shop=tags_of(service="shop", adopt=value)) as scene:
        scene.reconcile(times=2)
        assert scene.findings() == [("tags", f"berthmaster:adopt={value!r} is neither true nor false")]


def test_a_list_that_is_wrongly_empty_removes_no_task_that_the_tags_select() -> None:
    with a_targets_scene(shop=ADOPTING) as scene:
        tasks = scene.serve(4)
        scene.lose_ledger()
        usual = scene.usual_handler("ecs:ListTasks")
        assert usual

        def answer(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            return {"taskArns": []} if params.get("serviceName") else usual(cloud, params)

        with scene.answering("ecs:ListTasks", answer):
            scene.reconcile(times=LOOKS)
        assert scene.targets() == addresses(tasks)
