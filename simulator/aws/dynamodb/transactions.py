"""DynamoDB's transactions and batch writes: moto copies whole tables for each, and lacks some of the rules.

Source: DynamoDB API Reference, TransactWriteItems, TransactGetItems and BatchWriteItem. Parameters are as on the wire:
binary values in base64.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    InvalidConditionExpression,
    InvalidUpdateExpression,
    MockValidationException,
    MultipleTransactionsException,
    ProvidedKeyDoesNotExist,
    TooManyTransactionsException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.responses import DynamoHandler, ProjectionExpressionParser, validate_attributes_used

from simulator.aws.dynamodb.index_keys import check
from simulator.aws.dynamodb.places import key_of, place, put_back
from simulator.calls import is_function
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.account import Account, Params

type Reason = dict[str, Any]

MOST_ACTIONS = 100
MOST_WRITES = 25
TOKEN_KEPT = 600.0
"""A ClientRequestToken makes the same request do nothing again for ten minutes."""

_VALUE = re.compile(r":\w+")


class Transactions:
    """Transactions that were made with a token. by_token: when, and with which request."""

    def __init__(self, _: Account) -> None:
        self.by_token: dict[str, tuple[float, str]] = {}


def transact_write(account: Account, params: Params) -> dict[str, Any]:
    """Do all actions or none; a TransactionCanceledException has one reason for each action, in their order."""
    token = params.get("ClientRequestToken", "")
    request = json.dumps(params, sort_keys=True)
    now = account.clock.timestamp()
    done_at, done = account.state(Transactions).by_token.get(token, (0.0, ""))
    if token and now - done_at < TOKEN_KEPT:
        if done != request:
            raise AwsError(
                "IdempotentParameterMismatchException", "The request token was used with other parameters before."
            )
        return {}
    if len(params["TransactItems"]) > MOST_ACTIONS:
        raise TooManyTransactionsException
    if any(len(item) != 1 for item in params["TransactItems"]):
        raise TransactWriteSingleOpException
    if is_function() and account.faults.occurs("transaction_conflict"):
        first = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
        _cancel_if_any([first, *[None] * (len(params["TransactItems"]) - 1)])
    handler: Any = _OneTransaction()
    handler.account, handler.body = account, params
    handler.transact_write_items()
    if token:
        account.state(Transactions).by_token[token] = (now, request)
    return {}


def transact_get(account: Account, params: Params) -> dict[str, Any]:
    """Read all items at one moment, each with its own projection."""
    gets = [item["Get"] for item in params["TransactItems"]]
    if len(gets) > MOST_ACTIONS:
        raise TooManyTransactionsException
    backend = account.backend("dynamodb")
    _refuse_two_of_one((get["TableName"], place(backend, get["TableName"], get["Key"])) for get in gets)
    responses = []
    for get in gets:
        item = backend.get_item(get["TableName"], get["Key"], projection(get))
        responses.append({"Item": dict(item.attrs)} if item else {})
    return {"Responses": responses}


def projection(request: Params) -> Any:
    """The attributes that a read asks for (moto's paths); empty for all."""
    names = request.get("ExpressionAttributeNames", {})
    parser = ProjectionExpressionParser(request.get("ProjectionExpression"), names)
    paths = parser.parse()
    validate_attributes_used(names, parser.expr_attr_names_found)
    return paths


def batch_write(account: Account, params: Params) -> None:
    """Refuse what moto takes: more than 25 requests, and two for one item."""
    requests = [(table, one) for table, some in params["RequestItems"].items() for one in some]
    if len(requests) > MOST_WRITES:
        raise MockValidationException("Too many items requested for the BatchWriteItem call")
    backend = account.backend("dynamodb")
    places = []
    for table, one in requests:
        key = one["PutRequest"]["Item"] if "PutRequest" in one else one["DeleteRequest"]["Key"]
        places.append((table, place(backend, table, key)))
    if len(set(places)) < len(places):
        raise MockValidationException("Provided list of item keys contains duplicates")


class _OneTransaction(DynamoHandler):
    """Moto's handler, whose checks of expressions are kept, writing through `_Atomic`."""

    account: Account
    body: Params

    @property
    def dynamodb_backend(self) -> Any:
        return _Atomic(self.account.backend("dynamodb"))


class _Atomic:
    """What moto's handler asks of its backend in a transaction."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def get_table(self, name: str) -> Any:
        return self._backend.get_table(name)

    def transact_write_items(self, items: list[dict[str, Any]]) -> None:
        actions = [next(iter(item.items())) for item in items]
        for kind, action in actions:
            self._check(kind, action)
        places = [place(self._backend, action["TableName"], key_of(action)) for _, action in actions]
        _refuse_two_of_one((action["TableName"], where) for (_, action), where in zip(actions, places, strict=True))
        _cancel_if_any([self._unmet(action) for _, action in actions])
        before = [
            copy.deepcopy(item) if kind == "Update" else item
            for (kind, action), where in zip(actions, places, strict=True)
            for item in [self._backend.get_table(action["TableName"]).get_item(*where)]
        ]
        try:
            _cancel_if_any([self._write(kind, action) for kind, action in actions])
        except (AwsError, MockValidationException):
            for (_, action), where, item in zip(actions, places, before, strict=True):
                put_back(self._backend.get_table(action["TableName"]), where, item)
            raise

    def _check(self, kind: str, action: Params) -> None:
        table = self._backend.get_table(action["TableName"])
        if kind != "Put" and set(action["Key"]) != set(table.table_key_attrs):
            raise ProvidedKeyDoesNotExist
        expressions = f"{action.get('ConditionExpression', '')} {action.get('UpdateExpression', '')}"
        validate_attributes_used(
            action.get("ExpressionAttributeValues", {}), list(_VALUE.findall(expressions)), "Values"
        )

    def _unmet(self, action: Params) -> Reason | None:
        """Why the condition of one action does not hold; None if it does."""
        condition = get_filter_expression(
            action.get("ConditionExpression"),
            action.get("ExpressionAttributeNames"),
            action.get("ExpressionAttributeValues"),
        )
        item = self._backend.get_item(action["TableName"], key_of(action))
        if condition.expr(item):
            return None
        reason = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        if item and action.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
            return {**reason, "Item": dict(item.attrs)}
        return reason

    def _write(self, kind: str, action: Params) -> Reason | None:
        table = action["TableName"]
        try:
            if kind == "Put":
                self._backend.put_item(table, action["Item"])
            elif kind == "Delete":
                self._backend.delete_item(table, action["Key"])
            elif kind == "Update":
                updated = self._backend.update_item(
                    table,
                    action["Key"],
                    action["UpdateExpression"],
                    action.get("ExpressionAttributeNames", {}),
                    action.get("ExpressionAttributeValues", {}),
                )
                check(self._backend.get_table(table), updated.attrs)
        except (InvalidConditionExpression, InvalidUpdateExpression):
            raise
        except MockValidationException as error:
            return {"Code": "ValidationError", "Message": error.message}
        return None


def _refuse_two_of_one(items: Iterable[tuple[str, Any]]) -> None:
    listed = list(items)
    if len(set(listed)) < len(listed):
        raise MultipleTransactionsException


def _cancel_if_any(reasons: list[Reason | None]) -> None:
    if not any(reasons):
        return
    codes = ", ".join(reason["Code"] if reason else "None" for reason in reasons)
    raise AwsError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=[reason or {"Code": "None"} for reason in reasons],
    )
