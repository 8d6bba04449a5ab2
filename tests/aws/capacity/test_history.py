"""The history of use in DynamoDB, written by several containers at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

import boto3
import pytest
from moto import mock_aws

from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.model.vpc import Occupancy, Subnet, VpcSnapshot
from berthmaster.errors import BerthmasterError, MissingEvidence
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("dynamodb")
        create_capacity_table(client)
        yield client


def snapshot(used: dict[str, int], at: datetime = START) -> VpcSnapshot:
    """A VPC of /24 subnets with as many blocked prefixes as used addresses, but at most ten."""
    subnets = tuple(
        Subnet(id=name, vpc_id="vpc-a", zone="z", cidr=IPv4Network("10.0.0.0/24"), free=251 - count)
        for name, count in used.items()
    )
    return VpcSnapshot(
        vpc_id="vpc-a",
        taken_at=at,
        associations=(),
        subnets=subnets,
        occupancy={s.id: Occupancy(subnet_id=s.id, free_prefixes=14 - min(10, s.used)) for s in subnets},
    )


def minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def calls_of(client: Any) -> list[str]:
    """The operations of all calls from now on."""
    names: list[str] = []
    client.meta.events.register("before-call.dynamodb", lambda model, **_: names.append(model.name))
    return names


def test_another_container_loads_what_was_recorded(dynamodb: Any) -> None:
    writer = History(dynamodb, CAPACITY_TABLE)
    for step in range(30):
        writer.record(START + timedelta(minutes=5 * step), [snapshot({"subnet-a": step, "subnet-b": 100})])

    usage = History(dynamodb, CAPACITY_TABLE).load(START + timedelta(hours=3))

    assert usage.addresses(["subnet-a"]) == [(minute(START) + 5 * step, step) for step in range(30)]
    assert usage.prefixes(["subnet-a"])[-1] == (minute(START) + 145, 10)
    assert usage == writer.load(START + timedelta(hours=3))


def test_a_warm_cycle_is_one_query_and_one_put(dynamodb: Any) -> None:
    history = History(dynamodb, CAPACITY_TABLE)
    for step in range(20):
        history.record(START + timedelta(minutes=5 * step), [snapshot({"subnet-a": step})])
    names = calls_of(dynamodb)
    now = START + timedelta(minutes=100)

    history.record(now, [snapshot({"subnet-a": 20})])
    usage = history.load(now)

    assert names == ["Query", "PutItem"]
    assert len(usage.addresses(["subnet-a"])) == 21


def test_a_missing_sample_is_a_gap(dynamodb: Any) -> None:
    history = History(dynamodb, CAPACITY_TABLE)
    history.record(START, [snapshot({"subnet-a": 5, "subnet-b": 0})])
    history.record(START + timedelta(minutes=5), [snapshot({"subnet-a": 6})])
    history.record(START + timedelta(minutes=10), [snapshot({"subnet-a": 7, "subnet-b": 0})])

    usage = History(dynamodb, CAPACITY_TABLE).load(START + timedelta(minutes=11))

    assert usage.addresses(["subnet-b"]) == [(minute(START), 0), (minute(START) + 10, 0)]
    assert usage.addresses(["subnet-a", "subnet-b"]) == [(minute(START), 5), (minute(START) + 10, 7)]


def test_two_containers_that_alternate_lose_nothing(dynamodb: Any) -> None:
    containers = [
        History(dynamodb, CAPACITY_TABLE),
        History(dynamodb, CAPACITY_TABLE),
        History(dynamodb, CAPACITY_TABLE),
    ]
    for step in range(100):
        containers[step * 7 % 3 if step % 10 else 2].record(
            START + timedelta(minutes=5 * step), [snapshot({"subnet-a": step})]
        )

    now = START + timedelta(hours=9)
    expected = [(minute(START) + 5 * step, step) for step in range(100)]
    assert [container.load(now).addresses(["subnet-a"]) for container in containers] == [expected] * 3


def test_containers_that_write_the_same_hour_at_the_same_time_lose_nothing(dynamodb: Any) -> None:
    slow, quick = History(dynamodb, CAPACITY_TABLE), History(dynamodb, CAPACITY_TABLE)
    slow.record(START, [snapshot({"subnet-a": 1})])
    overtaken = iter([True])

    def overtake(**_: Any) -> None:
        if next(overtaken, False):
            quick.record(START + timedelta(minutes=6), [snapshot({"subnet-a": 3, "subnet-b": 9})])

    dynamodb.meta.events.register("before-call.dynamodb.PutItem", overtake)
    slow.record(START + timedelta(minutes=5), [snapshot({"subnet-a": 2})])

    usage = History(dynamodb, CAPACITY_TABLE).load(START + timedelta(minutes=7))
    assert usage.addresses(["subnet-a"]) == [(minute(START), 1), (minute(START) + 5, 2), (minute(START) + 6, 3)]
    assert usage.addresses(["subnet-b"]) == [(minute(START) + 6, 9)]


def test_a_container_that_always_comes_second_gives_up_with_an_error(dynamodb: Any) -> None:
    slow, quick = History(dynamodb, CAPACITY_TABLE), History(dynamodb, CAPACITY_TABLE)
    busy = iter(range(1, 100))
    inside: list[bool] = []

    def overtake(**_: Any) -> None:
        if not inside:
            inside.append(True)
            quick.record(START + timedelta(minutes=next(busy)), [snapshot({"subnet-a": 3})])
            inside.clear()

    dynamodb.meta.events.register("before-call.dynamodb.PutItem", overtake)

    with pytest.raises(BerthmasterError, match="wrote the history of 2026-03-02T09 5 times"):
        slow.record(START, [snapshot({"subnet-a": 2})])


def test_samples_older_than_14_days_are_dropped_and_their_items_expire(dynamodb: Any) -> None:
    history = History(dynamodb, CAPACITY_TABLE)
    for day in range(16):
        history.record(START + timedelta(days=day), [snapshot({"subnet-a": day})])

    warm = history.load(START + timedelta(days=15))
    cold = History(dynamodb, CAPACITY_TABLE).load(START + timedelta(days=15))

    assert [used for _, used in warm.addresses(["subnet-a"])] == list(range(2, 16))
    assert warm == cold
    items = dynamodb.scan(TableName=CAPACITY_TABLE)["Items"]
    assert min(int(item["expires"]["N"]) for item in items) == int((START + timedelta(days=15)).timestamp())


def damage(dynamodb: Any, hour: str, samples: bytes) -> None:
    dynamodb.update_item(
        TableName=CAPACITY_TABLE,
        Key={"pk": {"S": "history"}, "sk": {"S": f"{hour}#000"}},
        UpdateExpression="SET samples = :bad",
        ExpressionAttributeValues={":bad": {"B": samples}},
    )


@pytest.mark.parametrize("samples", [b"\x01nonsense", b"\x09of a newer version", b""])
def test_an_item_that_cannot_be_read_is_a_gap_and_an_error_that_names_it(dynamodb: Any, samples: bytes) -> None:
    writer = History(dynamodb, CAPACITY_TABLE)
    for hour in range(3):
        writer.record(START + timedelta(hours=hour), [snapshot({"subnet-a": hour})])
    damage(dynamodb, "2026-03-02T10", samples)

    history = History(dynamodb, CAPACITY_TABLE)
    now = START + timedelta(hours=2, minutes=5)
    usage = history.load(now)

    assert usage.addresses(["subnet-a"]) == [(minute(START), 0), (minute(START) + 120, 2)]
    (error,) = history.unreadable
    assert "sk=2026-03-02T10#000" in str(error)
    history.record(now, [snapshot({"subnet-a": 9})])


def test_the_item_of_this_hour_is_not_overwritten_if_it_cannot_be_read(dynamodb: Any) -> None:
    history = History(dynamodb, CAPACITY_TABLE)
    history.record(START, [snapshot({"subnet-a": 1})])
    damage(dynamodb, "2026-03-02T09", b"\x09of a newer version")
    with pytest.raises(MissingEvidence, match=r"sk=2026-03-02T09#000 has format 9"):
        history.record(START + timedelta(minutes=5), [snapshot({"subnet-a": 2})])
    (item,) = dynamodb.scan(TableName=CAPACITY_TABLE)["Items"]
    assert item["samples"]["B"] == b"\x09of a newer version"


def test_a_container_that_knows_of_a_damaged_item_notices_that_it_was_deleted(dynamodb: Any) -> None:
    history = History(dynamodb, CAPACITY_TABLE)
    history.record(START, [snapshot({"subnet-a": 1})])
    damage(dynamodb, "2026-03-02T09", b"?")
    for hour in range(1, 6):
        history.record(START + timedelta(hours=hour), [snapshot({"subnet-a": hour})])
    assert len(history.unreadable) == 1
    dynamodb.delete_item(TableName=CAPACITY_TABLE, Key={"pk": {"S": "history"}, "sk": {"S": "2026-03-02T09#000"}})
    history.record(START + timedelta(hours=6), [snapshot({"subnet-a": 6})])
    assert history.unreadable == ()
    assert [used for _, used in history.load(START + timedelta(hours=6)).addresses(["subnet-a"])] == [1, 2, 3, 4, 5, 6]


def test_many_subnets_are_stored_in_parts(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("berthmaster.capacity.ledger.history.SUBNETS_PER_ITEM", 3)
    history = History(dynamodb, CAPACITY_TABLE)
    history.record(START, [snapshot({f"subnet-{n}": n for n in range(7)})])
    history.record(START + timedelta(minutes=5), [snapshot({f"subnet-{n}": n + 1 for n in range(1, 8)})])

    usage = History(dynamodb, CAPACITY_TABLE).load(START + timedelta(minutes=6))

    assert len(dynamodb.scan(TableName=CAPACITY_TABLE)["Items"]) == 3
    assert usage.addresses(["subnet-0"]) == [(minute(START), 0)]
    assert usage.addresses(["subnet-3"]) == [(minute(START), 3), (minute(START) + 5, 4)]
    assert usage.addresses(["subnet-7"]) == [(minute(START) + 5, 8)]
