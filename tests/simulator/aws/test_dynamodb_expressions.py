"""An expression is parsed once, and each call has its own names and values all the same."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from simulator.cloud import Cloud


@pytest.fixture
def table(cloud: Cloud) -> Any:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="t",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="t", Item={"pk": {"S": "1"}, "a": {"N": "1"}, "b": {"N": "2"}})
    return dynamodb


def update(table: Any, name: str, *, expected: str, new: str) -> dict[str, str]:
    """Set an attribute if it is as expected; returns the attributes after that."""
    answer = table.update_item(
        TableName="t",
        Key={"pk": {"S": "1"}},
        UpdateExpression="SET #x = :new",
        ConditionExpression="#x BETWEEN :old AND :old AND attribute_exists(pk)",
        ExpressionAttributeNames={"#x": name},
        ExpressionAttributeValues={":old": {"N": expected}, ":new": {"N": new}},
        ReturnValues="ALL_NEW",
    )
    return {key: value["N"] for key, value in answer["Attributes"].items() if key != "pk"}


def test_each_call_has_names_and_values_of_its_own(table: Any) -> None:
    assert update(table, "a", expected="1", new="10") == {"a": "10", "b": "2"}
    assert update(table, "b", expected="2", new="20") == {"a": "10", "b": "20"}
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        update(table, "a", expected="1", new="11")
    assert update(table, "a", expected="10", new="11") == {"a": "11", "b": "20"}


def test_names_and_values_that_are_not_used_are_refused_each_time(table: Any) -> None:
    call = {
        "TableName": "t",
        "Key": {"pk": {"S": "1"}},
        "UpdateExpression": "SET #x = :new",
        "ConditionExpression": "#x = :old",
        "ExpressionAttributeNames": {"#x": "a"},
        "ExpressionAttributeValues": {":old": {"N": "1"}, ":new": {"N": "1"}},
    }
    for _ in range(2):
        table.update_item(**call)
        with pytest.raises(ClientError, match="unused in expressions"):
            table.update_item(**call | {"ExpressionAttributeNames": {"#x": "a", "#y": "b"}})
        with pytest.raises(ClientError, match="unused in expressions"):
            table.update_item(
                **call | {"ExpressionAttributeValues": {**call["ExpressionAttributeValues"], ":z": {"N": "1"}}}  # type: ignore[dict-item]
            )
