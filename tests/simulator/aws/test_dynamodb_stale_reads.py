"""Eventually consistent reads of DynamoDB by functions may show an older state."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.aws.dynamodb.stale_reads import StaleReads
from simulator.calls import calling_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.cloud import Cloud

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
BEHIND = 60.0


@pytest.fixture
def stale(cloud: Cloud, table: Any) -> Iterator[Any]:
    """The table, seen by a function whose reads may be a minute behind."""
    cloud.state(StaleReads).longest = BEHIND
    with calling_as("F"):
        yield table


def put(table: Any, value: str, number: int = 1) -> None:
    table.put_item(TableName="t", Item={"pk": {"S": "a"}, "sk": {"N": str(number)}, "v": {"S": value}})


def update(table: Any, value: str) -> None:
    table.update_item(
        TableName="t",
        Key=KEY,
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"S": value}},
    )


def write_in_batch(table: Any, value: str) -> None:
    table.batch_write_item(RequestItems={"t": [{"PutRequest": {"Item": KEY | {"v": {"S": value}}}}]})


def write_in_transaction(table: Any, value: str) -> None:
    table.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": KEY | {"v": {"S": value}}}}])


def by_get(table: Any, **more: Any) -> list[dict[str, Any]]:
    answer = table.get_item(TableName="t", Key=KEY, **more)
    return [answer["Item"]] if "Item" in answer else []


def by_query(table: Any, **more: Any) -> list[dict[str, Any]]:
    asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}}}
    items: list[dict[str, Any]] = table.query(TableName="t", **asked, **more)["Items"]
    return items


def by_scan(table: Any, **more: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = table.scan(TableName="t", **more)["Items"]
    return items


def by_batch(table: Any, **more: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = table.batch_get_item(RequestItems={"t": {"Keys": [KEY], **more}})["Responses"]["t"]
    return items


def values(items: list[dict[str, Any]]) -> list[str]:
    return [item["v"]["S"] for item in items]


@pytest.mark.parametrize("write", [put, update, write_in_batch, write_in_transaction])
@pytest.mark.parametrize("read", [by_get, by_query, by_scan, by_batch])
def test_a_read_may_show_what_was_there_before(
    stale: Any, write: Callable[..., None], read: Callable[..., list[dict[str, Any]]]
) -> None:
    put(stale, "old")
    time.sleep(BEHIND)
    write(stale, "new")
    time.sleep(BEHIND / 2)
    assert values(read(stale, ConsistentRead=True)) == ["new"]
    assert {value for _ in range(30) for value in values(read(stale))} == {"old", "new"}
    assert values(read(stale, ConsistentRead=True)) == ["new"]
    time.sleep(BEHIND)
    assert {value for _ in range(30) for value in values(read(stale))} == {"new"}


def test_what_was_deleted_or_put_just_now_may_be_seen_as_before(cloud: Cloud, stale: Any) -> None:
    put(stale, "deleted", 1)
    time.sleep(BEHIND)
    stale.delete_item(TableName="t", Key=KEY)
    put(stale, "added", 2)
    assert values(by_query(stale)) == ["deleted"]
    assert values(by_query(stale, ConsistentRead=True)) == ["added"]
    time.sleep(BEHIND)
    assert values(by_query(stale)) == ["added"]
    with calling_as("operator"):
        stale.delete_item(TableName="t", Key=KEY | {"sk": {"N": "2"}})
        assert by_query(stale) == []
    assert values(by_query(stale)) == ["added"]
    cloud.state(StaleReads).longest = 0.0
    assert by_query(stale) == []


def test_conditions_and_transactions_see_the_newest_state(stale: Any) -> None:
    put(stale, "old")
    time.sleep(BEHIND)
    put(stale, "new")
    unless_newer = {"ConditionExpression": "v = :v", "ExpressionAttributeValues": {":v": {"S": "old"}}}
    with pytest.raises(stale.exceptions.ConditionalCheckFailedException):
        stale.put_item(TableName="t", Item=KEY, **unless_newer)
    (found,) = stale.transact_get_items(TransactItems=[{"Get": {"TableName": "t", "Key": KEY}}])["Responses"]
    assert found["Item"]["v"] == {"S": "new"}


def test_reads_are_current_unless_said_otherwise(cloud: Cloud, table: Any) -> None:
    assert cloud.state(StaleReads).longest == 0.0
    with calling_as("F"):
        put(table, "old")
        put(table, "new")
        assert values(by_get(table)) == ["new"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("puwd"), st.integers(0, 30), st.integers(1, 3)), max_size=30))
def test_a_read_shows_the_state_of_one_moment_that_is_not_too_long_ago(
    stale: Any, steps: list[tuple[str, int, int]]
) -> None:
    """Compared with a model: all states that the table has had, and when each ended."""
    for number in (1, 2, 3):
        stale.delete_item(TableName="t", Key=KEY | {"sk": {"N": str(number)}})
    time.sleep(BEHIND)
    state: dict[str, str] = {}
    past: list[tuple[float, dict[str, str]]] = []
    for step, (verb, wait, number) in enumerate(steps):
        if verb == "w":
            time.sleep(wait)
        else:
            before = dict(state)
            if verb == "d":
                stale.delete_item(TableName="t", Key=KEY | {"sk": {"N": str(number)}})
                state.pop(str(number), None)
            else:
                put(stale, str(step), number)
                state[str(number)] = str(step)
            past.append((time.time(), before))
        shown = {item["sk"]["N"]: item["v"]["S"] for item in by_query(stale)}
        consistent = {item["sk"]["N"]: item["v"]["S"] for item in by_query(stale, ConsistentRead=True)}
        assert consistent == state
        assert shown in [state, *(one for until, one in past if time.time() - until <= BEHIND)]
