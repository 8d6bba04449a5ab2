"""Queries on a table's own keys and on local secondary indexes give what a list of all items gives."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from simulator.cloud import Cloud


@pytest.fixture
def files(cloud: Cloud) -> Any:
    """A table `files` with keys `pk`, `sk`, and indexes on `place`: `state` has all attributes, `kept` the amount."""
    dynamodb = cloud.client("dynamodb")
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "place", "KeyType": "RANGE"}]
    dynamodb.create_table(
        TableName="files",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "place")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        LocalSecondaryIndexes=[
            {"IndexName": "state", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}},
            {
                "IndexName": "kept",
                "KeySchema": schema,
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["amount"]},
            },
        ],
    )
    return dynamodb


def put(files: Any, number: int, place: str | None, shard: str = "0") -> None:
    item = {"pk": {"S": shard}, "sk": {"S": f"{number:05}"}, "amount": {"N": str(number)}, "note": {"S": "x"}}
    files.put_item(TableName="files", Item=item | ({} if place is None else {"place": {"S": place}}))


def ask(files: Any, condition: str = "", *, shard: str = "0", index: str = "state", **more: Any) -> Any:
    values = {f":{name}": {"S": more.pop(name)} for name in ("a", "b") if name in more}
    values |= more.pop("ExpressionAttributeValues", {})
    return files.query(
        TableName="files",
        KeyConditionExpression=f"pk = :pk{condition and ' AND '}{condition}",
        ExpressionAttributeValues={":pk": {"S": shard}} | values,
        ConsistentRead=True,
        **({"IndexName": index} if index else {}),
        **more,
    )


def numbers(answer: Any) -> list[int]:
    return [int(item["sk"]["S"]) for item in answer["Items"]]


def test_every_key_condition_and_page_against_a_list(files: Any) -> None:
    draw = Random(7)  # noqa: S311 - reproducible on purpose
    model: dict[int, str | None] = {}

    def change() -> None:
        number = draw.randrange(60)
        place = draw.choice([None, *(f"{pipeline}|{when:02}" for pipeline in "ab" for when in range(12))])
        kind = draw.randrange(4)
        key = {"pk": {"S": "0"}, "sk": {"S": f"{number:05}"}}
        if kind == 0:
            files.delete_item(TableName="files", Key=key)
            model.pop(number, None)
        elif kind == 1 and place is not None:
            values = {":p": {"S": place}}
            files.update_item(
                TableName="files", Key=key, UpdateExpression="SET place = :p", ExpressionAttributeValues=values
            )
            model[number] = place
        elif kind == 2:
            files.transact_write_items(
                TransactItems=[
                    {"Update": {"TableName": "files", "Key": key, "UpdateExpression": "REMOVE place"}},
                    {"Put": {"TableName": "files", "Item": {"pk": {"S": "1"}, "sk": {"S": f"{number:05}"}}}},
                ]
            )
            model[number] = None
        else:
            put(files, number, place)
            model[number] = place

    conditions: tuple[tuple[str, Any], ...] = (
        ("", lambda _: True),
        ("place = :a", lambda place: place == "a|05"),
        ("place < :a", lambda place: place < "a|05"),
        ("place <= :a", lambda place: place <= "a|05"),
        ("place > :a", lambda place: place > "a|05"),
        ("place >= :a", lambda place: place >= "a|05"),
        ("begins_with(place, :a)", lambda place: place.startswith("a|05"[:2])),
        ("place BETWEEN :a AND :b", lambda place: "a|05" <= place <= "b|03"),
    )
    for _ in range(60):
        for _ in range(draw.choice((1, 5, 40))):
            change()
        condition, holds = draw.choice(conditions)
        operands = {"a": "a|" if "begins" in condition else "a|05", "b": "b|03"}
        is_forward = draw.random() < 0.5
        wanted = sorted((place, number) for number, place in model.items() if place is not None and holds(place))
        request: dict[str, Any] = {name: value for name, value in operands.items() if f":{name}" in condition}
        request |= {"ScanIndexForward": is_forward, "Limit": draw.choice((1, 3, 7, 100))}
        got: list[int] = []
        while True:
            answer = ask(files, condition, **request)
            got += numbers(answer)
            if "LastEvaluatedKey" not in answer:
                break
            assert len(answer["Items"]) == request["Limit"]
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        assert got == [number for _, number in (wanted if is_forward else wanted[::-1])]
        assert numbers(ask(files, index="")) == sorted(model)


def test_what_a_page_and_an_index_give(files: Any) -> None:
    for number in range(5):
        put(files, number, f"a|{4 - number}" if number != 3 else None)
    assert ask(files, Select="COUNT")["Count"] == 4
    assert "Items" not in ask(files, Select="COUNT")
    first = ask(files, Limit=2, FilterExpression="amount = :s", ExpressionAttributeValues={":s": {"N": "2"}})
    assert (numbers(first), first["ScannedCount"]) == ([2], 2)
    assert set(first["LastEvaluatedKey"]) == {"pk", "sk", "place"}
    assert set(ask(files, index="kept")["Items"][0]) == {"pk", "sk", "place", "amount"}
    assert set(ask(files, index="kept", Select="ALL_ATTRIBUTES")["Items"][0]) == {"pk", "sk", "place", "amount", "note"}
    names = {"#n": "note"}
    projected = ask(files, index="kept", ProjectionExpression="sk, #n", ExpressionAttributeNames=names)["Items"]
    assert projected[0] == {"sk": {"S": "00004"}, "note": {"S": "x"}}
    full = ask(files, Limit=4)
    assert full["Count"] == 4
    assert ask(files, ExclusiveStartKey=full["LastEvaluatedKey"])["Items"] == []
    with pytest.raises(ClientError, match="Primary key attribute: place"):
        ask(files, FilterExpression="#p = :a", ExpressionAttributeNames={"#p": "place"}, a="a|1")
    with pytest.raises(ClientError, match="starting key is invalid"):
        ask(files, ExclusiveStartKey={"pk": {"S": "0"}, "sk": {"S": "00001"}})
    with pytest.raises(ClientError, match="Invalid index"):
        ask(files, index="gone")


@pytest.mark.parametrize(("value", "text"), [({"NULL": True}, "Type mismatch"), ({"S": ""}, "empty string")])
def test_what_cannot_be_a_key_of_an_index_is_not_written(files: Any, value: Any, text: str) -> None:
    put(files, 1, "a|1")
    before = ask(files)["Items"]
    item = {"pk": {"S": "0"}, "sk": {"S": "00001"}, "place": value}
    update: Any = {
        "TableName": "files",
        "Key": {"pk": {"S": "0"}, "sk": {"S": "00001"}},
        "UpdateExpression": "SET place = :p, amount = :n",
        "ExpressionAttributeValues": {":p": value, ":n": {"N": "9"}},
    }
    new = update | {"Key": {"pk": {"S": "0"}, "sk": {"S": "00002"}}}
    with pytest.raises(ClientError, match=text):
        files.put_item(TableName="files", Item=item)
    with pytest.raises(ClientError, match=text):
        files.batch_write_item(RequestItems={"files": [{"PutRequest": {"Item": item}}]})
    for wrong in (update, new):
        with pytest.raises(ClientError, match="ValidationException"):
            files.update_item(**wrong)
        with pytest.raises(ClientError, match="Validation"):
            files.transact_write_items(TransactItems=[{"Update": wrong}])
    assert ask(files)["Items"] == before
    assert numbers(ask(files, index="")) == [1]


def test_a_page_has_a_megabyte(files: Any) -> None:
    for number in range(30):
        item = {"pk": {"S": "0"}, "sk": {"S": f"{number:05}"}, "place": {"S": "a"}, "text": {"S": "x" * 100_000}}
        files.put_item(TableName="files", Item=item)
    answer = ask(files)
    assert numbers(answer) == list(range(10))
    assert numbers(ask(files, ExclusiveStartKey=answer["LastEvaluatedKey"])) == list(range(10, 20))


def test_a_query_of_thousands_reads_what_it_returns(files: Any) -> None:
    """The same page costs about the same however many items there are; moto needs a second for it here."""
    for number in range(4000):
        put(files, number, f"p|waiting|{number:05}")
    ask(files, Limit=1)
    before = process_time()
    for number, later in pairwise(range(0, 2000, 10)):
        put(files, number, f"p|running|{number:05}")
        assert len(numbers(ask(files, "place BETWEEN :a AND :b", a="p|waiting|", b="p|waiting|~", Limit=10))) == 10
        assert later
    assert process_time() - before < 2.0
