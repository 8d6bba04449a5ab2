"""Services, reservations and quotas are read in rotation, within a budget of calls."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from berthmaster.capacity.model.vpc import Quotas
from berthmaster.capacity.observe.cluster_memory import ClusterMemory
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.observe.network import subnets_of
from berthmaster.clients import Clients
from berthmaster.failures import Failures
from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.workload.many_services import add_services
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CYCLE = timedelta(minutes=5)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3, subnet_delay=0) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        cloud.client("ecs").register_task_definition(
            family="web", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
        )
        yield cloud


class Account:
    """One VPC with so many /27 subnets."""

    def __init__(self, cloud: Cloud, subnets: int = 1) -> None:
        self.cloud = cloud
        self.ec2 = cloud.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
        self.subnet_ids = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{number}.0/27")["Subnet"]["SubnetId"]
            for number in range(subnets)
        ]

    @property
    def subnets(self) -> list[Any]:
        return subnets_of(self.ec2, [self.vpc])

    def services(self, cluster: str, count: int, subnet: int = 0) -> None:
        ecs = self.cloud.client("ecs")
        ecs.create_cluster(clusterName=cluster)
        network = {"awsvpcConfiguration": {"subnets": [self.subnet_ids[subnet]], "securityGroups": []}}
        for number in range(count):
            ecs.create_service(
                cluster=cluster,
                serviceName=f"{cluster}-{number}",
                taskDefinition="web",
                desiredCount=0,
                networkConfiguration=network,
            )

    def fill(self, subnet: int) -> None:
        for _ in range(25):
            self.ec2.create_network_interface(SubnetId=self.subnet_ids[subnet])

    def settle_deployments(self) -> None:
        """Let every deployment end, so that none makes its cluster urgent."""
        self.cloud.clock.advance(3600)

    def clusters_read_since(self, seq: int) -> list[str]:
        return [
            call.params["cluster"].rpartition("/")[2] for call in self.cloud.calls.since(seq).named("ecs:ListServices")
        ]


def refresh(
    inventory: Inventory, account: Account, now: datetime, holding: set[str] | None = None, failures: int = 0
) -> None:
    """Refresh, with so many failures."""
    collected = Failures()
    inventory.refresh(now, account.subnets, holding or set(), collected)
    assert len(collected) == failures


def test_a_cluster_too_large_for_one_cycle_is_continued_in_the_next(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("large", 45)
    inventory = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=3)

    counts = []
    for step in range(6):
        refresh(inventory, account, NOW + step * CYCLE)
        counts.append(len(inventory.services))

    assert counts[0] < counts[1] < 45
    assert counts[-1] == 45


def test_clusters_in_nearly_full_subnets_come_first(cloud: Cloud) -> None:
    account = Account(cloud, subnets=2)
    for number in range(6):
        account.services(f"other-{number}", 1, subnet=0)
    account.services("zz-full", 1, subnet=1)
    account.settle_deployments()
    inventory = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=100)
    refresh(inventory, account, NOW)
    account.fill(1)
    tight = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=5)

    read = []
    for step in range(1, 5):
        seq = len(cloud.calls.all)
        refresh(tight, account, NOW + step * CYCLE)
        read.append(account.clusters_read_since(seq))

    assert all(clusters[0] == "zz-full" for clusters in read)
    assert len({clusters[1] for clusters in read}) == 4


def test_services_and_clusters_that_are_gone_are_dropped(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("stays", 2)
    account.services("goes", 1)
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    refresh(inventory, account, NOW)
    ecs = cloud.client("ecs")
    ecs.delete_service(cluster="stays", service="stays-0", force=True)
    ecs.delete_service(cluster="goes", service="goes-0", force=True)
    ecs.delete_cluster(cluster="goes")

    refresh(inventory, account, NOW + CYCLE)

    assert {service.name for service in inventory.services} == {"stays-1"}


def test_a_new_container_continues_from_the_table(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 3)
    first = Inventory(Clients(), CAPACITY_TABLE)
    refresh(first, account, NOW, holding=set(account.subnet_ids))

    second = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=0, reservation_calls=0)
    refresh(second, account, NOW + timedelta(minutes=10), holding=set(account.subnet_ids))

    assert set(second.services) == set(first.services) != set()
    assert second.reservations == first.reservations
    assert second.quotas == Quotas(cidrs_per_vpc=5, subnets_per_vpc=200, routes_per_table=50)
    assert len(cloud.calls.named("service-quotas:GetServiceQuota")) == 3


def test_old_entries_in_the_table_are_ignored(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 3)
    refresh(Inventory(Clients(), CAPACITY_TABLE), account, NOW)

    late = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=0)
    refresh(late, account, NOW + timedelta(days=2))

    assert late.services == ()


def test_an_item_that_cannot_be_decoded_is_ignored(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 1)
    cloud.client("dynamodb").put_item(
        TableName=CAPACITY_TABLE, Item={"pk": {"S": "inventory"}, "sk": {"S": "watch"}, "state": {"B": b"?"}}
    )

    inventory = Inventory(Clients(), CAPACITY_TABLE)
    refresh(inventory, account, NOW)

    assert len(inventory.services) == 1


def test_a_few_reservations_are_read_per_cycle_and_as_many_where_prefixes_are_in_use(cloud: Cloud) -> None:
    account = Account(cloud, subnets=7)
    for number, subnet in enumerate(account.subnet_ids):
        account.ec2.create_subnet_cidr_reservation(
            SubnetId=subnet, Cidr=f"10.0.{number}.16/28", ReservationType="prefix"
        )
    inventory = Inventory(Clients(), CAPACITY_TABLE, reservation_calls=2)
    holding = set(account.subnet_ids[:3])

    refresh(inventory, account, NOW, holding)
    first = {one.subnet_id for one in inventory.reservations}
    assert (len(first & holding), len(first - holding)) == (2, 2)
    refresh(inventory, account, NOW + CYCLE, holding)

    assert {one.subnet_id for one in inventory.reservations} == set(account.subnet_ids)
    assert len(cloud.calls.named("ec2:GetSubnetCidrReservations")) == 8


def test_quotas_are_read_once_an_hour(cloud: Cloud) -> None:
    account = Account(cloud)
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    for step in range(13):
        refresh(inventory, account, NOW + step * CYCLE)

    assert len(cloud.calls.named("service-quotas:GetServiceQuota")) == 6


def test_one_part_that_cannot_be_read_does_not_stop_the_others(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 1)
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    refresh(inventory, account, NOW)

    def refuse(*_: Any) -> Any:
        raise AwsError("AccessDeniedException", "no")

    cloud.handlers["ecs:ListClusters"] = refuse
    refresh(inventory, account, NOW + timedelta(hours=2), failures=1)

    assert len(inventory.services) == 1
    assert len(cloud.calls.named("service-quotas:GetServiceQuota")) == 6


def test_a_cluster_that_cannot_be_read_does_not_stop_the_rotation(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("a-broken", 1)
    account.services("b-fine", 1)
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    listed = cloud.handlers["ecs:ListServices"]

    def refuse(the_cloud: Cloud, params: Any) -> Any:
        if params["cluster"].endswith("a-broken"):
            raise AwsError("AccessDeniedException", "no")
        return listed(the_cloud, params)

    cloud.handlers["ecs:ListServices"] = refuse
    refresh(inventory, account, NOW, failures=1)
    refresh(inventory, account, NOW + CYCLE, failures=1)

    assert {service.name for service in inventory.services} == {"b-fine-0"}


def test_a_table_that_cannot_be_read_is_read_again_and_not_overwritten(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 1)
    refresh(Inventory(Clients(), CAPACITY_TABLE), account, NOW)
    usual = cloud.handlers.get("dynamodb:GetItem")

    def refuse(*_: Any) -> Any:
        raise AwsError("AccessDeniedException", "no")

    cloud.handlers["dynamodb:GetItem"] = refuse
    late = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=1)
    refresh(late, account, NOW + CYCLE, failures=1)
    assert late.services == ()
    del cloud.handlers["dynamodb:GetItem"]
    if usual:
        cloud.handlers["dynamodb:GetItem"] = usual
    refresh(late, account, NOW + 2 * CYCLE)
    assert [service.name for service in late.services] == ["web-0"]


def test_a_cluster_that_cannot_be_read_does_not_starve_those_read_longest_ago(cloud: Cloud) -> None:
    account = Account(cloud, subnets=2)
    account.fill(0)
    account.services("a-broken", 1)
    inventory = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=8)
    refresh(inventory, account, NOW)
    account.services("z-fine", 1, subnet=1)
    listed = cloud.handlers["ecs:ListServices"]

    def refuse(the_cloud: Cloud, params: Any) -> Any:
        if params["cluster"].endswith("a-broken"):
            raise AwsError("AccessDeniedException", "no")
        return listed(the_cloud, params)

    cloud.handlers["ecs:ListServices"] = refuse
    refresh(inventory, account, NOW + CYCLE, failures=1)
    assert {service.name for service in inventory.services} == {"a-broken-0", "z-fine-0"}


def test_a_quota_that_cannot_be_read_any_more_is_what_it_was(cloud: Cloud) -> None:
    account = Account(cloud)
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    refresh(inventory, account, NOW)

    def throttle(*_: Any) -> Any:
        raise AwsError("TooManyRequestsException", "no")

    cloud.handlers["service-quotas:GetServiceQuota"] = throttle
    refresh(inventory, account, NOW + timedelta(hours=2))
    assert inventory.quotas == Quotas(cidrs_per_vpc=5, subnets_per_vpc=200, routes_per_table=50)


def test_without_time_nothing_is_read_and_nothing_is_forgotten(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 1)
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    refresh(inventory, account, NOW)
    before = len(cloud.calls.all)
    failures = Failures()
    inventory.refresh(NOW + timedelta(hours=2), account.subnets, set(), failures, lambda: False)
    assert len(failures) == 0
    assert [service.name for service in inventory.services] == ["web-0"]
    assert cloud.calls.since(before).named("ecs:ListServices") == []


def test_the_budget_grows_with_the_account_so_that_5000_services_are_read_within_an_hour(cloud: Cloud) -> None:
    account = Account(cloud)
    network = {"awsvpcConfiguration": {"subnets": account.subnet_ids, "securityGroups": []}}
    for number in range(50):
        add_services(cloud, f"cluster-{number}", [f"service-{number}-{one}" for one in range(100)], network)
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    calls = []
    for step in range(12):
        before = len(cloud.calls.all)
        refresh(inventory, account, NOW + step * CYCLE)
        calls.append(sum(call.service == "ecs" for call in cloud.calls.since(before)))
    assert len(inventory.services) == 5_000
    assert max(calls) <= 5_000 / 6 / 10 + 20
    known = ClusterMemory(cloud.client("dynamodb"), CAPACITY_TABLE).load(NOW + timedelta(hours=1))
    assert sum(len(cluster.services) for cluster in known.values()) == 5_000


def test_services_that_deploy_in_managed_subnets_are_described_in_every_cycle(cloud: Cloud) -> None:
    account = Account(cloud)
    for number in range(6):
        account.services(f"other-{number}", 3)
    account.settle_deployments()
    inventory = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=30)
    refresh(inventory, account, NOW)
    ecs = cloud.client("ecs")
    ecs.update_service(cluster="other-3", service="other-3-1", forceNewDeployment=True)
    refresh(inventory, account, NOW + CYCLE)
    assert {one.name for one in inventory.services if one.deploying} == {"other-3-1"}
    tight = Inventory(Clients(), CAPACITY_TABLE, ecs_calls=5)
    for step in range(2, 5):
        before = len(cloud.calls.all)
        refresh(tight, account, NOW + step * CYCLE)
        asked = [call.params["services"] for call in cloud.calls.since(before).named("ecs:DescribeServices")]
        assert [one.rpartition("/")[2] for one in asked[0]] == ["other-3-1"]


def test_clusters_that_did_not_change_are_written_again_before_they_expire(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 1)
    account.settle_deployments()
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    for step in range(0, 49, 2):
        refresh(inventory, account, NOW + timedelta(hours=step))
    assert len(cloud.calls.named("dynamodb:BatchWriteItem")) < 12
    now = NOW + timedelta(hours=50)
    assert len(ClusterMemory(cloud.client("dynamodb"), CAPACITY_TABLE).load(now)) == 1


def test_what_dynamodb_leaves_unprocessed_is_written_in_the_next_cycle(cloud: Cloud) -> None:
    account = Account(cloud)
    account.services("web", 1)
    account.settle_deployments()
    inventory = Inventory(Clients(), CAPACITY_TABLE)
    written = cloud.handlers["dynamodb:BatchWriteItem"]
    cloud.handlers["dynamodb:BatchWriteItem"] = lambda _, params: {"UnprocessedItems": params["RequestItems"]}
    refresh(inventory, account, NOW)
    memory = ClusterMemory(cloud.client("dynamodb"), CAPACITY_TABLE)
    assert memory.load(NOW) == {}
    cloud.handlers["dynamodb:BatchWriteItem"] = written
    refresh(inventory, account, NOW + CYCLE)
    assert len(memory.load(NOW + CYCLE)) == 1
