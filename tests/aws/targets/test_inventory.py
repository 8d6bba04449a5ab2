"""What is managed, judged by one moment however long the reading takes."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.model import Declaration, EcsSelector, TargetGroup
from berthmaster.targets.observe.inventory import BODIES_KEPT, UNREGISTERED_KEPT, Inventory
from simulator.cloud import Cloud
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

SHOP = EcsSelector("scene", service="shop")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=5) as cloud:
        yield cloud


def a_group(cloud: Cloud, network: Network, name: str) -> Declaration:
    answer = cloud.client("elbv2").create_target_group(
        Name=name, Protocol="HTTP", Port=80, VpcId=network.vpc_id, TargetType="ip"
    )
    return Declaration(arn=answer["TargetGroups"][0]["TargetGroupArn"], selector=SHOP)


@pytest.mark.parametrize("left", [0.1, 0.9, 1.7, 2.5, 3.3])
def test_what_is_forgotten_while_others_are_read_is_neither_missing_nor_outside_of_its_vpc(
    cloud: Cloud, left: float
) -> None:
    network = Network.create(cloud, "10.0.0.0/24")
    declared = [a_group(cloud, network, f"group-{number}") for number in range(4)]
    inventory = Inventory(Clients(), Clock())
    inventory.destinations(declared[:2], [])
    cloud.clock.advance(BODIES_KEPT.total_seconds() - left)
    cloud.call_latency = 0.8
    stock = inventory.destinations(declared, [("scene", "shop")])
    assert list(stock.destinations) == [one.arn for one in declared]
    for one in stock.destinations.values():
        assert isinstance(one.body, TargetGroup)
        assert one.body.vpc_cidrs == (IPv4Network("10.0.0.0/24"),)


def test_a_service_that_ecs_begins_to_register_is_known_before_its_next_task_runs(cloud: Cloud) -> None:
    network = Network.create(cloud, "10.0.0.0/24")
    network.subnet("a", "10.0.0.0/26")
    group = a_group(cloud, network, "shop")
    fleet = Fleet(cloud, cluster="scene")
    fleet.service("shop", network.network_configuration(), 1)
    inventory = Inventory(Clients(), Clock())
    assert inventory.native([("scene", "shop")]) == {"scene/shop": {}}
    balancers = [{"targetGroupArn": group.arn, "containerName": "app", "containerPort": 8080}]
    service = cloud.backend("ecs").services["scene:shop"]
    service.load_balancers = balancers
    cloud.clock.advance((UNREGISTERED_KEPT + timedelta(seconds=1)).total_seconds())
    assert inventory.native([("scene", "shop")])["scene/shop"][group.arn] == {8080}
