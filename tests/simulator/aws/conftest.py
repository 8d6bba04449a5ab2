"""Subnets in two zones, target groups behind load balancers in them, and a DynamoDB table `t` with keys `pk`, `sk`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target_groups import ZONES, make_group, make_load_balancer

if TYPE_CHECKING:
    from simulator.cloud import Cloud


@pytest.fixture
def subnets(cloud: Cloud, vpc_id: str) -> list[str]:
    ec2 = cloud.client("ec2")
    return [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for index, zone in enumerate(ZONES)
    ]


@pytest.fixture
def elbv2(cloud: Cloud) -> Any:
    return cloud.client("elbv2")


@pytest.fixture
def group(cloud: Cloud, elbv2: Any, vpc_id: str, subnets: list[str]) -> str:
    arn = make_group(elbv2, vpc_id)
    cloud.targets.attach(arn, make_load_balancer(elbv2, subnets))
    return arn


@pytest.fixture
def network_group(cloud: Cloud, elbv2: Any, vpc_id: str, subnets: list[str]) -> str:
    arn = make_group(elbv2, vpc_id, "net", "TCP")
    cloud.targets.attach(arn, make_load_balancer(elbv2, subnets, "network"))
    return arn


@pytest.fixture
def table(cloud: Cloud) -> Any:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    return dynamodb
