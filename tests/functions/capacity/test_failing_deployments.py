"""What capacity does about services whose deployments starve, or are rolled back."""

from datetime import datetime

import pytest

from simulator.workload.network import MANAGED
from tests.support.capacity.scene import EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room

DEPLOYMENT = 15 * 60
"""Seconds that a deployment may take once there is room."""
ALARM = "shop-errors"


@pytest.mark.xfail(strict=True, reason="a service is left out while it is deployed, although only that could end it")
def test_a_release_that_starves_is_given_the_new_subnet() -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        for number in range(len(scene.subnets)):
            scene.fill(leave=0, which=number)
        scene.workload.deploy("shop")
        scene.berthmaster.run(minutes=60)
        completed = next(
            seen.event for seen in scene.berthmaster.bus_events if seen.event["detail-type"] == "Expansion Completed"
        )
        there_is_room_from = datetime.fromisoformat(completed["time"]).timestamp()
        scene.berthmaster.run(minutes=3 * 60)
        assert [one for one in scene.workload.failed if one.at > there_is_room_from + DEPLOYMENT] == []


@pytest.mark.xfail(strict=True, reason="a service whose deployment was rolled back is updated again and again")
def test_a_service_that_was_rolled_back_is_not_updated_again() -> None:
    with a_managed_vpc(watched=True) as scene:
        a_service_that_rolls_back(scene)
        scene.fill(leave=0)
        scene.room_needed()
        scene.berthmaster.run(minutes=3 * 60)
        assert len(scene.added_subnets()) == 1
        assert len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")) == 1


def a_service_that_rolls_back(scene: CapacityScene) -> None:
    """Its alarm ends each deployment in which it has more subnets than at first."""
    alarms = {"alarmNames": [ALARM], "enable": True, "rollback": True}
    cloudwatch, ecs = scene.cloud.client("cloudwatch"), scene.cloud.client("ecs")
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="shop",
        MetricName="errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    scene.workload.service(
        "shop", scene.network.network_configuration(), 6, tags=MANAGED, deployment_configuration={"alarms": alarms}
    )
    scene.berthmaster.run(minutes=10)

    def judge() -> None:
        service = ecs.describe_services(cluster=scene.workload.cluster, services=["shop"])["services"][0]
        has_more = set(scene.service_subnets("shop")) > set(scene.subnets)
        is_wrong = has_more and len(service["deployments"]) > 1
        cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM" if is_wrong else "OK", StateReason="errors")

    scene.cloud.clock.every(20, judge)
