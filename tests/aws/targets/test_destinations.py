"""Reading destinations takes time, and all that is read counts as of one time."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.ledger.attributes import AttributeLedger
from berthmaster.targets.model import Declaration, EcsSelector, TargetGroup
from berthmaster.targets.observe.destinations import DestinationReader
from berthmaster.targets.observe.ecs_registrations import NONE_VALID_FOR, EcsRegistrations
from berthmaster.targets.observe.target_groups import VALID_FOR
from simulator.cloud import Cloud
from simulator.latency import Constant
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network
from tests.support.tables import TARGETS_TABLE, create_targets_table
from tests.support.targets.reads import paced_reads

SHOP = EcsSelector("web", services=("shop",))


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
def test_a_group_that_expires_while_others_are_read_is_neither_missing_nor_without_its_vpc(
    cloud: Cloud, left: float
) -> None:
    network = Network.create(cloud, "10.0.0.0/24")
    network.subnet("a", "10.0.0.0/26")
    declared = [a_group(cloud, network, f"group-{number}") for number in range(4)]
    create_targets_table(cloud.client("dynamodb"))
    reads = paced_reads(cloud, seconds_left=3600)
    reader = DestinationReader(Clients(), Clock(), reads, AttributeLedger(cloud.client("dynamodb"), TARGETS_TABLE))
    reader.read(declared[:2], [])
    cloud.clock.advance(VALID_FOR.total_seconds() - left)
    cloud.latency = Constant(0.8)
    destinations = reader.read(declared, [("web", "shop")])
    assert list(destinations.by_arn) == [one.arn for one in declared]
    for one in destinations.by_arn.values():
        assert isinstance(one.body, TargetGroup)
        assert one.body.subnet_cidrs == (IPv4Network("10.0.0.0/26"),)


def test_a_service_that_ecs_registers_from_now_on_is_known_before_its_next_task_runs(cloud: Cloud) -> None:
    network = Network.create(cloud, "10.0.0.0/24")
    network.subnet("a", "10.0.0.0/26")
    group = a_group(cloud, network, "shop")
    fleet = Fleet(cloud, cluster="web")
    fleet.service("shop", network.network_configuration(), 1)
    registrations, services = EcsRegistrations(Clients()), [("web", "shop")]
    assert registrations.of(services, cloud.clock.now()) == {"web/shop": {}}
    balancers = [{"targetGroupArn": group.arn, "containerName": "app", "containerPort": 8080}]
    service = cloud.backend("ecs").services["web:shop"]
    service.load_balancers = balancers
    cloud.clock.advance((NONE_VALID_FOR + timedelta(seconds=1)).total_seconds())
    assert registrations.of(services, cloud.clock.now())["web/shop"][group.arn] == {8080}
