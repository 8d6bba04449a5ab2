"""Attributes of target groups survive the container, and are only a memory: AWS is asked where it fails."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.ledger.attributes import AttributeLedger
from berthmaster.targets.observe.group_attributes import MOST_REFRESHED, REFRESHED_AFTER, VALID_FOR, AttributesReader
from simulator.cloud import Cloud
from simulator.workload.network import Network
from tests.support.tables import TARGETS_TABLE, create_targets_table
from tests.support.targets.reads import paced_reads

READ = "elbv2:DescribeTargetGroupAttributes"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=5) as cloud:
        create_targets_table(cloud.client("dynamodb"))
        yield cloud


def groups(cloud: Cloud, count: int) -> list[str]:
    vpc_id = Network.create(cloud, "10.0.0.0/24").vpc_id
    elbv2 = cloud.client("elbv2")
    return [
        elbv2.create_target_group(Name=f"group-{number}", Protocol="HTTP", Port=80, VpcId=vpc_id, TargetType="ip")[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for number in range(count)
    ]


def a_reader(cloud: Cloud) -> AttributesReader:
    """That of a new container."""
    ledger = AttributeLedger(cloud.client("dynamodb"), TARGETS_TABLE)
    return AttributesReader(Clients(), Clock(), paced_reads(cloud, seconds_left=60), ledger)


def reads(cloud: Cloud) -> int:
    return len(cloud.calls.named(READ))


def test_a_new_container_asks_the_ledger_and_aws_only_for_what_it_lacks(cloud: Cloud) -> None:
    first, second = groups(cloud, 2)
    assert a_reader(cloud).read([first], lambda: True) == {}
    reader = a_reader(cloud)
    assert reader.read([first, second], lambda: True) == {}
    assert reads(cloud) == 2
    known = reader.of(first, cloud.clock.now())
    assert known
    assert (known.deregistration_delay, known.cross_zone) == (timedelta(seconds=300), None)


def test_what_is_an_hour_old_is_read_again(cloud: Cloud) -> None:
    [group] = groups(cloud, 1)
    reader = a_reader(cloud)
    reader.read([group], lambda: True)
    cloud.clock.advance((VALID_FOR - timedelta(seconds=1)).total_seconds())
    assert a_reader(cloud).read([group], lambda: True) == {}
    assert reads(cloud) == 1
    cloud.clock.advance(2)
    assert reader.of(group, cloud.clock.now()) is None
    a_reader(cloud).read([group], lambda: True)
    assert reads(cloud) == 2


def test_what_there_is_no_time_for_is_failed_and_not_asked_for(cloud: Cloud) -> None:
    [group] = groups(cloud, 1)
    assert isinstance(a_reader(cloud).read([group], lambda: False)[group], TimeoutError)
    assert reads(cloud) == 0


def test_runs_refresh_the_oldest_a_few_at_a_time_and_not_what_others_have_read(cloud: Cloud) -> None:
    all_ = groups(cloud, MOST_REFRESHED + 5)
    reader = a_reader(cloud)
    for so_far in (MOST_REFRESHED, len(all_), len(all_)):
        reader.refresh(all_, lambda: True)
        assert reads(cloud) == so_far
    cloud.clock.advance(REFRESHED_AFTER.total_seconds() + 1)
    a_reader(cloud).refresh(all_[:3], lambda: True)
    assert reads(cloud) == len(all_) + 3
    reader = a_reader(cloud)
    reader.refresh(all_[:3], lambda: True)
    assert reads(cloud) == len(all_) + 3


def test_an_item_that_cannot_be_read_is_as_good_as_none(cloud: Cloud) -> None:
    [group] = groups(cloud, 1)
    dynamodb = cloud.client("dynamodb")
    item = {"pk": {"S": "attributes"}, "sk": {"S": group}, "schema": {"N": "99"}, "body": {"S": "{}"}}
    for broken in (item, item | {"schema": {"N": "1"}}):
        dynamodb.put_item(TableName=TARGETS_TABLE, Item=broken)
        reader = a_reader(cloud)
        reader.recall()
        assert reader.read([group], lambda: True) == {}
        assert reader.of(group, cloud.clock.now())


def test_a_deleted_group_has_none(cloud: Cloud) -> None:
    [group] = groups(cloud, 1)
    cloud.client("elbv2").delete_target_group(TargetGroupArn=group)
    reader = a_reader(cloud)
    assert reader.read([group], lambda: True) == {}
    assert reader.of(group, cloud.clock.now()) is None
