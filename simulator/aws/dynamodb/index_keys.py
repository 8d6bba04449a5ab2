"""What DynamoDB refuses in a key attribute of an index, and moto does not: a value of another type, and an empty one.

An item without the attribute is written, and is not in the index.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType

from simulator.aws.dynamodb.places import place, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.account import Account, Params


@contextmanager
def checking(account: Account, operation: str, params: Params) -> Iterator[None]:
    """Refuse an operation, with nothing done, if it writes what no index can have."""
    backend = account.backend("dynamodb")
    if operation == "UpdateItem":
        table = backend.get_table(params["TableName"])
        where = place(backend, params["TableName"], params["Key"])
        item = table.get_item(*where) if table.all_indexes() else None
        before = dict(item.attrs) if item is not None else None
        yield
        try:
            check(table, table.get_item(*where).attrs)
        except MockValidationException:
            _restore(table, where, item, before)
            raise
        return
    for name, attributes in written(operation, params):
        check(backend.get_table(name), attributes)
    yield


def check(table: Any, attributes: Mapping[str, Any]) -> None:
    """Refuse attributes (moto's, or as they are on the wire) that cannot be keys of the table's (moto's) indexes."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table.attr}
    for index in table.all_indexes():
        for name in index.schema_key_attrs:
            if name not in attributes or name in table.table_key_attrs:
                continue
            value = DynamoType(attributes[name])
            if value.type != types[name]:
                raise MockValidationException(
                    "One or more parameter values were invalid: Type mismatch for Index Key "
                    f"{name} Expected: {types[name]} Actual: {value.type} IndexName: {index.name}"
                )
            if value.value == "":
                raise MockValidationException(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not "
                    "supported. The AttributeValue for a key attribute cannot contain an empty string value. "
                    f"IndexName: {index.name}, IndexKey: {name}"
                )


def _restore(table: Any, where: Any, item: Any, before: dict[str, Any] | None) -> None:
    if item is None or before is None:
        table.delete_item(*where)
        return
    item.attrs.clear()
    dict.update(item.attrs, before)
