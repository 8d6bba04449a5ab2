"""How many AWS calls one cycle over a large account takes."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.fleet import CLUSTERS, SERVICES_PER_CLUSTER, SUBNETS_PER_VPC, VPCS, settle
from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.observe.inventory import RESERVATION_CALLS, Inventory
from berthmaster.capacity.observe.inventory_memory import KEY
from berthmaster.capacity.observe.snapshot import read_fleet
from berthmaster.clients import Clients
from berthmaster.failures import Failures
from simulator.cloud import Cloud
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def account() -> Iterator[Cloud]:
    with Cloud(seed=5, subnet_delay=0) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        settle(cloud)
        yield cloud


def cycle(cloud: Cloud, inventory: Inventory, history: History, now: datetime) -> Counter[str]:
    first, failures = len(cloud.calls.all), Failures()
    snapshots = read_fleet(Clients(), now, inventory, failures)
    history.record(now, snapshots)
    history.load(now)
    assert len(failures) == 0
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
    assert warm["ecs:ListClusters"] + warm["ecs:ListServices"] + warm["ecs:DescribeServices"] <= 20
    assert warm["dynamodb:Query"] == warm["dynamodb:PutItem"] == 1
    assert warm["ec2:GetSubnetCidrReservations"] == RESERVATION_CALLS
    assert warm["service-quotas:GetServiceQuota"] == 0
    assert cold["service-quotas:GetServiceQuota"] == 3


def test_the_rotation_reads_every_service_in_time(account: Cloud) -> None:
    """120 calls, at least 9 a cycle for clusters that were read longest ago: 14 cycles."""
    clients = Clients()
    for item in account.client("dynamodb").scan(TableName=CAPACITY_TABLE)["Items"]:
        if item["pk"] == KEY["pk"]:
            account.client("dynamodb").delete_item(TableName=CAPACITY_TABLE, Key={"pk": item["pk"], "sk": item["sk"]})
    inventory, failures = Inventory(clients, CAPACITY_TABLE, ecs_calls=20), Failures()
    subnets = [subnet for snapshot in read_fleet(clients, NOW, inventory, failures) for subnet in snapshot.subnets]

    for step in range(1, 14):
        inventory.refresh(NOW + timedelta(minutes=5 * step), subnets, set(), failures)

    assert len(inventory.services) == CLUSTERS * SERVICES_PER_CLUSTER
