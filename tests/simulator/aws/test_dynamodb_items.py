"""The short way to DynamoDB gives what the long way gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.dynamodb.time_to_live import start_expiry

if TYPE_CHECKING:
    from simulator.cloud import Cloud

ITEM = {
    "pk": {"S": "a"},
    "sk": {"N": "1"},
    "bytes": {"B": b"\x00\xff"},
    "many": {"BS": [b"\x01", b"\x02"]},
    "list": {"L": [{"S": "x"}, {"M": {"B": {"B": b"deep"}}}]},
    "map": {"M": {"flag": {"BOOL": True}, "none": {"NULL": True}}},
    "names": {"SS": ["one", "two"]},
}
BYTES: Any = {"ExpressionAttributeNames": {"#b": "bytes"}}
BYTES_EQUAL: Any = BYTES | {"ExpressionAttributeValues": {":pk": {"S": "a"}, ":b": {"B": b"\xff"}}}


def requests(dynamodb: Any) -> list[Any]:
    """One request of each kind, and what each answered."""
    key = {"pk": {"S": "a"}, "sk": {"N": "1"}}
    return [
        dynamodb.put_item(TableName="t", Item=ITEM),
        dynamodb.put_item(TableName="t", Item={**ITEM, "sk": {"N": "2"}}, ReturnValues="ALL_OLD"),
        dynamodb.put_item(TableName="t", Item={**key, "sk": {"N": "3"}, "bytes": {"B": b"\xff"}}),
        dynamodb.get_item(TableName="t", Key=key),
        dynamodb.get_item(TableName="t", Key={**key, "sk": {"N": "9"}}),
        dynamodb.get_item(TableName="t", Key={**key, "sk": {"N": "3"}}, ProjectionExpression="#b", **BYTES),
        dynamodb.query(
            TableName="t",
            KeyConditionExpression="pk = :pk AND sk > :sk",
            ExpressionAttributeValues={":pk": {"S": "a"}, ":sk": {"N": "0"}},
            Limit=1,
        ),
        dynamodb.query(
            TableName="t",
            KeyConditionExpression="pk = :pk",
            FilterExpression="#b = :b",
            **BYTES_EQUAL,
            ScanIndexForward=False,
        ),
        dynamodb.update_item(
            TableName="t",
            Key=key,
            UpdateExpression="SET #n = :n REMOVE bytes",
            ExpressionAttributeNames={"#n": "number"},
            ExpressionAttributeValues={":n": {"N": "5"}},
            ReturnValues="ALL_NEW",
        ),
        dynamodb.batch_get_item(RequestItems={"t": {"Keys": [key]}}),
        dynamodb.scan(TableName="t"),
        dynamodb.delete_item(TableName="t", Key=key, ReturnValues="ALL_OLD"),
    ]


def without_metadata(answers: list[Any]) -> list[Any]:
    return [{name: value for name, value in answer.items() if name != "ResponseMetadata"} for answer in answers]


def test_the_handler_responds_as_moto_does(cloud: Cloud, table: Any) -> None:
    short = without_metadata(requests(table))
    for number in ("2", "3"):
        table.delete_item(TableName="t", Key={"pk": {"S": "a"}, "sk": {"N": number}})
    for name in [name for name in cloud.handlers if name.startswith("dynamodb:")]:
        del cloud.handlers[name]
    long = without_metadata(requests(table))
    for answer in long:
        answer.pop("ConsumedCapacity", None)
    assert short == long


def test_conditions_hold(table: Any) -> None:
    table.put_item(TableName="t", Item=ITEM, ConditionExpression="attribute_not_exists(pk)")
    with pytest.raises(table.exceptions.ConditionalCheckFailedException):
        table.put_item(TableName="t", Item=ITEM, ConditionExpression="attribute_not_exists(pk)")
    with pytest.raises(ClientError, match="ValidationException"):
        table.get_item(TableName="t", Key={"pk": {"S": ""}, "sk": {"N": "1"}})
    with pytest.raises(table.exceptions.ResourceNotFoundException):
        table.get_item(TableName="gone", Key={"pk": {"S": "a"}})


def test_a_caller_may_change_what_it_sent_or_got(table: Any) -> None:
    item = {"pk": {"S": "a"}, "sk": {"N": "1"}, "m": {"M": {"x": {"S": "kept"}}}}
    table.put_item(TableName="t", Item=item)
    item["m"]["M"]["x"]["S"] = "changed"  # type: ignore[index]
    got = table.scan(TableName="t")["Items"][0]
    assert got["m"] == {"M": {"x": {"S": "kept"}}}
    got["m"]["M"]["x"]["S"] = "changed"
    assert table.scan(TableName="t")["Items"][0]["m"] == {"M": {"x": {"S": "kept"}}}


def test_expired_items_are_deleted(cloud: Cloud, table: Any) -> None:
    start_expiry(cloud, "t", "expires")
    now = int(cloud.clock.timestamp())
    for number, expires in (("1", now + 3600), ("2", now + 86400)):
        table.put_item(TableName="t", Item={"pk": {"S": "a"}, "sk": {"N": number}, "expires": {"N": str(expires)}})
    table.put_item(TableName="t", Item={"pk": {"S": "a"}, "sk": {"N": "3"}})
    cloud.clock.run_until(now + 12 * 3600)
    assert [item["sk"]["N"] for item in table.scan(TableName="t")["Items"]] == ["2", "3"]
