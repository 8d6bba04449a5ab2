"""Rolling deployments with CloudWatch alarms: bake time, failure, rollback. Both workloads behave alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.cloud import Cloud
    from simulator.workload.fleet import Fleet
    from simulator.workload.network import Network
    from simulator.workload.services import Workload

type Update = Callable[..., dict[str, Any]]


def wait(cloud: Cloud, minutes: float) -> None:
    cloud.clock.run_until(cloud.clock.timestamp() + minutes * 60)


def shown(cloud: Cloud) -> dict[str, Any]:
    service: dict[str, Any] = cloud.client("ecs").describe_services(cluster="web", services=["web"])["services"][0]
    return service


def states(cloud: Cloud) -> list[tuple[str, str, int]]:
    deployments = shown(cloud)["deployments"]
    return [(one["status"], one["rolloutState"], one["runningCount"]) for one in deployments]


def alarm(cloud: Cloud, state: str) -> None:
    cloud.client("cloudwatch").set_alarm_state(AlarmName="errors", StateValue=state, StateReason="test")


@pytest.fixture
def network(cloud: Cloud, workload: Workload | Fleet, small_network: Network) -> dict[str, Any]:
    """A service of six tasks with an alarm that rolls back; returns its network configuration."""
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="errors",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="HTTPCode_ELB_5XX_Count",
        Namespace="AWS/ApplicationELB",
        Period=60,
        Statistic="Sum",
        Threshold=1,
    )
    configuration = small_network.network_configuration()
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    workload.service("web", configuration, 6, deployment_configuration={"alarms": alarms})
    wait(cloud, 10)
    assert states(cloud) == [("PRIMARY", "COMPLETED", 6)]
    return configuration


@pytest.fixture
def update(cloud: Cloud, network: dict[str, Any], small_network: Network) -> Update:
    """Deploy the service to one more subnet."""
    added = small_network.subnet("a", "10.0.8.0/26")
    subnets = [*network["awsvpcConfiguration"]["subnets"], added]

    def deploy(**changes: Any) -> dict[str, Any]:
        changed = small_network.network_configuration(*subnets)
        answer = cloud.client("ecs").update_service(
            cluster="web", service="web", networkConfiguration=changed, **changes
        )
        service: dict[str, Any] = answer["service"]
        return service

    return deploy


def until_rolled_out(cloud: Cloud) -> None:
    for _ in range(20 * 12):
        if states(cloud) == [("PRIMARY", "IN_PROGRESS", 6), ("ACTIVE", "COMPLETED", 0)]:
            return
        wait(cloud, 1 / 12)
    pytest.fail("the deployment is not rolled out, or does not bake")


@pytest.mark.parametrize(("given", "minutes"), [({}, 4), ({"bakeTimeInMinutes": 30}, 30)])
def test_a_deployment_is_in_progress_until_it_has_baked(
    cloud: Cloud, update: Update, given: dict[str, Any], minutes: float
) -> None:
    update(deploymentConfiguration=given)
    until_rolled_out(cloud)
    wait(cloud, minutes - 0.5)
    assert states(cloud) == [("PRIMARY", "IN_PROGRESS", 6), ("ACTIVE", "COMPLETED", 0)]
    wait(cloud, 1.5)
    assert states(cloud) == [("PRIMARY", "COMPLETED", 6)]


@pytest.mark.parametrize("is_baking", [False, True])
def test_an_alarm_rolls_the_deployment_back(
    cloud: Cloud, network: dict[str, Any], update: Update, *, is_baking: bool
) -> None:
    failed = update()["deployments"][0]["id"]
    if is_baking:
        until_rolled_out(cloud)
    alarm(cloud, "ALARM")
    wait(cloud, 15)
    service = shown(cloud)
    assert service["networkConfiguration"] == network
    assert states(cloud) == [("PRIMARY", "COMPLETED", 6)]
    events = [seen.event["detail"] for seen in cloud.buses.seen if "eventName" in seen.event["detail"]]
    reasons = {one["deploymentId"]: one["reason"] for one in events if one["eventName"] == "SERVICE_DEPLOYMENT_FAILED"}
    assert reasons == {failed: "ECS deployment alarms: alarm detected."}


def test_without_rollback_the_service_stays_as_it_is(cloud: Cloud, update: Update) -> None:
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": False}
    changed = update(deploymentConfiguration={"alarms": alarms})
    until_rolled_out(cloud)
    alarm(cloud, "ALARM")
    wait(cloud, 15)
    assert shown(cloud)["networkConfiguration"] == changed["networkConfiguration"]
    assert states(cloud) == [("PRIMARY", "FAILED", 6)]


def test_an_alarm_at_the_start_is_ignored(cloud: Cloud, update: Update) -> None:
    alarm(cloud, "ALARM")
    started = update()["deployments"][0]["id"]
    wait(cloud, 10)
    assert states(cloud) == [("PRIMARY", "COMPLETED", 6)]
    assert shown(cloud)["deployments"][0]["id"] == started
