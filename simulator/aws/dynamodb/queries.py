"""DynamoDB Query on a table's own keys and on local secondary indexes; moto looks at every item of the table each time.

Queries on global secondary indexes and those with the old condition syntax are moto's.
"""

from __future__ import annotations

import functools
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from moto.dynamodb.comparisons import create_condition_expression_parser
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing.key_condition_expression import parse_expression
from moto.dynamodb.responses import ProjectionExpressionParser, validate_attributes_used, validate_select

from simulator.aws.dynamodb.partitions import partition_of, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Params
    from simulator.aws.dynamodb.partitions import Entry

type Passes = Callable[[Any], bool]

ANSWERED = {
    "TableName",
    "IndexName",
    "Select",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ExclusiveStartKey",
    "Limit",
    "ScanIndexForward",
    "ConsistentRead",
}
PAGE_SIZE = 1024 * 1024
NAME = re.compile(r"(?<![:\w])#?[A-Za-z_]\w*")
sort_value = itemgetter(0)


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a query goes by: the table's own keys, or those of a local secondary index.

    start: the attributes that say where a page ended. projected: all that the index has; None for all attributes.
    """

    schema: list[dict[str, str]]
    sort: str
    start: tuple[str, ...]
    projected: frozenset[str] | None


def query(account: Account, params: Params) -> dict[str, Any] | None:
    """Answer a Query whose parameters are on the wire (binary values in base64); items are moto's own, to be copied."""
    if not set(params) <= ANSWERED or "KeyConditionExpression" not in params:
        return None
    table = account.backend("dynamodb").get_table(params["TableName"])
    keys = _keys(table, params.get("IndexName")) if table.has_range_key else None
    if keys is None:
        return None
    names, values = params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {})
    hash_value, ranges, used = _key_conditions(params["KeyConditionExpression"], names, values, keys)
    passes, used_by_filter = _filter(params.get("FilterExpression"), json.dumps(names), json.dumps(values))
    _check_filter(params, keys)
    parser = ProjectionExpressionParser(params.get("ProjectionExpression"), names)
    paths = parser.parse()
    used = [*used, *used_by_filter, *parser.expr_attr_names_found]
    validate_attributes_used(names, used, validation_error_prefix=False)
    validate_select(
        operation="Query",
        select=params.get("Select"),
        projection_expression=params.get("ProjectionExpression"),
        attributes_to_get=None,
        table=table,
        index_name=params.get("IndexName"),
    )
    entries = partition_of(table, DynamoType(hash_value)).ordered_by(keys.sort)
    window = slice(0, len(entries))
    for comparison, operands in ranges:
        window = _between(entries, comparison, [DynamoType(operand).cast_value for operand in operands])
    is_forward = params.get("ScanIndexForward", True)
    if "ExclusiveStartKey" in params:
        window = _rest(entries, window, _start(params["ExclusiveStartKey"], table, keys), is_forward=is_forward)
    page, is_last = _page(entries, window, params.get("Limit"), is_forward=is_forward)
    # A filter looks at a page after it was read: the limit counts what is filtered out, too.
    found = [item for item in page if passes(item)]
    answer: dict[str, Any] = {"Count": len(found), "ScannedCount": len(page)}
    if params.get("Select") != "COUNT":
        # What is asked for by name comes from the table if the index lacks it.
        projected = None if paths or params.get("Select") == "ALL_ATTRIBUTES" else keys.projected
        answer["Items"] = [_attributes(item.project(paths) if paths else item, projected) for item in found]
    if not is_last:
        answer["LastEvaluatedKey"] = {name: page[-1].attrs[name] for name in keys.start}
    return answer


def _keys(table: Any, index_name: str | None) -> _Keys | None:
    if index_name is None:
        return _Keys(table.schema, table.range_key_attr, tuple(table.table_key_attrs), None)
    index = next((index for index in table.indexes if index.name == index_name), None)
    if index is None:
        return None
    sort = index.schema_key_attrs[1]
    projected = frozenset([*table.table_key_attrs, sort, *index.projection.get("NonKeyAttributes", ())])
    is_whole = index.projection["ProjectionType"] == "ALL"
    return _Keys(index.schema, sort, (*table.table_key_attrs, sort), None if is_whole else projected)


def _key_conditions(
    expression: str, names: dict[str, str], values: dict[str, Any], keys: _Keys
) -> tuple[Any, list[tuple[str, list[Any]]], list[str]]:
    """The hash key, conditions of the sort key, and the names that are used."""
    if {"S": ""} in values.values():
        # Refused as a key.
        parse_expression(expression, values, names, keys.schema)
    key, ranges, used = _parsed_conditions(
        expression, tuple(sorted(names.items())), tuple(values), (keys.schema[0]["AttributeName"], keys.sort)
    )
    return values[key], [(comparison, [values[one] for one in operands]) for comparison, operands in ranges], used


@functools.lru_cache(maxsize=256)
def _parsed_conditions(
    expression: str, names: tuple[tuple[str, str], ...], values: tuple[str, ...], keys: tuple[str, str]
) -> tuple[str, list[tuple[str, list[str]]], list[str]]:
    # Parsed with the names of the values in their place: most queries differ in the values alone.
    schema = [{"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=True)]
    by_name = {name: {"S": name} for name in values}
    (hash_condition, *_), ranges, used = parse_expression(expression, by_name, dict(names), schema)
    found = [(comparison, [operand["S"] for operand in operands]) for _, comparison, operands in ranges]
    return hash_condition[1]["S"], found, used


@functools.lru_cache(maxsize=256)
def _filter(expression: str | None, names: str, values: str) -> tuple[Passes, tuple[str, ...]]:
    if expression is None:
        return lambda _: True, ()
    parser = create_condition_expression_parser(expression, json.loads(names), json.loads(values))
    condition = parser.parse()
    return condition.expr, tuple(parser.expr_attr_names_found)


def _check_filter(params: Params, keys: _Keys) -> None:
    names = params.get("ExpressionAttributeNames", {})
    filtered = {names.get(name, name) for name in NAME.findall(params.get("FilterExpression", ""))}
    for key in keys.schema:
        if key["AttributeName"] in filtered:
            raise MockValidationException(
                "Filter Expression can only contain non-primary key attributes: "
                f"Primary key attribute: {key['AttributeName']}"
            )


def _between(entries: list[Entry], comparison: str, operands: list[Any]) -> slice:
    """The entries whose sort value meets a key condition."""
    low, high = operands[0], operands[-1]
    first = bisect_right(entries, low, key=sort_value) if comparison == ">" else 0
    after = len(entries)
    if comparison in ("=", ">=", "BETWEEN", "BEGINS_WITH"):
        first = bisect_left(entries, low, key=sort_value)
    if comparison in ("=", "<=", "BETWEEN"):
        after = bisect_right(entries, high, key=sort_value)
    elif comparison == "<":
        after = bisect_left(entries, high, key=sort_value)
    elif comparison == "BEGINS_WITH":
        after = bisect_left(entries, True, lo=first, key=lambda entry: not entry.value.startswith(low))  # noqa: FBT003 - the first that does not
    return slice(first, after)


def _start(given: Mapping[str, Any], table: Any, keys: _Keys) -> tuple[Any, Any]:
    if set(given) != set(keys.start):
        raise MockValidationException("The provided starting key is invalid")
    return DynamoType(given[keys.sort]).cast_value, DynamoType(given[table.range_key_attr]).cast_value


def _rest(entries: list[Entry], window: slice, start: tuple[Any, Any], *, is_forward: bool) -> slice:
    """What is left of a window after the entry, there or not, where the last page ended."""
    if is_forward:
        return slice(max(window.start, bisect_right(entries, start, key=place)), window.stop)
    return slice(window.start, min(window.stop, bisect_left(entries, start, key=place)))


def _page(entries: list[Entry], window: slice, limit: int | None, *, is_forward: bool) -> tuple[list[Any], bool]:
    """The items of one page, and whether it is known to be the last one."""
    page: list[Any] = []
    size = 0
    positions = range(window.start, window.stop)
    for position in positions if is_forward else reversed(positions):
        entry = entries[position]
        size += entry.size
        if size > PAGE_SIZE:
            return page, False
        page.append(entry.item)
        if len(page) == limit:
            # DynamoDB does not look whether there is more.
            return page, False
    return page, True


def _attributes(item: Any, names: frozenset[str] | None) -> dict[str, Any]:
    return {name: value for name, value in item.attrs.items() if names is None or name in names}
