"""DynamoDB's item operations, handed straight to moto's own handler: no signing, no HTTP, no generic serialisation.

The responses are moto's; only the way to it is shorter.
"""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from moto.dynamodb.exceptions import ConditionalCheckFailed
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.responses import DynamoHandler

from simulator.aws.dynamodb.batch_reads import batch_get
from simulator.aws.dynamodb.index_keys import checking
from simulator.aws.dynamodb.numbers import added
from simulator.aws.dynamodb.queries import query
from simulator.aws.dynamodb.stale_reads import WRITES, StaleReads
from simulator.aws.dynamodb.transactions import batch_write, transact_get, transact_write
from simulator.aws.dynamodb.units import WriteUnits
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.account import Account, Handlers, Params


OPERATIONS = (
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactGetItems",
    "TransactWriteItems",
)
# Called before moto; where they return None, moto does it.
FIRST: dict[str, Callable[[Account, Params], dict[str, Any] | None]] = {
    "Query": query,
    "BatchGetItem": batch_get,
    "BatchWriteItem": batch_write,
    "TransactGetItems": transact_get,
    "TransactWriteItems": transact_write,
}
DynamoType.__add__ = added  # type: ignore[method-assign]
UNASKED = ("ConsumedCapacity", "ConsumedCapacityUnits")
BINARY, BINARY_SET = "B", "BS"


def _answer(operation: str) -> Callable[[Account, Params], dict[str, Any] | None]:
    method = xform_name(operation)

    def answer(account: Account, params: Params) -> dict[str, Any] | None:
        body = _serialized(params)
        try:
            with account.state(StaleReads).during(operation, body):
                with _writing(account, operation, body) if operation in WRITES else nullcontext():
                    found = FIRST[operation](account, body) if operation in FIRST else None
                    if found is None:
                        found = getattr(_handler(account, body), method)().result
                answer: dict[str, Any] = _parsed(found)
        except ConditionalCheckFailed as error:
            described = json.loads(error.description)
            members = {"Item": _parsed(described["Item"])} if "Item" in described else {}
            raise AwsError("ConditionalCheckFailedException", error.message, **members) from error
        except AwsError as error:
            error.members = _parsed(error.members)
            raise
        # moto reports consumed capacity unasked.
        for unasked in UNASKED if "ReturnConsumedCapacity" not in params else UNASKED[1:]:
            answer.pop(unasked, None)
        return answer

    return answer


@contextmanager
def _writing(account: Account, operation: str, params: Params) -> Iterator[None]:
    with account.state(WriteUnits).during(operation, params), checking(account, operation, params):
        yield


def _handler(account: Account, body: Params) -> Any:
    handler: Any = DynamoHandler()
    handler.body = body
    handler.region, handler.current_account = account.region, account.account_id
    return handler


def _serialized(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _serialized(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_serialized(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return value


def _parsed(value: Any) -> Any:
    if isinstance(value, DynamoType):
        return _attribute(value.type, value.value)
    if isinstance(value, dict):
        if len(value) == 1 and (kind := next(iter(value))) in (BINARY, BINARY_SET):
            return _attribute(kind, value[kind])
        return {key: _parsed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_parsed(item) for item in value]
    return value


def _attribute(kind: str, value: Any) -> dict[str, Any]:
    if kind == BINARY and isinstance(value, str):
        return {kind: base64.b64decode(value)}
    if kind == BINARY_SET:
        return {kind: [base64.b64decode(item) if isinstance(item, str) else item for item in value]}
    return {kind: _parsed(value)}


HANDLERS: Handlers = {f"dynamodb:{operation}": _answer(operation) for operation in OPERATIONS}
