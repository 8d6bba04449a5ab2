"""Records are written only over what was read, and read only if their schema is known."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.items import SCHEMA, Conflict, Items, NewerSchema
from simulator.cloud import Cloud
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

TEN = IPv4Network("10.0.0.0/8")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    name: str
    cidr: IPv4Network = TEN
    version: int = 0

    @property
    def sort_key(self) -> str:
        return self.name


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        yield cloud


@pytest.fixture
def items(cloud: Cloud) -> Items[Plan]:
    assert cloud
    return Items(Clients().dynamodb, CAPACITY_TABLE, "plan", Plan)


def stored(cloud: Cloud, name: str) -> Any:
    key = {"pk": {"S": "plan"}, "sk": {"S": name}}
    return cloud.client("dynamodb").get_item(TableName=CAPACITY_TABLE, Key=key)["Item"]


def test_what_was_saved_is_read_again(items: Items[Plan]) -> None:
    saved = items.save(Plan(name="a"))
    assert saved.version == 1
    assert items.get("a") == saved
    assert items.get("b") is None


def test_records_are_found_by_the_beginning_of_their_keys_or_what_comes_after_one(items: Items[Plan]) -> None:
    for name in ("a.1", "a.2", "b.1"):
        items.save(Plan(name=name))
    assert [one.name for one in items.query()] == ["a.1", "a.2", "b.1"]
    assert [one.name for one in items.query(prefix="a.", newest_first=True)] == ["a.2", "a.1"]
    assert [one.name for one in items.query(since="a.1")] == ["a.2", "b.1"]


def test_of_two_who_read_the_same_only_one_writes(items: Items[Plan]) -> None:
    first = items.save(Plan(name="a"))
    items.save(dataclasses.replace(first, cidr=IPv4Network("10.1.0.0/16")))
    with pytest.raises(Conflict):
        items.save(dataclasses.replace(first, cidr=IPv4Network("10.2.0.0/16")))
    with pytest.raises(Conflict):
        items.save(Plan(name="a", cidr=IPv4Network("10.3.0.0/16")))
    found = items.get("a")
    assert found
    assert found.cidr == IPv4Network("10.1.0.0/16")


def test_a_write_that_meets_its_own_is_no_conflict(items: Items[Plan]) -> None:
    """The SDK repeats a call whose answer was lost."""
    plan = Plan(name="a")
    assert items.save(plan) == items.save(plan)


def test_an_item_expires_at_the_time_given(cloud: Cloud, items: Items[Plan]) -> None:
    saved = items.save(Plan(name="a"), expires=NOON)
    assert stored(cloud, "a")["expires"] == {"N": str(int(NOON.timestamp()))}
    items.save(saved)
    assert "expires" not in stored(cloud, "a")


def test_a_newer_schema_is_refused_by_name(cloud: Cloud, items: Items[Plan]) -> None:
    items.save(Plan(name="a"))
    newer = stored(cloud, "a") | {"schema": {"N": str(SCHEMA + 1)}, "body": {"S": '{"unknown": true}'}}
    cloud.client("dynamodb").put_item(TableName=CAPACITY_TABLE, Item=newer)
    with pytest.raises(NewerSchema, match=f"pk=plan sk=a has schema {SCHEMA + 1}"):
        items.get("a")
    with pytest.raises(NewerSchema):
        items.query()
