"""ECS services on a network: growth, deployments, full subnets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from simulator.aws.ecs.placement import Choice
from simulator.workload.network import Network
from simulator.workload.services import Workload

if TYPE_CHECKING:
    from simulator.cloud import Cloud


@pytest.fixture
def network(cloud: Cloud) -> Network:
    network = Network.create(cloud, "10.0.0.0/20", public="10.0.15.0/24")
    for index, zone in enumerate("abc"):
        network.subnet(zone, f"10.0.0.{32 * index}/27")
    return network


def wait(cloud: Cloud, minutes: float) -> None:
    cloud.clock.run_until(cloud.clock.timestamp() + minutes * 60)


def shown(cloud: Cloud, name: str) -> dict[str, Any]:
    service: dict[str, Any] = cloud.client("ecs").describe_services(cluster="web", services=[name])["services"][0]
    return service


def test_each_zone_routes_to_its_own_nat_gateway(cloud: Cloud, network: Network) -> None:
    tables = cloud.client("ec2").describe_route_tables(RouteTableIds=list(network.route_tables.values()))["RouteTables"]
    gateways = {route["NatGatewayId"] for table in tables for route in table["Routes"] if "NatGatewayId" in route}
    assert len(gateways) == 3
    (acl,) = cloud.client("ec2").describe_network_acls(NetworkAclIds=[network.acl_id])["NetworkAcls"]
    assert {item["SubnetId"] for item in acl["Associations"]} == set(network.subnets)
    vpc = cloud.client("ec2").describe_vpcs(Filters=[{"Name": "tag:berthmaster:capacity", "Values": ["managed"]}])[
        "Vpcs"
    ]
    assert [item["VpcId"] for item in vpc] == [network.vpc_id]


def test_tasks_spread_over_zones_and_hold_addresses(cloud: Cloud, network: Network) -> None:
    workload = Workload(cloud)
    workload.service("web", network.network_configuration(), 9)
    wait(cloud, 3)
    assert set(workload.tasks_by_subnet("web").values()) == {3}
    assert {network.free(subnet_id) for subnet_id in network.subnets} == {27 - 3}
    service = shown(cloud, "web")
    assert (service["runningCount"], service["pendingCount"]) == (9, 0)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    interfaces = cloud.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "subnet-id", "Values": list(network.subnets)}]
    )["NetworkInterfaces"]
    assert len(interfaces) == 9
    assert {item["Status"] for item in interfaces} == {"in-use"}
    assert all(item["RequesterManaged"] and ":attachment/" in item["Description"] for item in interfaces)


def test_the_count_follows_demand(cloud: Cloud, network: Network) -> None:
    workload = Workload(cloud)
    workload.service("web", network.network_configuration(), lambda minutes: 10 - minutes / 10)
    wait(cloud, 5)
    assert workload.running("web") == 9
    wait(cloud, 60)
    assert workload.running("web") == 3
    assert sum(27 - network.free(subnet_id) for subnet_id in network.subnets) == 3


def test_a_deployment_surges_and_settles(cloud: Cloud, network: Network) -> None:
    workload = Workload(cloud)
    workload.service("web", network.network_configuration(), 20, maximum_percent=150)
    wait(cloud, 5)
    workload.deploy("web")
    most = 0
    for _ in range(10):
        wait(cloud, 1)
        service = shown(cloud, "web")
        total = service["runningCount"] + service["pendingCount"]
        most = max(most, total)
        assert service["runningCount"] >= 20
    assert most == 30
    assert [item["rolloutState"] for item in shown(cloud, "web")["deployments"]] == ["COMPLETED"]
    assert workload.failed == []


def test_a_full_subnet_fails_the_task(cloud: Cloud, network: Network) -> None:
    workload = Workload(cloud, cloudtrail=True)
    workload.service("web", network.network_configuration(), 100)
    wait(cloud, 60)
    assert workload.running("web") == 81
    assert {network.free(subnet_id) for subnet_id in network.subnets} == {0}
    # Back-off: an hour of attempts every minute would be more than ten rounds.
    rounds = {failed.at for failed in workload.failed}
    assert 5 <= len(rounds) <= 12
    event, api_call = (seen.event for seen in cloud.buses.seen[1:3])
    subnet_id = workload.failed[0].subnet_id
    assert event["detail"]["stopCode"] == "TaskFailedToStart"
    assert event["detail"]["stoppedReason"] == (
        "Unexpected EC2 error while attempting to Create Network Interface in subnet "
        f"'{subnet_id}': InsufficientFreeAddressesInSubnet"
    )
    assert event["detail"]["attachments"][0]["details"] == [{"name": "subnetId", "value": subnet_id}]
    assert event["detail"]["group"] == "service:web"
    assert api_call["detail"]["errorCode"] == "Client.InsufficientFreeAddressesInSubnet"
    # Tasks of the deployment run.
    assert shown(cloud, "web")["deployments"][0]["failedTasks"] == 0


def test_added_subnets_end_the_shortage(cloud: Cloud, network: Network) -> None:
    workload = Workload(cloud)
    workload.service("web", network.network_configuration(), 100)
    wait(cloud, 30)
    before = len(workload.failed)
    for index, zone in enumerate("abc"):
        network.subnet(zone, f"10.0.{1 + index}.0/24")
    cloud.client("ecs").update_service(
        cluster="web", service="web", networkConfiguration=network.network_configuration()
    )
    wait(cloud, 120)
    assert workload.running("web") == 100
    assert [item["rolloutState"] for item in shown(cloud, "web")["deployments"]] == ["COMPLETED"]
    # A task may still be placed in a full subnet on the way.
    assert len(workload.failed) >= before


def test_the_most_free_subnet_may_be_chosen(cloud: Cloud, network: Network) -> None:
    network.subnet("a", "10.0.4.0/24")
    workload = Workload(cloud, choice=Choice.MOST_FREE)
    workload.service("web", network.network_configuration(), 60)
    wait(cloud, 10)
    assert len(workload.tasks_by_subnet("web")) == 3
    assert workload.failed == []


def test_interfaces_of_other_owners_use_up_a_subnet(network: Network) -> None:
    subnet_id = next(iter(network.subnets))
    network.occupy(subnet_id, leave=2)
    assert network.free_by_subnet()[subnet_id] == 2


def test_demand_may_be_any_curve(cloud: Cloud, network: Network) -> None:
    workload = Workload(cloud)
    workload.service("web", network.network_configuration(), lambda minutes: 20 + 10 * math.sin(minutes / 60))
    wait(cloud, 60 * 24)
    assert 10 <= workload.running("web") <= 30
    assert workload.started > 60


def test_a_task_that_failed_to_start_is_shown_for_an_hour(cloud: Cloud, network: Network) -> None:
    workload, ecs = Workload(cloud), cloud.client("ecs")
    (subnet, *_) = network.subnets
    workload.service("web", network.network_configuration(subnet), 3)
    wait(cloud, 3)
    network.occupy(subnet, leave=0)
    workload.deploy("web")
    wait(cloud, 2)
    arns = ecs.list_tasks(cluster="web", serviceName="web", desiredStatus="STOPPED")["taskArns"]
    assert len(arns) == len(workload.failed) > 2
    tasks = ecs.describe_tasks(cluster="web", tasks=arns)["tasks"]
    assert {task["startedBy"] for task in tasks} == {shown(cloud, "web")["deployments"][0]["id"]}
    for task in tasks:
        assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "TaskFailedToStart")
        assert f"in subnet '{subnet}': InsufficientFreeAddressesInSubnet" in task["stoppedReason"]
        details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
        assert details == {"subnetId": subnet}
    network.release(subnet)
    wait(cloud, 62)
    assert ecs.list_tasks(cluster="web", serviceName="web", desiredStatus="STOPPED")["taskArns"] == []


def test_a_release_whose_tasks_cannot_start_takes_no_address(cloud: Cloud, network: Network) -> None:
    workload, ecs = Workload(cloud), cloud.client("ecs")
    workload.service("web", network.network_configuration(), 3)
    wait(cloud, 3)
    before = shown(cloud, "web")["taskDefinition"]
    workload.release("web", error="CannotPullContainerError: web:latest: not found")
    wait(cloud, 10)
    service = shown(cloud, "web")
    assert service["taskDefinition"] != before
    assert service["deployments"][0]["failedTasks"] > 3
    assert workload.failed == []
    assert sum(workload.tasks_by_subnet("web").values()) == 3
    (arn, *_) = ecs.list_tasks(cluster="web", serviceName="web", desiredStatus="STOPPED")["taskArns"]
    (task,) = ecs.describe_tasks(cluster="web", tasks=[arn])["tasks"]
    assert task["stoppedReason"].startswith("CannotPullContainerError")
