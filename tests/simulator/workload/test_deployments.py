"""Deployments whose tasks find no free address: back-off, replaced deployments, the circuit breaker and rollbacks.

Both workloads behave alike.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from simulator.aws.ecs.circuit_breaker import failure_threshold

if TYPE_CHECKING:
    from simulator.cloud import Cloud
    from simulator.workload.fleet import Fleet
    from simulator.workload.network import Network
    from simulator.workload.services import Workload

BREAKER = {"enable": True, "rollback": True}
ONLY_BREAKER = {"enable": True, "rollback": False}


def wait(cloud: Cloud, minutes: float) -> None:
    cloud.clock.run_until(cloud.clock.timestamp() + minutes * 60)


def shown(cloud: Cloud) -> dict[str, Any]:
    service: dict[str, Any] = cloud.client("ecs").describe_services(cluster="web", services=["web"])["services"][0]
    return service


def update(cloud: Cloud, **changes: Any) -> dict[str, Any]:
    service: dict[str, Any] = cloud.client("ecs").update_service(cluster="web", service="web", **changes)["service"]
    return service


def told(cloud: Cloud) -> list[dict[str, Any]]:
    """The details of the events about deployments."""
    events = (seen.event for seen in cloud.buses.seen)
    return [event["detail"] for event in events if event["detail-type"] == "ECS Deployment State Change"]


def states(cloud: Cloud) -> list[tuple[str, str]]:
    return [(one["status"], one["rolloutState"]) for one in shown(cloud)["deployments"]]


def full_subnets(network: Network) -> dict[str, Any]:
    """A network configuration in which no task starts."""
    subnets = [network.subnet(zone, f"10.0.{4 + index}.0/28") for index, zone in enumerate("abc")]
    for subnet_id in subnets:
        network.occupy(subnet_id, leave=0)
    return network.network_configuration(*subnets)


@pytest.fixture
def running(cloud: Cloud, workload: Workload | Fleet, small_network: Network) -> dict[str, Any]:
    """A service without a circuit breaker that runs six tasks; returns its network configuration."""
    configuration = small_network.network_configuration()
    workload.service("web", configuration, 6)
    wait(cloud, 5)
    assert states(cloud) == [("PRIMARY", "COMPLETED")]
    return configuration


@pytest.fixture
def guarded(cloud: Cloud, running: dict[str, Any]) -> dict[str, Any]:
    """The same with a circuit breaker that rolls back."""
    update(cloud, deploymentConfiguration={"deploymentCircuitBreaker": BREAKER})
    return running


def test_each_change_of_state_sends_an_event(cloud: Cloud, running: dict[str, Any]) -> None:
    update(cloud, networkConfiguration=running)
    wait(cloud, 10)
    identifier = shown(cloud)["deployments"][0]["id"]
    assert [detail["eventName"] for detail in told(cloud)] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ] * 2
    last = told(cloud)[-1]
    assert (last["deploymentId"], last["eventType"]) == (identifier, "INFO")
    assert last["reason"] == f"ECS deployment {identifier} completed."
    event = next(seen.event for seen in reversed(cloud.buses.seen) if seen.event["detail"] is last)
    assert event["resources"] == [shown(cloud)["serviceArn"]]


@pytest.mark.usefixtures("running")
def test_a_starved_deployment_keeps_the_old_tasks_and_goes_on(cloud: Cloud, small_network: Network) -> None:
    started = update(cloud, networkConfiguration=full_subnets(small_network))["deployments"][0]["id"]
    for _ in range(12):
        wait(cloud, 20)
        assert shown(cloud)["runningCount"] == 6
    new, old = shown(cloud)["deployments"]
    assert (new["id"], new["runningCount"], new["rolloutState"]) == (started, 0, "IN_PROGRESS")
    assert (old["status"], old["runningCount"]) == ("ACTIVE", 6)
    # Four hours with at most a round of six each quarter of an hour, after some shorter waits.
    assert 60 <= new["failedTasks"] <= 6 * 22


@pytest.mark.usefixtures("running")
def test_a_starved_deployment_completes_when_there_are_addresses(cloud: Cloud, small_network: Network) -> None:
    configuration = full_subnets(small_network)
    update(cloud, networkConfiguration=configuration)
    wait(cloud, 60)
    for subnet_id in configuration["awsvpcConfiguration"]["subnets"]:
        small_network.release(subnet_id)
    wait(cloud, 20)
    (deployment,) = shown(cloud)["deployments"]
    assert (deployment["rolloutState"], deployment["runningCount"], deployment["failedTasks"]) == ("COMPLETED", 6, 0)


def test_part_of_a_starved_deployment_runs_within_its_percentages(
    cloud: Cloud, running: dict[str, Any], small_network: Network
) -> None:
    for subnet_id in small_network.subnets:
        small_network.occupy(subnet_id, leave=1)
    update(cloud, networkConfiguration=running)
    most = 0
    for _ in range(90 * 12):
        wait(cloud, 1 / 12)
        service = shown(cloud)
        assert service["runningCount"] >= 6
        most = max(most, service["runningCount"] + service["pendingCount"])
    # Each new task that runs frees the address of an old one.
    assert states(cloud) == [("PRIMARY", "COMPLETED")]
    assert 6 < most <= 12


def test_an_update_replaces_a_starved_deployment_and_starts_at_once(
    cloud: Cloud, running: dict[str, Any], small_network: Network
) -> None:
    starved = update(cloud, networkConfiguration=full_subnets(small_network))["deployments"][0]["id"]
    # The next attempt would be most of a quarter of an hour away.
    wait(cloud, 122)
    service = update(cloud, networkConfiguration=running)
    assert [one["status"] for one in service["deployments"]] == ["PRIMARY", "ACTIVE", "ACTIVE"]
    assert service["deployments"][1]["id"] == starved
    wait(cloud, 5)
    (deployment,) = shown(cloud)["deployments"]
    assert (deployment["rolloutState"], deployment["runningCount"]) == ("COMPLETED", 6)
    completed = [one["deploymentId"] for one in told(cloud) if one["eventName"].endswith("COMPLETED")]
    assert starved not in completed


def test_replaced_deployments_are_listed_only_while_they_have_tasks(
    cloud: Cloud, running: dict[str, Any], small_network: Network
) -> None:
    full = full_subnets(small_network)
    for _ in range(4):
        update(cloud, networkConfiguration=full)
        wait(cloud, 2)
    assert states(cloud) == [("PRIMARY", "IN_PROGRESS"), ("ACTIVE", "COMPLETED")]
    update(cloud, networkConfiguration=running)
    wait(cloud, 10)
    assert states(cloud) == [("PRIMARY", "COMPLETED")]


@pytest.mark.parametrize(("desired", "failures"), [(0, 3), (1, 3), (6, 3), (7, 4), (25, 13), (400, 200), (900, 200)])
def test_the_threshold_is_half_of_the_desired_count_within_bounds(desired: int, failures: int) -> None:
    assert failure_threshold(desired) == failures


@pytest.mark.usefixtures("guarded")
def test_the_circuit_breaker_rolls_task_definition_and_network_back(cloud: Cloud, small_network: Network) -> None:
    before = shown(cloud)
    completed = before["deployments"][0]["id"]
    cloud.client("ecs").register_task_definition(
        family="other", networkMode="awsvpc", containerDefinitions=[{"name": "web", "image": "web", "memory": 512}]
    )
    changed = update(cloud, networkConfiguration=full_subnets(small_network), taskDefinition="other")
    failed = changed["deployments"][0]["id"]
    wait(cloud, 15)
    service = shown(cloud)
    assert service["networkConfiguration"] == before["networkConfiguration"]
    assert service["taskDefinition"] == before["taskDefinition"]
    (deployment,) = service["deployments"]
    assert deployment["id"] not in (completed, failed)
    assert deployment["networkConfiguration"] == before["networkConfiguration"]
    assert (deployment["rolloutState"], deployment["runningCount"]) == ("COMPLETED", 6)
    events = {(one["deploymentId"], one["eventName"]): one for one in told(cloud)}
    failure = events[failed, "SERVICE_DEPLOYMENT_FAILED"]
    assert (failure["eventType"], failure["reason"]) == (
        "ERROR",
        "ECS deployment circuit breaker: tasks failed to start.",
    )
    assert events[deployment["id"], "SERVICE_DEPLOYMENT_IN_PROGRESS"]["reason"] == (
        f"ECS deployment circuit breaker: rolling back to deploymentId {deployment['id']}."
    )


@pytest.mark.usefixtures("guarded")
def test_a_rolled_back_service_may_be_updated_and_rolled_back_again(cloud: Cloud, small_network: Network) -> None:
    before, full = shown(cloud)["networkConfiguration"], full_subnets(small_network)
    for _ in range(2):
        update(cloud, networkConfiguration=full)
        wait(cloud, 30)
        assert shown(cloud)["networkConfiguration"] == before
    assert Counter(one["eventName"] for one in told(cloud))["SERVICE_DEPLOYMENT_FAILED"] == 2


def test_a_rollback_that_finds_no_address_leaves_the_service_as_it_is(
    cloud: Cloud, guarded: dict[str, Any], small_network: Network
) -> None:
    full = full_subnets(small_network)
    for subnet_id in small_network.subnets:
        small_network.occupy(subnet_id, leave=0)
    update(cloud, networkConfiguration=full)
    wait(cloud, 600)
    service = shown(cloud)
    assert service["networkConfiguration"] == guarded
    assert states(cloud) == [("PRIMARY", "FAILED"), ("ACTIVE", "COMPLETED")]
    assert service["runningCount"] == 6
    assert Counter(one["eventName"] for one in told(cloud))["SERVICE_DEPLOYMENT_FAILED"] == 2


@pytest.mark.usefixtures("running")
def test_without_rollback_a_failed_deployment_launches_nothing_until_an_update(
    cloud: Cloud, small_network: Network
) -> None:
    update(cloud, deploymentConfiguration={"deploymentCircuitBreaker": ONLY_BREAKER})
    configuration = full_subnets(small_network)
    update(cloud, networkConfiguration=configuration)
    wait(cloud, 30)
    failed = shown(cloud)["deployments"][0]
    assert (failed["rolloutState"], failed["failedTasks"]) == ("FAILED", 6)
    for subnet_id in configuration["awsvpcConfiguration"]["subnets"]:
        small_network.release(subnet_id)
    wait(cloud, 120)
    assert states(cloud) == [("PRIMARY", "FAILED"), ("ACTIVE", "COMPLETED")]
    assert shown(cloud)["runningCount"] == 6
    assert shown(cloud)["networkConfiguration"] == configuration
    update(cloud, forceNewDeployment=True)
    wait(cloud, 10)
    assert states(cloud) == [("PRIMARY", "COMPLETED")]


def test_a_service_that_never_completed_has_nothing_to_go_back_to(
    cloud: Cloud, workload: Workload | Fleet, small_network: Network
) -> None:
    configuration = full_subnets(small_network)
    workload.service("web", configuration, 6, circuit_breaker=BREAKER)
    wait(cloud, 60)
    assert shown(cloud)["deploymentConfiguration"]["deploymentCircuitBreaker"] == BREAKER
    assert states(cloud) == [("PRIMARY", "FAILED")]
    assert shown(cloud)["networkConfiguration"] == configuration


@pytest.mark.usefixtures("guarded")
def test_failures_after_a_task_has_run_do_not_count(cloud: Cloud, small_network: Network) -> None:
    subnet_id = small_network.subnet("a", "10.0.9.0/28")
    small_network.occupy(subnet_id, leave=4)
    update(cloud, networkConfiguration=small_network.network_configuration(subnet_id))
    # Two of six fail: fewer than three.
    wait(cloud, 240)
    service = shown(cloud)
    assert states(cloud) == [("PRIMARY", "IN_PROGRESS"), ("ACTIVE", "COMPLETED")]
    assert (service["deployments"][0]["runningCount"], service["deployments"][0]["failedTasks"]) == (4, 0)


@pytest.mark.usefixtures("guarded")
def test_an_update_during_a_rollback_has_nothing_to_go_back_to(cloud: Cloud, small_network: Network) -> None:
    full = full_subnets(small_network)
    update(cloud, networkConfiguration=full)
    for _ in range(60 * 60):
        wait(cloud, 1 / 60)
        if "rolling back" in told(cloud)[-1]["reason"]:
            break
    assert states(cloud)[0] == ("PRIMARY", "IN_PROGRESS")
    second = update(cloud, networkConfiguration=full)["deployments"][0]["id"]
    wait(cloud, 60)
    primary = shown(cloud)["deployments"][0]
    assert (primary["id"], primary["rolloutState"]) == (second, "FAILED")
    assert shown(cloud)["networkConfiguration"] == full
