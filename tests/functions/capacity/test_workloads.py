"""New subnets are added to the services, rules and schedules that need them, and to no others."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from simulator.cloud import Cloud
from simulator.workload.network import MANAGED
from tests.support.capacity.callers import add_rule_and_schedule, subnets_of_rule_and_schedule
from tests.support.capacity.scene import EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room


def test_a_service_without_the_tag_is_not_changed_and_a_warning_names_it() -> None:
    with a_vpc_short_of_room() as scene:
        scene.workload.service("theirs", scene.network.network_configuration(), 3)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert scene.service_subnets("theirs") == scene.subnets
        assert any("theirs" in warning for warning in scene.events("Expansion Completed")[0]["warnings"])


def three_services(scene: CapacityScene, *, leave: int) -> list[float]:
    """Wire three services; so many addresses are free in each subnet by then. Returns when they were updated."""
    for name in ("shop", "cart", "till"):
        scene.workload.service(name, scene.network.network_configuration(), 3, tags=MANAGED)
    scene.berthmaster.run(minutes=5)
    scene.fill(leave=3)
    create_tags = scene.cloud.handlers.get("ec2:CreateTags")

    def others_take_addresses(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        for number, subnet in enumerate(scene.subnets):
            scene.network.release(subnet)
            scene.fill(leave=leave, which=number)
        return create_tags(cloud, params) if create_tags else None

    scene.cloud.handlers["ec2:CreateTags"] = others_take_addresses
    scene.need_room()
    assert [len(scene.service_subnets(name)) for name in ("shop", "cart", "till")] == [4, 4, 4]
    return [call.at for call in scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")]


def test_services_deploy_at_the_same_time_where_there_is_room() -> None:
    with a_managed_vpc() as scene:
        updates = three_services(scene, leave=30)
        assert len(updates) == 3
        assert max(updates) - min(updates) < 30


def test_services_deploy_one_after_the_other_where_their_tasks_would_not_find_addresses() -> None:
    with a_managed_vpc() as scene:
        updates = three_services(scene, leave=10)
        assert len(updates) == 3
        assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(updates))


def test_rules_and_schedules_that_run_tasks_in_the_subnet_are_changed_too() -> None:
    with a_vpc_short_of_room(CapacityCallerRoles="run*") as scene:
        add_rule_and_schedule(scene)
        scene.need_room()
        (added,) = scene.added_subnets()
        assert subnets_of_rule_and_schedule(scene) == [[scene.subnets[0], added["SubnetId"]]] * 2
        schedule = scene.cloud.client("scheduler").get_schedule(Name="hourly", GroupName="ours")
        assert schedule["Description"] == "does not change"


@pytest.mark.parametrize("roles", ["", "ecsEvents*"])
def test_rules_and_schedules_with_another_role_are_left_to_a_person(roles: str) -> None:
    with a_vpc_short_of_room(CapacityCallerRoles=roles) as scene:
        add_rule_and_schedule(scene)
        scene.need_room()
        assert len(scene.added_subnets()) == 1
        assert subnets_of_rule_and_schedule(scene) == [[scene.subnets[0]]] * 2
        assert not {"PutTargets", "UpdateSchedule"} & set(scene.writes())
        message = scene.berthmaster.published[-1].message
        reason = "is short of addresses, but CapacityCallerRoles does not name its role"
        for caller in ("rule nightly", "schedule hourly"):
            assert f"{caller} runs in a subnet that {reason}" in message


def test_an_entry_that_eventbridge_is_too_busy_for_is_tried_again() -> None:
    with a_vpc_short_of_room(CapacityCallerRoles="run*") as scene:
        add_rule_and_schedule(scene)
        usual = scene.cloud.handlers.get("events:PutTargets")
        refused: list[Any] = []

        def busy(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            if not refused:
                refused.append(params["Rule"])
                failure = {"TargetId": "1", "ErrorCode": "ConcurrentModificationException", "ErrorMessage": "busy"}
                return {"FailedEntryCount": 1, "FailedEntries": [failure]}
            return usual(cloud, params) if usual else None

        scene.cloud.handlers["events:PutTargets"] = busy
        scene.need_room()
        (added,) = scene.added_subnets()
        assert refused == ["nightly"]
        assert subnets_of_rule_and_schedule(scene) == [[scene.subnets[0], added["SubnetId"]]] * 2
        assert scene.events("Expansion Completed")[0]["left_out"] == []


def test_a_service_that_has_no_addresses_of_its_own_any_more_does_not_stop_the_others() -> None:
    with a_managed_vpc() as scene:
        for name in ("cart", "shop"):
            scene.workload.service(name, scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        usual = scene.cloud.handlers.get("ecs:DescribeServices")
        built: list[bool] = []

        def describe(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            answer = usual(cloud, params) if usual else None
            for service in (answer or {}).get("services", ()) if built else ():
                if service["serviceName"] == "cart":
                    service.pop("networkConfiguration", None)
            return answer

        scene.cloud.handlers["ecs:DescribeServices"] = describe
        tags = scene.cloud.handlers.get("ec2:CreateTags")

        def create_tags(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            built.append(True)
            return tags(cloud, params) if tags else None

        scene.cloud.handlers["ec2:CreateTags"] = create_tags
        scene.need_room()
        (added,) = scene.added_subnets()
        assert added["SubnetId"] in scene.service_subnets("shop")
        assert len(scene.events("Expansion Completed")) == 1
