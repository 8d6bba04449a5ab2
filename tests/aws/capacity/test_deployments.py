"""What the deployments of an ECS service may still take, as DescribeServices shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from berthmaster.capacity.observe.workloads import describe_services
from simulator.cloud import Cloud
from simulator.workload.network import Network
from simulator.workload.services import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from berthmaster.capacity.model.workloads import Service

TASKS = 6
SHIFTING: dict[str, dict[str, Any]] = {
    "BLUE_GREEN": {},
    "LINEAR": {"linearConfiguration": {"stepPercent": 50.0, "stepBakeTimeInMinutes": 5}},
    "CANARY": {"canaryConfiguration": {"canaryPercent": 20.0, "canaryBakeTimeInMinutes": 5}},
}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        yield cloud


@pytest.fixture
def network(cloud: Cloud) -> Network:
    network = Network.create(cloud, "10.0.0.0/20")
    for index, zone in enumerate("abc"):
        network.subnet(zone, f"10.0.{index}.0/24")
    return network


def started(cloud: Cloud, network: Network, **options: Any) -> str:
    """The ARN of a service whose tasks run."""
    arn = Workload(cloud).service("web", network.network_configuration(), TASKS, **options)
    wait(cloud, 10)
    return arn


def wait(cloud: Cloud, minutes: float) -> None:
    cloud.clock.run_until(cloud.clock.timestamp() + minutes * 60)


def seen(cloud: Cloud, arn: str) -> Service:
    return describe_services(cloud.client("ecs"), "web", [arn])[arn]


def deploy(cloud: Cloud, arn: str, **changes: Any) -> None:
    cloud.client("ecs").update_service(cluster="web", service=arn, forceNewDeployment=True, **changes)


def test_a_rolling_deployment_may_take_its_percentage(cloud: Cloud, network: Network) -> None:
    arn = started(cloud, network, maximum_percent=150)
    assert (seen(cloud, arn).surge, seen(cloud, arn).committed) == (3, 0)
    deploy(cloud, arn)
    assert (seen(cloud, arn).surge, seen(cloud, arn).committed) == (0, 3)


def test_a_deployment_that_has_failed_takes_nothing_more(cloud: Cloud, network: Network) -> None:
    """Without rollback the tasks of the last deployment stay, and ECS starts no more of the new one."""
    arn = started(cloud, network, circuit_breaker={"enable": True, "rollback": False})
    full = network.subnet("a", "10.0.8.0/28")
    network.occupy(full, leave=0)
    deploy(cloud, arn, networkConfiguration=network.network_configuration(full))
    assert seen(cloud, arn).committed == TASKS
    wait(cloud, 24 * 60)

    states = [
        (one["status"], one["rolloutState"])
        for one in cloud.client("ecs").describe_services(cluster="web", services=[arn])["services"][0]["deployments"]
    ]
    assert states == [("PRIMARY", "FAILED"), ("ACTIVE", "COMPLETED")]
    assert not seen(cloud, arn).deploying
    assert (seen(cloud, arn).committed, seen(cloud, arn).surge) == (0, TASKS)


@pytest.mark.parametrize("strategy", SHIFTING)
def test_traffic_shifts_to_a_whole_second_set_of_tasks(cloud: Cloud, network: Network, strategy: str) -> None:
    """Whatever `maximumPercent` says: that is for rolling deployments."""
    configuration = {"strategy": strategy, "bakeTimeInMinutes": 10, **SHIFTING[strategy]}
    arn = started(cloud, network, maximum_percent=100, deployment_configuration=configuration)
    assert (seen(cloud, arn).surge, seen(cloud, arn).committed) == (TASKS, 0)
    deploy(cloud, arn)
    assert (seen(cloud, arn).surge, seen(cloud, arn).committed) == (0, TASKS)
    wait(cloud, 5)
    assert (seen(cloud, arn).running, seen(cloud, arn).committed) == (2 * TASKS, 0)
