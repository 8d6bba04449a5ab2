"""BatchGetItem that leaves keys unprocessed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.dynamodb.batch_reads import PartialBatches
from simulator.aws.throttling import TokenBucket
from simulator.calls import calling_as
from simulator.cloud import Cloud
from tests.support.tables import create_targets_table

if TYPE_CHECKING:
    from collections.abc import Iterable


def key(number: int, pk: str = "a") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"N": str(number)}}


def put(table: Any, keys: Iterable[dict[str, Any]], size: int = 0) -> None:
    for one in keys:
        table.put_item(TableName="t", Item=one | {"value": {"S": "x" * size}})


def get(table: Any, keys: list[dict[str, Any]], **more: Any) -> tuple[int, list[dict[str, Any]]]:
    """How many items were returned, and the keys left."""
    answer = table.batch_get_item(RequestItems={"t": {"Keys": keys, **more}})
    left = answer["UnprocessedKeys"]
    assert not left or {name: value for name, value in left["t"].items() if name != "Keys"} == more
    return len(answer["Responses"]["t"]), left["t"]["Keys"] if left else []


def test_no_more_than_16_megabytes_are_returned(table: Any) -> None:
    keys = [key(1, pk=str(number)) for number in range(100)]
    put(table, keys, size=300 * 1024)
    more: dict[str, Any] = {"ConsistentRead": True, "ProjectionExpression": "sk"}
    assert get(table, keys, **more) == (52, keys[52:])
    assert get(table, keys[52:], **more) == (48, [])


def test_no_more_than_a_megabyte_of_a_partition_is_returned(table: Any) -> None:
    keys = [key(number) for number in range(5)]
    other = key(1, pk="b")
    put(table, [*keys, other], size=300 * 1024)
    assert get(table, [*keys, other]) == (4, keys[3:])


def test_keys_without_an_item_are_processed(table: Any) -> None:
    put(table, [key(1)])
    assert get(table, [key(1), key(2)]) == (1, [])


def test_consumed_capacity_and_the_old_way_to_ask_for_attributes_are_answered(table: Any) -> None:
    put(table, [key(1)])
    answer = table.batch_get_item(RequestItems={"t": {"Keys": [key(1)]}}, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"][0]["TableName"] == "t"
    answer = table.batch_get_item(RequestItems={"t": {"Keys": [key(1)], "AttributesToGet": ["sk"]}})
    assert answer["Responses"]["t"] == [{"sk": {"N": "1"}}]


def test_a_throttled_table_returns_what_its_capacity_allows(cloud: Cloud, table: Any) -> None:
    keys = [key(number) for number in range(10)]
    put(table, keys)
    cloud.call_latency = 0.0
    cloud.state(PartialBatches).capacity = TokenBucket(rate=1, burst=6)
    with calling_as("TargetsFunction"):
        assert get(table, keys) == (6, keys[6:])
        time.sleep(3)
        assert get(table, keys[6:]) == (3, keys[9:])
    assert get(table, keys) == (10, [])


def test_a_table_that_can_process_no_key_throttles_the_call(cloud: Cloud, table: Any) -> None:
    put(table, [key(1)])
    cloud.state(PartialBatches).capacity = TokenBucket(rate=0, burst=0)
    with (
        calling_as("TargetsFunction"),
        pytest.raises(ClientError, match="ProvisionedThroughputExceededException") as refused,
    ):
        get(table, [key(1)])
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] > 0


def test_a_request_that_is_refused_is_refused_all_the_same(cloud: Cloud, table: Any) -> None:
    cloud.state(PartialBatches).unprocessed = 0.5
    with calling_as("TargetsFunction"):
        for wrong in ([key(number) for number in range(101)], [key(1), key(1)], [{"pk": {"S": "a"}}]):
            with pytest.raises(ClientError, match="ValidationException"):
                get(table, wrong)
        with pytest.raises(table.exceptions.ResourceNotFoundException):
            table.batch_get_item(RequestItems={"gone": {"Keys": [key(1)]}})


def left_by(seed: int, caller: str = "TargetsFunction") -> list[str]:
    with Cloud(seed=seed) as cloud:
        dynamodb = cloud.client("dynamodb")
        name = create_targets_table(dynamodb)
        cloud.state(PartialBatches).unprocessed = 0.3
        keys = [{"pk": {"S": "a"}, "sk": {"S": str(number)}} for number in range(100)]
        with calling_as(caller):
            answer = dynamodb.batch_get_item(RequestItems={name: {"Keys": keys}})
        return [one["sk"]["S"] for one in answer["UnprocessedKeys"].get(name, {"Keys": []})["Keys"]]


def test_keys_of_functions_are_left_by_seed() -> None:
    drawn = left_by(1)
    assert 15 < len(drawn) < 45
    assert left_by(1) == drawn
    assert left_by(2) != drawn
    assert left_by(1, caller="operator") == []
