"""What capacity does about services whose deployments starve, or are rolled back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from simulator.account import Account, Params
from simulator.aws.cloudformation.stacks import STACK_ID_TAG, Stacks
from simulator.aws.ecs.deployments import Deployments
from simulator.errors import AwsError
from simulator.faults import CrashAfter, CrashBefore
from simulator.workload.network import MANAGED
from tests.support.capacity.scene import BUS, EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room

DEPLOYMENT = 15 * 60
"""Seconds that a deployment may take once there is room."""
ALARM = "shop-errors"
NO_IMAGE = "CannotPullContainerError: pull image manifest has been retried 1 time(s): shop:latest: not found"


def test_a_release_that_starves_is_given_the_new_subnet() -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        release_without_room(scene)
        scene.berthmaster.run(minutes=60)
        there_is_room_from = completed_at(scene)
        scene.berthmaster.run(minutes=3 * 60)
        assert [one for one in scene.workload.failed if one.at > there_is_room_from + DEPLOYMENT] == []
        assert len(updates(scene)) == 1


def test_a_service_that_starves_from_its_beginning_is_given_the_new_subnet() -> None:
    with a_vpc_short_of_room() as scene:
        scene.workload.service("new", scene.network.network_configuration(scene.subnets[0]), 9, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        (added,) = scene.added_subnets()
        assert scene.service_subnets("new") == [scene.subnets[0], added["SubnetId"]]
        assert scene.events("Expansion Completed")[0]["left_out"] == []


def test_two_services_that_starve_do_not_wait_for_each_other() -> None:
    with a_vpc_short_of_room() as scene:
        for name in ("cart", "till"):
            scene.workload.service(name, scene.network.network_configuration(scene.subnets[0]), 9, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        earlier, later = updates(scene)[:2]
        assert later - earlier < 15


@pytest.mark.parametrize("leave", [(9, 9, 9), (0, 9, 9)], ids=["its image", "its image and addresses"])
def test_a_release_that_fails_for_its_image_too_is_left_to_a_person(leave: tuple[int, ...]) -> None:
    with a_vpc_short_of_room() as scene:
        release_without_room(scene, leave=leave, error=NO_IMAGE)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert scene.service_subnets("shop") == scene.subnets
        assert updates(scene) == []
        message = scene.berthmaster.published[-1].message
        assert "shop was not changed, because tasks of its deployment also fail for another reason" in message
        assert NO_IMAGE in message


def test_a_starved_release_is_left_alone_while_its_stack_is_updated() -> None:
    with a_vpc_short_of_room() as scene:
        stack = of_a_stack(scene, "shop")
        scene.cloud.state(Stacks).statuses[stack] = "UPDATE_IN_PROGRESS"
        release_without_room(scene)
        scene.berthmaster.run(minutes=5)
        scene.room_needed()
        scene.berthmaster.run(minutes=5)
        assert updates(scene) == []
        message = scene.berthmaster.published[-1].message
        assert "shop was not changed, because its deployment finds no address in" in message
        assert "its stack shop is UPDATE_IN_PROGRESS (cancel the update, or wait" in message
        assert "NetworkConfiguration.AwsvpcConfiguration.Subnets" in message
        scene.cloud.state(Stacks).statuses[stack] = "UPDATE_ROLLBACK_COMPLETE"
        scene.berthmaster.run(minutes=61)
        scene.need_room()
        assert set(scene.service_subnets("shop")) > set(scene.subnets)


def test_a_starved_release_of_a_stack_that_may_not_be_read_is_left_to_its_breaker() -> None:
    with a_vpc_short_of_room() as scene:
        of_a_stack(scene, "shop")
        scene.cloud.handlers["cloudformation:DescribeStacks"] = denied
        release_without_room(scene)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert updates(scene) == []
        assert "updates its stack shop may not be read" in scene.berthmaster.published[-1].message


def test_a_starved_release_of_a_stack_that_is_long_gone_is_given_the_new_subnet() -> None:
    with a_vpc_short_of_room() as scene:
        stack = of_a_stack(scene, "shop")
        del scene.cloud.state(Stacks).statuses[stack]
        release_without_room(scene)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert set(scene.service_subnets("shop")) > set(scene.subnets)


@pytest.mark.parametrize("operation", ["ecs:ListTasks", "ecs:DescribeTasks"])
def test_a_release_whose_tasks_may_not_be_read_is_left_to_a_person(operation: str) -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.handlers[operation] = denied
        release_without_room(scene)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert updates(scene) == []
        assert len(scene.events("Expansion Completed")) >= 1
        assert "AWS does not say how it fares" in scene.berthmaster.published[-1].message


def test_a_starved_blue_green_deployment_is_left_alone() -> None:
    strategy = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}
    with a_managed_vpc() as scene:
        configuration = scene.network.network_configuration()
        scene.workload.service("shop", configuration, 6, tags=MANAGED, deployment_configuration=strategy)
        scene.berthmaster.run(minutes=10)
        release_without_room(scene)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert updates(scene) == []
        message = scene.berthmaster.published[-1].message
        assert "shop was not changed, because a BLUE_GREEN deployment is in progress" in message


def test_a_rollback_that_starves_is_given_the_new_subnet() -> None:
    with a_managed_vpc() as scene:
        with_an_alarm(scene)
        release_without_room(scene)
        scene.berthmaster.run(minutes=1 / 2)
        scene.cloud.client("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="errors")
        scene.berthmaster.run(minutes=3 / 4)
        assert "rolling back" in deployments(scene, "shop")[0]["rolloutStateReason"]
        scene.need_room()
        scene.berthmaster.run(minutes=30)
        assert set(scene.service_subnets("shop")) > set(scene.subnets)
        assert [one["rolloutState"] for one in deployments(scene, "shop")] == ["COMPLETED"]


def test_a_rollback_that_has_failed_for_lack_of_addresses_is_given_the_new_subnet() -> None:
    with a_vpc_short_of_room(rolls_back=True) as scene:
        release_without_room(scene)
        scene.berthmaster.run(minutes=5)
        assert deployments(scene, "shop")[0]["rolloutState"] == "FAILED"
        scene.need_room()
        assert set(scene.service_subnets("shop")) > set(scene.subnets)
        assert len(updates(scene)) == 1


def test_a_release_that_has_failed_is_not_repeated() -> None:
    with a_managed_vpc() as scene:
        breaker = {"enable": True, "rollback": False}
        configuration = scene.network.network_configuration()
        scene.workload.service("shop", configuration, 6, tags=MANAGED, circuit_breaker=breaker)
        scene.berthmaster.run(minutes=10)
        release_without_room(scene)
        scene.berthmaster.run(minutes=10)
        assert deployments(scene, "shop")[0]["rolloutState"] == "FAILED"
        scene.need_room()
        assert updates(scene) == []
        assert "because its last deployment has failed" in scene.berthmaster.published[-1].message


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_starved_release_is_updated_once_although_the_function_dies(crash: type[CrashBefore | CrashAfter]) -> None:
    with a_vpc_short_of_room() as scene:
        release_without_room(scene)
        scene.berthmaster.run(minutes=30)
        calls = scene.cloud.calls.of(EXPAND)
        number = next(number for number, call in enumerate(calls, 1) if call.operation == "UpdateService")
    with a_vpc_short_of_room() as scene:
        release_without_room(scene)
        scene.cloud.faults.set_crash(crash(number, EXPAND))
        scene.berthmaster.run(minutes=60)
        assert scene.cloud.faults.crashes == 1
        assert set(scene.service_subnets("shop")) > set(scene.subnets)
        begun = [service.name for service, _ in scene.cloud.state(Deployments).begun]
        assert begun == ["shop"] * 3  # the first one, the release, and that of Berthmaster
        assert scene.dead_letters() == []


def test_services_whose_deployments_have_ended_cost_no_further_read() -> None:
    with a_vpc_short_of_room() as scene:
        of_a_stack(scene, "shop")
        scene.need_room()
        calls = scene.cloud.calls.of(EXPAND)
        assert not calls.named("ecs:ListTasks")
        assert not calls.named("ecs:DescribeTasks")
        assert not calls.named("cloudformation:DescribeStacks")


def test_a_service_that_was_rolled_back_is_not_updated_again() -> None:
    with a_managed_vpc(watched=True) as scene:
        a_service_that_rolls_back(scene)
        scene.fill(leave=0)
        scene.room_needed()
        scene.berthmaster.run(minutes=3 * 60)
        assert len(scene.added_subnets()) == 1
        assert len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")) == 1


def test_an_approval_of_what_has_changed_updates_no_service_that_was_rolled_back() -> None:
    with a_managed_vpc(watched=True) as scene:
        a_service_that_rolls_back(scene)
        scene.fill(leave=0)
        scene.room_needed()
        scene.berthmaster.run(minutes=3 * 60)
        (proposed,) = scene.events("Expansion Proposed")
        scene.berthmaster.schedules_enabled = False
        scene.workload.service("cart", scene.network.network_configuration(*scene.subnets), 3, tags=MANAGED)
        scene.put("berthmaster.operator", "Proposal Approved", bus=BUS, proposal=proposed["proposal"])
        scene.berthmaster.run(minutes=30)
        assert "the VPC has changed since" in scene.events("Request Refused")[-1]["reason"]
        assert set(scene.service_subnets("cart")) > set(scene.subnets)
        assert len(updates(scene)) == 2


def release_without_room(scene: CapacityScene, *, leave: Sequence[int] = (0, 0, 0), error: str = "") -> None:
    """Release `shop` while each subnet has only so many addresses; error: why its tasks would not start anyway."""
    for number, addresses in enumerate(leave):
        scene.fill(leave=addresses, which=number)
    scene.workload.release("shop", error=error)


def of_a_stack(scene: CapacityScene, service: str) -> str:
    """Let a service be one that CloudFormation has created; returns the id of its stack."""
    stack = scene.cloud.state(Stacks).create(service)
    ecs = scene.cloud.client("ecs")
    arn = ecs.describe_services(cluster=scene.workload.cluster, services=[service])["services"][0]["serviceArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": STACK_ID_TAG, "value": stack}])
    return stack


def denied(_: Account, __: Params) -> None:
    raise AwsError("AccessDenied", "User is not authorized to perform this", 403)


def updates(scene: CapacityScene) -> list[float]:
    """When Berthmaster has called UpdateService."""
    return [call.at for call in scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")]


def deployments(scene: CapacityScene, service: str) -> list[Any]:
    """The deployments of a service, the newest first."""
    answer = scene.cloud.client("ecs").describe_services(cluster=scene.workload.cluster, services=[service])
    found: list[Any] = answer["services"][0]["deployments"]
    return found


def completed_at(scene: CapacityScene) -> float:
    """When the first expansion was completed."""
    seen = next(one for one in scene.berthmaster.bus_events if one.event["detail-type"] == "Expansion Completed")
    return datetime.fromisoformat(seen.event["time"]).timestamp()


def with_an_alarm(scene: CapacityScene) -> None:
    """Create `shop`, whose deployments an alarm rolls back."""
    scene.cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace="shop",
        MetricName="errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    alarms = {"alarmNames": [ALARM], "enable": True, "rollback": True}
    scene.workload.service(
        "shop", scene.network.network_configuration(), 6, tags=MANAGED, deployment_configuration={"alarms": alarms}
    )
    scene.berthmaster.run(minutes=10)


def a_service_that_rolls_back(scene: CapacityScene) -> None:
    """Its alarm ends each deployment in which it has more subnets than at first."""
    with_an_alarm(scene)
    cloudwatch = scene.cloud.client("cloudwatch")

    def judge() -> None:
        has_more = set(scene.service_subnets("shop")) > set(scene.subnets)
        is_wrong = has_more and len(deployments(scene, "shop")) > 1
        cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM" if is_wrong else "OK", StateReason="errors")

    scene.cloud.clock.every(20, judge)
