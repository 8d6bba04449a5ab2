"""Where moto keeps an item: by its hash and range key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.account import Params

type Place = tuple[Any, Any]
"""Hash and range key (moto's); the range key is None in a table without."""


def key_of(action: Params) -> Params:
    """The item that one action of a transaction is about, by its key or as a whole."""
    key: Params = action["Key"] if "Key" in action else action["Item"]
    return key


def place(backend: Any, table: str, key: Params) -> Place:
    """The place of an item in a table; `key` may have other attributes too."""
    found: Place = backend.get_keys_value(backend.get_table(table), key)
    return found


def put_back(table: Any, where: Place, item: Any) -> None:
    """Put an item (moto's) in its place, or nothing if there was none."""
    hash_key, range_key = where
    if item is None:
        table.delete_item(hash_key, range_key)
    elif range_key is None:
        table.items[hash_key] = item
    else:
        table.items[hash_key][range_key] = item


def written(operation: str, params: Params) -> list[tuple[str, Params]]:
    """Table and key, or whole, of each item that an operation may write."""
    if operation == "BatchWriteItem":
        return [
            (table, key_of(action))
            for table, requests in params["RequestItems"].items()
            for request in requests
            for action in request.values()
        ]
    if operation == "TransactWriteItems":
        return [(action["TableName"], key_of(action)) for one in params["TransactItems"] for action in one.values()]
    return [(params["TableName"], key_of(params))]
