"""Transactions do everything or nothing, say why for each action, and cost no copy of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.calls import calling_as
from simulator.errors import AwsError, error_body
from simulator.faults import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.cloud import Cloud

NEW = "attribute_not_exists(pk)"


def key(number: int) -> dict[str, Any]:
    return {"pk": {"S": "a"}, "sk": {"N": str(number)}}


def put(number: int, condition: str = "", **more: Any) -> dict[str, Any]:
    conditions = {"ConditionExpression": condition} if condition else {}
    return {"Put": {"TableName": "t", "Item": {**key(number), "b": {"B": b"\xff"}}, **conditions, **more}}


def delete(number: int) -> dict[str, Any]:
    return {"Delete": {"TableName": "t", "Key": key(number)}}


def check(number: int, condition: str, **more: Any) -> dict[str, Any]:
    return {"ConditionCheck": {"TableName": "t", "Key": key(number), "ConditionExpression": condition, **more}}


def count(number: int, by: dict[str, str], name: str = "n") -> dict[str, Any]:
    return {
        "Update": {
            "TableName": "t",
            "Key": key(number),
            "UpdateExpression": "ADD #n :by",
            "ExpressionAttributeNames": {"#n": name},
            "ExpressionAttributeValues": {":by": by},
        }
    }


def numbers(table: Any) -> list[int]:
    return sorted(int(item["sk"]["N"]) for item in table.scan(TableName="t")["Items"])


def attempts(table: Any) -> list[tuple[str, Any]]:
    """One transaction of each kind, and how it ended."""
    ends: list[tuple[str, Any]] = []
    for items in (
        [put(1), put(2), put(3)],
        [put(4, NEW), put(2, NEW, ReturnValuesOnConditionCheckFailure="ALL_OLD"), delete(1)],
        [count(1, {"N": "2"}), check(2, "attribute_exists(pk)"), delete(3)],
        [count(1, {"N": "2"}), check(9, "attribute_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD")],
        [put(5), delete(5)],
        [put(number) for number in range(101)],
    ):
        try:
            table.transact_write_items(TransactItems=items)
        except ClientError as error:
            shown = {name: value for name, value in error.response.items() if name != "ResponseMetadata"}
            shown.pop("message", None)
            ends.append((type(error).__name__, shown))
        else:
            ends.append(("ok", None))
        ends.append(("items", sorted(table.scan(TableName="t")["Items"], key=lambda item: item["sk"]["N"])))
    ends.append(
        ("got", table.transact_get_items(TransactItems=[{"Get": {"TableName": "t", "Key": key(n)}} for n in (1, 9)]))
    )
    ends[-1][1].pop("ResponseMetadata")
    return ends


def test_the_handler_responds_as_moto_does(cloud: Cloud, table: Any) -> None:
    short = attempts(table)
    for number in numbers(table):
        table.delete_item(TableName="t", Key=key(number))
    for name in [name for name in cloud.handlers if name.startswith("dynamodb:")]:
        del cloud.handlers[name]
    long = attempts(table)
    for _, shown in long:
        if isinstance(shown, dict) and "Error" in shown:
            shown.pop("Message", None)
    assert short == long


def test_a_cancelled_transaction_changes_nothing_and_has_a_reason_for_each_action(table: Any) -> None:
    table.transact_write_items(TransactItems=[put(2)])
    with pytest.raises(table.exceptions.TransactionCanceledException) as caught:
        table.transact_write_items(
            TransactItems=[put(1), put(2, NEW, ReturnValuesOnConditionCheckFailure="ALL_OLD"), put(3, NEW)]
        )
    reasons = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed", "None"]
    assert reasons[1]["Item"] == {**key(2), "b": {"B": b"\xff"}}
    assert "[None, ConditionalCheckFailed, None]" in caught.value.response["Error"]["Message"]
    assert numbers(table) == [2]


def test_an_action_that_cannot_be_done_undoes_those_before_it(table: Any) -> None:
    table.transact_write_items(TransactItems=[put(1), put(2)])
    before = table.scan(TableName="t")["Items"]
    with pytest.raises(table.exceptions.TransactionCanceledException) as caught:
        table.transact_write_items(
            TransactItems=[count(1, {"N": "1"}), delete(2), put(3), count(4, {"N": "1"}), count(5, {"S": "x"})]
        )
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]][-1] == "ValidationError"
    assert table.scan(TableName="t")["Items"] == before


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([put(1), delete(1)], id="two actions for one item"),
        pytest.param([put(1) | delete(2)], id="two actions in one"),
        pytest.param([put(number) for number in range(101)], id="101 actions"),
        pytest.param([{"Delete": {"TableName": "t", "Key": {"pk": {"S": "a"}}}}], id="half a key"),
        pytest.param([{"Delete": {"TableName": "t", "Key": {**key(1), "x": {"S": "x"}}}}], id="more than a key"),
        pytest.param([check(1, NEW, ExpressionAttributeValues={":x": {"S": "x"}})], id="an unused value"),
        pytest.param(
            [put(1), {"Update": {**count(2, {"N": "1"})["Update"], "UpdateExpression": "ADD #n"}}], id="syntax"
        ),
    ],
)
def test_a_wrong_transaction_is_refused_whole(table: Any, items: list[Any]) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        table.transact_write_items(TransactItems=items)
    assert numbers(table) == []


def test_a_table_that_is_not_there_is_not_found(table: Any) -> None:
    with pytest.raises(table.exceptions.ResourceNotFoundException):
        table.transact_write_items(TransactItems=[put(1), {"Delete": {"TableName": "gone", "Key": key(1)}}])
    assert numbers(table) == []


def test_a_lost_response_does_not_make_a_retried_transaction_fail(cloud: Cloud, table: Any) -> None:
    cloud.faults.plan = FaultPlan(lost_response=0.5)
    with calling_as("function"):
        for number in range(20):
            table.transact_write_items(TransactItems=[put(number, NEW)])
    cloud.faults.clear()
    assert any(call.attempts > 1 for call in cloud.calls.named("dynamodb:TransactWriteItems"))
    assert numbers(table) == list(range(20))


def test_a_token_stands_for_one_request(cloud: Cloud, table: Any) -> None:
    table.transact_write_items(TransactItems=[put(1, NEW)], ClientRequestToken="x")
    table.transact_write_items(TransactItems=[put(1, NEW)], ClientRequestToken="x")
    with pytest.raises(table.exceptions.IdempotentParameterMismatchException):
        table.transact_write_items(TransactItems=[put(2, NEW)], ClientRequestToken="x")
    cloud.clock.advance(601)
    with pytest.raises(table.exceptions.TransactionCanceledException):
        table.transact_write_items(TransactItems=[put(1, NEW)], ClientRequestToken="x")


def test_reasons_survive_faults_on_the_way(cloud: Cloud, table: Any) -> None:
    table.transact_write_items(TransactItems=[put(1)])
    cloud.faults.plan = FaultPlan(throttled=0.5)
    with calling_as("function"):
        for number in range(2, 12):
            with pytest.raises(table.exceptions.TransactionCanceledException) as caught:
                table.transact_write_items(
                    TransactItems=[put(number), put(1, NEW, ReturnValuesOnConditionCheckFailure="ALL_OLD")]
                )
            none, failed = caught.value.response["CancellationReasons"]
            assert (none["Code"], failed["Code"]) == ("None", "ConditionalCheckFailed")
            assert failed["Item"]["b"] == {"B": b"\xff"}
    assert any(call.attempts > 1 for call in cloud.calls.named("dynamodb:TransactWriteItems"))


def test_binary_members_of_an_error_are_sent_in_base64() -> None:
    assert '"/w=="' in error_body("json", AwsError("E", "m", Item={"b": {"B": b"\xff"}}))


def test_each_get_of_a_transaction_has_its_projection(table: Any) -> None:
    table.transact_write_items(TransactItems=[put(1)])
    answer = table.transact_get_items(
        TransactItems=[
            {"Get": {"TableName": "t", "Key": key(1), "ProjectionExpression": "b"}},
            {"Get": {"TableName": "t", "Key": key(2)}},
        ]
    )
    assert answer["Responses"] == [{"Item": {"b": {"B": b"\xff"}}}, {}]
    with pytest.raises(ClientError, match="multiple operations on one item"):
        table.transact_get_items(TransactItems=[{"Get": {"TableName": "t", "Key": key(1)}}] * 2)


def test_batches_write_and_read_up_to_their_limits(table: Any) -> None:
    def write(requests: list[Any]) -> None:
        table.batch_write_item(RequestItems={"t": requests})

    def puts(found: range) -> list[Any]:
        return [{"PutRequest": {"Item": {**key(number), "n": {"N": "1"}}}} for number in found]

    write(puts(range(25)))
    write([{"DeleteRequest": {"Key": key(0)}}])
    assert numbers(table) == list(range(1, 25))
    for wrong in (
        puts(range(26)),
        [*puts(range(1)), {"DeleteRequest": {"Key": key(0)}}],
        [{"PutRequest": {"Item": {**key(0), "n": {"N": n}}}} for n in "12"],
    ):
        with pytest.raises(ClientError, match="ValidationException"):
            write(wrong)
    found = table.batch_get_item(RequestItems={"t": {"Keys": [key(number) for number in range(100)]}})
    assert len(found["Responses"]["t"]) == 24
    assert found["UnprocessedKeys"] == {}
    with pytest.raises(ClientError, match="ValidationException"):
        table.batch_get_item(RequestItems={"t": {"Keys": [key(number) for number in range(101)]}})


@pytest.mark.parametrize("want_old", [True, False])
@pytest.mark.parametrize("operation", ["put", "update", "delete"])
def test_a_failed_condition_shows_the_item_if_asked(table: Any, operation: str, want_old: bool) -> None:  # noqa: FBT001
    table.transact_write_items(TransactItems=[put(1)])
    calls: dict[str, Callable[..., Any]] = {
        "put": lambda **more: table.put_item(TableName="t", Item=key(1), **more),
        "update": lambda **more: table.update_item(TableName="t", Key=key(1), UpdateExpression="REMOVE b", **more),
        "delete": lambda **more: table.delete_item(TableName="t", Key=key(1), **more),
    }
    more = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if want_old else {}
    with pytest.raises(table.exceptions.ConditionalCheckFailedException) as caught:
        calls[operation](ConditionExpression=NEW, **more)
    expected = {**key(1), "b": {"B": b"\xff"}} if want_old else None
    assert caught.value.response.get("Item") == expected


def test_decimals_are_added_exactly_down_to_zero_and_on(table: Any) -> None:
    for amount in ("0.000411234567891", "-0.000411234567891", "1e-7", "12.5"):
        table.update_item(
            TableName="t", Key=key(1), UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": {"N": amount}}
        )
    assert table.get_item(TableName="t", Key=key(1))["Item"]["n"] == {"N": "12.5000001"}


def test_a_transaction_may_meet_another_one(cloud: Cloud, table: Any) -> None:
    cloud.faults.plan = FaultPlan(transaction_conflict=1)
    table.transact_write_items(TransactItems=[put(1)])
    with calling_as("SomeFunction"), pytest.raises(table.exceptions.TransactionCanceledException) as caught:
        table.transact_write_items(TransactItems=[put(2), put(3)])
    assert [one["Code"] for one in caught.value.response["CancellationReasons"]] == ["TransactionConflict", "None"]
    assert numbers(table) == [1]
