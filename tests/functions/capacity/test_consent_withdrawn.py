"""A tag is removed or the mode becomes observe while an expansion is in progress: it ends there, and that is said."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from simulator.calls import OPERATOR, calling_as
from simulator.cloud import Cloud
from simulator.workload.network import MANAGED
from tests.functions.capacity.test_switch import WRITES_OF_AN_EXPANSION
from tests.support.capacity.callers import add_rule_and_schedule, subnets_of_rule_and_schedule
from tests.support.capacity.scene import CapacityScene, a_managed_vpc, a_vpc_short_of_room

TAG = "berthmaster:capacity"


def during(scene: CapacityScene, operation: str, act: Callable[[], None]) -> None:
    """Let an operator act while AWS carries out an operation."""
    handler = scene.cloud.handlers.get(operation)

    def interrupted(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        with calling_as(OPERATOR):
            act()
        return handler(cloud, params) if handler else None

    scene.cloud.handlers[operation] = interrupted


def untag_vpc(scene: CapacityScene) -> None:
    scene.cloud.client("ec2").delete_tags(Resources=[scene.vpc_id], Tags=[{"Key": TAG}])


def untag_service(scene: CapacityScene, name: str) -> None:
    ecs = scene.cloud.client("ecs")
    (service,) = ecs.describe_services(cluster=scene.workload.cluster, services=[name])["services"]
    ecs.untag_resource(resourceArn=service["serviceArn"], tagKeys=[TAG])


@pytest.mark.parametrize("operation", [one for one in WRITES_OF_AN_EXPANSION if one != "ecs:UpdateService"])
def test_an_expansion_ends_when_its_vpc_is_untagged(operation: str) -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        during(scene, operation, lambda: untag_vpc(scene))
        scene.need_room()
        scene.berthmaster.run(minutes=11)
        last = operation.partition(":")[2]
        rest = scene.writes()[scene.writes().index(last) + 1 :]
        assert set(rest) <= {"DeleteNetworkInterface"}
        (failed,) = scene.events("Expansion Failed")
        assert "no longer tagged" in failed["note"]
        assert "no longer tagged" in scene.berthmaster.published[-1].message


def test_an_expansion_in_progress_ends_in_observe_and_names_the_services_that_are_left() -> None:
    with a_managed_vpc() as scene:
        for name in ("cart", "shop", "till"):
            scene.workload.service(name, scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.workload.deploy("till")
        scene.berthmaster.run(minutes=1 / 2)
        scene.fill(leave=1)
        scene.room_needed()
        while "UpdateService" not in scene.writes():
            scene.berthmaster.run(minutes=1 / 6)
        scene.berthmaster.run(minutes=1 / 6)
        before = scene.writes()
        scene.deploy_mode("observe")
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=30)
        assert scene.writes() == before
        (failed,) = scene.events("Expansion Failed")
        assert "the mode is observe" in failed["note"]
        lists_it = [name for name in ("cart", "shop", "till") if len(scene.service_subnets(name)) == 4]
        assert "till" not in lists_it
        assert sorted(one.partition(" ")[2] for one in failed["left_out"]) == sorted(
            {"cart", "shop", "till"} - set(lists_it)
        )

        scene.deploy_mode("enforce")
        scene.berthmaster.run(minutes=60)
        assert len(scene.blocks()) == 2
        assert len(scene.added_subnets()) == 1


def test_a_retirement_that_was_requested_is_completed_in_observe() -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("idle", scene.network.network_configuration(), 0, tags=MANAGED)
        expansion = scene.expand()
        untag_vpc(scene)
        scene.deploy_mode("observe")
        scene.request("Retirement Requested", expansion=expansion)
        scene.berthmaster.run(minutes=10)
        assert scene.added_subnets() == []
        assert len(scene.events("Expansion Retired")) == 1


def test_a_service_that_is_untagged_before_its_turn_is_left_out() -> None:
    with a_managed_vpc() as scene:
        for name in ("cart", "shop"):
            scene.workload.service(name, scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        during(scene, "ecs:UpdateService", lambda: untag_service(scene, "shop"))
        scene.need_room()
        (added,) = scene.added_subnets()
        assert added["SubnetId"] in scene.service_subnets("cart")
        assert scene.service_subnets("shop") == scene.subnets
        (completed,) = scene.events("Expansion Completed")
        assert [one.partition(" ")[2] for one in completed["left_out"]] == ["shop"]


def test_a_rule_and_a_schedule_that_are_untagged_before_their_turn_are_left_out() -> None:
    with a_vpc_short_of_room(CapacityCallerRoles="run*") as scene:
        add_rule_and_schedule(scene)
        events, scheduler = scene.cloud.client("events"), scene.cloud.client("scheduler")
        region = scene.cloud.region

        def untag() -> None:
            events.untag_resource(ResourceARN=f"arn:aws:events:{region}:123456789012:rule/nightly", TagKeys=[TAG])
            scheduler.untag_resource(
                ResourceArn=f"arn:aws:scheduler:{region}:123456789012:schedule-group/ours", TagKeys=[TAG]
            )

        during(scene, "ecs:UpdateService", untag)
        scene.need_room()
        assert subnets_of_rule_and_schedule(scene) == [[scene.subnets[0]]] * 2
        (completed,) = scene.events("Expansion Completed")
        assert completed["left_out"] == ["EventBridge rule nightly (target 1)", "EventBridge schedule ours/hourly"]


def test_what_was_wired_before_the_vpc_was_untagged_is_not_reported_as_left() -> None:
    with a_vpc_short_of_room(CapacityCallerRoles="run*") as scene:
        add_rule_and_schedule(scene)
        during(scene, "events:PutTargets", lambda: untag_vpc(scene))
        scene.need_room()
        (failed,) = scene.events("Expansion Failed")
        assert [len(one) for one in subnets_of_rule_and_schedule(scene)] == [2, 1]
        assert failed["left_out"] == ["EventBridge schedule ours/hourly"]
