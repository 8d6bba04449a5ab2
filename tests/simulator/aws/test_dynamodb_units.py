"""What a write costs, with the indexes that it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.dynamodb.units import WriteUnits

if TYPE_CHECKING:
    from simulator.cloud import Cloud

KEY = {"pk": {"S": "0"}, "sk": {"S": "a"}}


@pytest.fixture
def files(cloud: Cloud) -> Any:
    """A table with the keys `pk`, `sk` and an index of the keys alone, by `place`."""
    dynamodb = cloud.client("dynamodb")
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "place", "KeyType": "RANGE"}]
    dynamodb.create_table(
        TableName="files",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "place")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        LocalSecondaryIndexes=[
            {"IndexName": "by_place", "KeySchema": schema, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
    )
    cloud.state(WriteUnits).is_counted = True
    return dynamodb


def test_units_of_writes(cloud: Cloud, files: Any) -> None:
    def cost(call: Any, **request: Any) -> int:
        units = cloud.state(WriteUnits).written
        before = units["operator", "files"]
        call(**request)
        return units["operator", "files"] - before

    def update(expression: str, **values: Any) -> int:
        given = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
        return cost(files.update_item, TableName="files", Key=KEY, UpdateExpression=expression, **given)

    assert cost(files.put_item, TableName="files", Item=KEY) == 1
    assert update("SET place = :p", p={"S": "waiting"}) == 2
    assert update("SET place = :p", p={"S": "waiting"}) == 1
    assert update("SET note = :n", n={"S": "not in the index"}) == 1
    assert update("SET place = :p", p={"S": "running"}) == 3
    assert update("SET note = :n", n={"S": "x" * 2000}) == 2
    assert update("REMOVE place, note") == 3
    written = {"Put": {"TableName": "files", "Item": KEY | {"place": {"S": "waiting"}}}}
    assert cost(files.transact_write_items, TransactItems=[written]) == 4
    assert cost(files.delete_item, TableName="files", Key=KEY) == 2
    refused = {"TableName": "files", "Item": KEY, "ConditionExpression": "attribute_exists(pk)"}

    def put_in_vain(**request: Any) -> None:
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            files.put_item(**request)

    assert cost(put_in_vain, **refused) == 1
