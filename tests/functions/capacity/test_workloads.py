"""New subnets are added to the services, rules and schedules that need them, and to no others."""

import itertools

import pytest

from simulator.workload.network import MANAGED
from tests.support.capacity.callers import add_rule_and_schedule, subnets_of_rule_and_schedule
from tests.support.capacity.scene import EXPAND, a_managed_vpc, a_vpc_short_of_room


def test_a_service_without_the_tag_is_not_changed_and_a_warning_names_it() -> None:
    with a_vpc_short_of_room() as scene:
        scene.workload.service("theirs", scene.network.network_configuration(), 3)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert scene.service_subnets("theirs") == scene.subnets
        assert any("theirs" in warning for warning in scene.events("Expansion Completed")[0]["warnings"])


def test_services_deploy_one_after_the_other() -> None:
    with a_managed_vpc() as scene:
        for name in ("shop", "cart", "till"):
            scene.workload.service(name, scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=3)
        scene.need_room()
        updates = [call.at for call in scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")]
        assert len(updates) == 3
        assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(updates))


def test_a_deployment_that_does_not_end_is_waited_for_and_then_left_to_a_person() -> None:
    with a_vpc_short_of_room() as scene:
        scene.workload.service("stuck", scene.network.network_configuration(scene.subnets[0]), 9, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        (added,) = scene.added_subnets()
        assert added["SubnetId"] in scene.service_subnets("shop")
        assert scene.service_subnets("stuck") == [scene.subnets[0]]
        message = scene.berthmaster.published[-1].message
        assert f"stuck could not be changed, or its deployment does not end: add {added['SubnetId']}" in message


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
