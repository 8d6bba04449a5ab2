"""What one observation of a large account costs in AWS calls."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from berthmaster.capacity import observe
from berthmaster.capacity.history import History
from berthmaster.capacity.inventory import KEY, Inventory
from berthmaster.clients import Clients
from simulator.cloud import Cloud
from tests.tables import CAPACITY_TABLE, create_capacity_table

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
VPCS, SUBNETS_PER_VPC, INTERFACES_PER_SUBNET = 100, 10, 20


@pytest.fixture(scope="module")
def account() -> Iterator[Cloud]:
    """100 managed VPCs with 1,000 subnets, 20,000 interfaces and 40 ECS clusters."""
    with Cloud(seed=5, subnet_delay=0) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        ec2 = cloud.client("ec2")
        managed: Any = [{"ResourceType": "vpc", "Tags": [{"Key": "berthmaster:capacity", "Value": "managed"}]}]
        interfaces: list[dict[str, Any]] = []
        subnets: list[str] = []
        for number in range(VPCS):
            network = IPv4Network(f"10.{number}.0.0/16")
            vpc = ec2.create_vpc(CidrBlock=str(network), TagSpecifications=managed)["Vpc"]["VpcId"]
            for block in list(network.subnets(new_prefix=24))[:SUBNETS_PER_VPC]:
                subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=str(block))["Subnet"]["SubnetId"]
                subnets.append(subnet)
                interfaces += (interface(subnet, vpc, block[host]) for host in range(10, 10 + INTERFACES_PER_SUBNET))
        cloud.answers["ec2:DescribeNetworkInterfaces"] = lambda *_: {"NetworkInterfaces": interfaces}
        ecs = cloud.client("ecs")
        ecs.register_task_definition(
            family="web", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
        )
        for number in range(40):
            ecs.create_cluster(clusterName=f"cluster-{number}")
            for service in range(12):
                ecs.create_service(
                    cluster=f"cluster-{number}",
                    serviceName=f"service-{service}",
                    taskDefinition="web",
                    desiredCount=2,
                    networkConfiguration={
                        "awsvpcConfiguration": {"subnets": [subnets[number * 12 + service]], "securityGroups": []}
                    },
                )
        yield cloud


def interface(subnet: str, vpc: str, address: IPv4Address) -> dict[str, Any]:
    return {
        "NetworkInterfaceId": f"eni-{int(address):017x}",
        "SubnetId": subnet,
        "VpcId": vpc,
        "Status": "in-use",
        "InterfaceType": "interface",
        "Description": "arn:aws:ecs:eu-central-1:123456789012:attachment/0a1b2c3d",
        "RequesterManaged": True,
        "PrivateIpAddresses": [{"PrivateIpAddress": str(address), "Primary": True}],
        "Ipv4Prefixes": [],
        "TagSet": [],
    }


def cycle(cloud: Cloud, inventory: Inventory, history: History, now: datetime) -> Counter[str]:
    first = len(cloud.calls.all)
    snapshots = observe.fleet(Clients(), now, inventory)
    history.record(now, snapshots)
    history.load(now)
    assert inventory.failures == []
    assert sum(len(snapshot.subnets) for snapshot in snapshots) == VPCS * SUBNETS_PER_VPC
    return cloud.calls.since(first).counts()


def test_a_cycle_over_100_vpcs_takes_fewer_than_60_calls_and_none_per_subnet(account: Cloud) -> None:
    clients = Clients()
    inventory, history = Inventory(clients, CAPACITY_TABLE), History(clients.dynamodb, CAPACITY_TABLE)

    cold = cycle(account, inventory, history, NOW)
    warm = cycle(account, inventory, history, NOW + timedelta(minutes=5))

    assert cold.total() < 60, cold
    assert warm.total() < 60, warm
    assert warm["ec2:DescribeVpcs"] == warm["ec2:DescribeSubnets"] == 1
    assert warm["ec2:DescribeNetworkInterfaces"] == 20
    assert warm["ecs:ListClusters"] + warm["ecs:ListServices"] + warm["ecs:DescribeServices"] == 20
    assert warm["dynamodb:Query"] == warm["dynamodb:PutItem"] == 1
    assert warm["ec2:GetSubnetCidrReservations"] == warm["service-quotas:GetServiceQuota"] == 0
    assert cold["service-quotas:GetServiceQuota"] == 2


def test_the_rotation_reads_every_service_in_time(account: Cloud) -> None:
    """120 calls, at least 9 a cycle for those unread for longest: 14 cycles."""
    clients = Clients()
    account.client("dynamodb").delete_item(TableName=CAPACITY_TABLE, Key=KEY)
    inventory = Inventory(clients, CAPACITY_TABLE, ecs_calls=20)
    subnets = [subnet for snapshot in observe.fleet(clients, NOW, inventory) for subnet in snapshot.subnets]

    for step in range(1, 14):
        inventory.refresh(NOW + timedelta(minutes=5 * step), subnets, set())

    assert len(inventory.services) == 40 * 12
