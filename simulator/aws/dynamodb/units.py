"""What DynamoDB charges for writes, in write request units: for the item and for each index that changes with it.

Sources: "DynamoDB on-demand capacity mode" and "Local Secondary Indexes", provisioned throughput considerations, of the
DynamoDB Developer Guide. Sizes are estimates: the guide does not say exactly how numbers and nested values count.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

from simulator.aws.dynamodb.places import place, written
from simulator.calls import caller

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.account import Account, Params

KILOBYTE = 1024
TRANSACTIONAL = 2
NESTED_BYTES = 3

type Attributes = Mapping[str, Any]
"""The attributes (moto's) of an item by name."""


class WriteUnits:
    """Units written so far by caller and table, while `is_counted`."""

    def __init__(self, account: Account) -> None:
        self.is_counted = False
        self.written: Counter[tuple[str, str]] = Counter()
        self._account = account

    @contextmanager
    def during(self, operation: str, params: Params) -> Iterator[None]:
        """Count what an operation writes; one that fails is charged as one that changes nothing."""
        if not self.is_counted:
            yield
            return
        backend = self._account.backend("dynamodb")
        items = [(name, place(backend, name, key)) for name, key in written(operation, params)]
        before = [_attributes(backend.get_table(name), where) for name, where in items]
        try:
            yield
        finally:
            factor = TRANSACTIONAL if operation == "TransactWriteItems" else 1
            for (name, where), old in zip(items, before, strict=True):
                table = backend.get_table(name)
                self.written[caller(), name] += factor * units(old, _attributes(table, where), table.indexes)


def units(before: Attributes, after: Attributes, indexes: list[Any]) -> int:
    """What one write costs; no attributes stand for no item, indexes are moto's."""
    return _charged(max(_size(before), _size(after))) + sum(_index_units(before, after, index) for index in indexes)


def _index_units(before: Attributes, after: Attributes, index: Any) -> int:
    old, new = _entry(before, index), _entry(after, index)
    if old == new:
        return 0
    key = index.schema_key_attrs[1]
    if old and new and old[key] == new[key]:
        return _charged(max(_size(old), _size(new)))
    # An entry whose key changes is deleted and put.
    return sum(_charged(_size(entry)) for entry in (old, new) if entry)


def _entry(attributes: Attributes, index: Any) -> Attributes:
    """An item as an index has it; nothing if it is not in there."""
    if index.schema_key_attrs[1] not in attributes:
        return {}
    if index.projection["ProjectionType"] == "ALL":
        return attributes
    names = {*index.table_key_attrs, *index.schema_key_attrs, *index.projection.get("NonKeyAttributes", ())}
    return {name: value for name, value in attributes.items() if name in names}


def _attributes(table: Any, where: Any) -> Attributes:
    item = table.get_item(*where)
    return dict(item.attrs) if item is not None else {}


def _charged(size: int) -> int:
    return max(1, ceil(size / KILOBYTE))


def _size(attributes: Attributes) -> int:
    return sum(len(name.encode()) + _bytes(value) for name, value in attributes.items())


def _bytes(value: Any) -> int:
    if value.is_list():
        return NESTED_BYTES + sum(1 + _bytes(one) for one in value.value)
    if value.is_map():
        return NESTED_BYTES + sum(1 + len(name.encode()) + _bytes(one) for name, one in value.value.items())
    if value.is_number():
        return 1 + ceil(len(value.value.strip("-").replace(".", "").strip("0")) / 2)
    size: int = value.size()
    return size
