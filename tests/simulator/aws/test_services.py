"""ECS services without a workload: pages, limits and deployments."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from simulator.cloud import Cloud


def network(*subnets: str) -> dict[str, Any]:
    return {"awsvpcConfiguration": {"subnets": list(subnets), "securityGroups": []}}


@pytest.fixture
def subnets(cloud: Cloud, vpc_id: str) -> list[str]:
    ec2 = cloud.client("ec2")
    return [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{index}.0/24")["Subnet"]["SubnetId"] for index in range(17)
    ]


@pytest.fixture
def ecs(cloud: Cloud, subnets: list[str]) -> Any:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="main")
    ecs.create_cluster(clusterName="airport")
    ecs.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 512}])
    for index in range(12):
        ecs.create_service(
            cluster="main",
            serviceName=f"web-{index}",
            taskDefinition="web",
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration=network(subnets[0]),
            deploymentConfiguration={"maximumPercent": 150, "minimumHealthyPercent": 50},
        )
    return ecs


def test_pages_and_limits(ecs: Any) -> None:
    page = ecs.list_services(cluster="main")
    assert len(page["serviceArns"]) == 10
    assert len(ecs.list_services(cluster="main", maxResults=100)["serviceArns"]) == 12
    assert ecs.list_services(cluster="airport")["serviceArns"] == []
    paged = ecs.get_paginator("list_services").paginate(cluster="main")
    arns = [arn for answer in paged for arn in answer["serviceArns"]]
    assert len(arns) == 12
    with pytest.raises(ClientError, match="InvalidParameterException"):
        ecs.describe_services(cluster="main", services=arns)
    assert ecs.describe_services(cluster="main", services=["gone"])["failures"][0]["reason"] == "MISSING"
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        ecs.list_services(cluster="web")


def test_a_new_network_starts_a_deployment(ecs: Any, subnets: list[str]) -> None:
    time.sleep(60)
    (before,) = ecs.describe_services(cluster="main", services=["web-1"])["services"]
    assert before["deployments"][0]["rolloutState"] == "COMPLETED"
    assert before["deploymentConfiguration"]["maximumPercent"] == 150
    ecs.update_service(cluster="main", service="web-1", desiredCount=3)
    after = ecs.update_service(cluster="main", service="web-1", networkConfiguration=network(*subnets[:2]))["service"]
    assert [item["status"] for item in after["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert after["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    assert after["networkConfiguration"] == network(*subnets[:2])
    time.sleep(60)
    (done,) = ecs.describe_services(cluster="main", services=["web-1"])["services"]
    assert [item["rolloutState"] for item in done["deployments"]] == ["COMPLETED"]
    assert done["runningCount"] == 3


def test_a_wrong_network_is_refused(cloud: Cloud, ecs: Any, subnets: list[str]) -> None:
    other = cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    foreign = cloud.client("ec2").create_subnet(VpcId=other, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    for wrong in (network(*subnets), network("subnet-gone"), network(), network(subnets[0], foreign)):
        with pytest.raises(ClientError, match="InvalidParameterException"):
            ecs.update_service(cluster="main", service="web-1", networkConfiguration=wrong)


def test_a_sixth_deployment_at_once_is_refused(ecs: Any) -> None:
    for _ in range(4):
        ecs.update_service(cluster="main", service="web-0", forceNewDeployment=True)
    with pytest.raises(ClientError, match="5 active deployments exist, unable to create new deployment"):
        ecs.update_service(cluster="main", service="web-0", forceNewDeployment=True)
    answer = ecs.update_service(cluster="main", service="web-0", desiredCount=3)
    assert len(answer["service"]["deployments"]) == 5
