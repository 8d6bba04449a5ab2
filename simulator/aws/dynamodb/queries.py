"""DynamoDB Query on a table's own keys; moto compares and measures every item of the table each time.

Queries with an index, a projection or the old condition syntax are moto's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from moto.dynamodb.comparisons import create_condition_expression_parser, get_comparison_func
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing.key_condition_expression import parse_expression
from moto.dynamodb.responses import validate_attributes_used

if TYPE_CHECKING:
    from simulator.account import Account, Params

type Passes = Callable[[Any], bool]

ANSWERED = {
    "TableName",
    "KeyConditionExpression",
    "FilterExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ExclusiveStartKey",
    "Limit",
    "ScanIndexForward",
    "ConsistentRead",
}
PAGE_SIZE = 1024 * 1024


def query(account: Account, params: Params) -> dict[str, Any] | None:
    """Answer a Query whose parameters are on the wire (binary values in base64); items are moto's own, to be copied."""
    if not set(params) <= ANSWERED or "KeyConditionExpression" not in params:
        return None
    table = account.backend("dynamodb").get_table(params["TableName"])
    if not table.has_range_key:
        return None
    names, values = params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {})
    (hash_condition, *_), ranges, used = parse_expression(params["KeyConditionExpression"], values, names, table.schema)
    passes, used_by_filter = _filter(params.get("FilterExpression"), json.dumps(names), json.dumps(values))
    validate_attributes_used(names, [*used, *used_by_filter], validation_error_prefix=False)
    partition = table.items.get(DynamoType(hash_condition[1]), {})
    items = sorted(partition.values(), key=attrgetter("range_key.cast_value"))
    for _, comparison, operands in ranges:
        compare = get_comparison_func(comparison)
        bounds = [DynamoType(operand).cast_value for operand in operands]
        items = [item for item in items if compare(item.range_key.cast_value, *bounds)]
    if not params.get("ScanIndexForward", True):
        items.reverse()
    return _page(table, items, params, passes)


@functools.lru_cache(maxsize=256)
def _filter(expression: str | None, names: str, values: str) -> tuple[Passes, tuple[str, ...]]:
    if expression is None:
        return lambda _: True, ()
    parser = create_condition_expression_parser(expression, json.loads(names), json.loads(values))
    condition = parser.parse()
    return condition.expr, tuple(parser.expr_attr_names_found)


def _page(table: Any, items: list[Any], params: Params, passes: Passes) -> dict[str, Any]:
    if start := params.get("ExclusiveStartKey"):
        after = DynamoType(start[table.range_key_attr]).cast_value
        is_forward = params.get("ScanIndexForward", True)
        items = [
            item
            for item in items
            if (item.range_key.cast_value > after if is_forward else item.range_key.cast_value < after)
        ]
    page: list[Any] = []
    size = 0
    for item in items:
        size += item.size()
        if len(page) == params.get("Limit") or size > PAGE_SIZE:
            last = page[-1]
            key = {table.hash_key_attr: last.hash_key, table.range_key_attr: last.range_key}
            return _answer(page, passes) | {"LastEvaluatedKey": key}
        page.append(item)
    return _answer(page, passes)


def _answer(page: list[Any], passes: Passes) -> dict[str, Any]:
    # A filter looks at a page after it was read: the limit counts what is filtered out, too.
    found = [item for item in page if passes(item)]
    return {"Count": len(found), "ScannedCount": len(page), "Items": [dict(item.attrs) for item in found]}
