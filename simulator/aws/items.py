"""DynamoDB's item operations, handed straight to moto's own handler: no signing, no HTTP, no generic serialisation.

What a table answers is moto's; only the way to it is shorter. Requests that need the model's error shapes take the
long way.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.responses import DynamoHandler

from simulator.aws.queries import query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.cloud import Answers, Cloud

type Params = Mapping[str, Any]

OPERATIONS = ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem")
UNASKED = ("ConsumedCapacity", "ConsumedCapacityUnits")
BINARY, BINARY_SET = "B", "BS"


def _answer(operation: str) -> Callable[[Cloud, Params], dict[str, Any] | None]:
    method = xform_name(operation)

    def answer(cloud: Cloud, params: Params) -> dict[str, Any] | None:
        if "ReturnValuesOnConditionCheckFailure" in params:
            return None
        body = _on_the_wire(params)
        found = query(cloud, body) if operation == "Query" else None
        if found is None:
            handler: Any = DynamoHandler()
            handler.body = body
            handler.region, handler.current_account = cloud.region, cloud.account
            found = getattr(handler, method)().result
        answer: dict[str, Any] = _off_the_wire(found)
        # moto reports consumed capacity unasked.
        for unasked in UNASKED if "ReturnConsumedCapacity" not in params else UNASKED[1:]:
            answer.pop(unasked, None)
        return answer

    return answer


def _on_the_wire(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _on_the_wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_on_the_wire(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return value


def _off_the_wire(value: Any) -> Any:
    if isinstance(value, DynamoType):
        return _attribute(value.type, value.value)
    if isinstance(value, dict):
        if len(value) == 1 and (kind := next(iter(value))) in (BINARY, BINARY_SET):
            return _attribute(kind, value[kind])
        return {key: _off_the_wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_off_the_wire(item) for item in value]
    return value


def _attribute(kind: str, value: Any) -> dict[str, Any]:
    if kind == BINARY and isinstance(value, str):
        return {kind: base64.b64decode(value)}
    if kind == BINARY_SET:
        return {kind: [base64.b64decode(item) if isinstance(item, str) else item for item in value]}
    return {kind: _off_the_wire(value)}


ANSWERS: Answers = {f"dynamodb:{operation}": _answer(operation) for operation in OPERATIONS}
