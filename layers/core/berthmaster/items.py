"""Records of a ledger: one DynamoDB item each, written only if no other invocation has written it meanwhile.

pk       the partition: one kind of record
sk       the record's sort key
schema   the version of the record's layout
version  rises with every write
body     the record as JSON
expires  when DynamoDB may delete it, in seconds since the epoch
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from botocore.exceptions import ClientError

from berthmaster.errors import BerthmasterError, code_of
from berthmaster.failures import Failures
from berthmaster.network_codec import network_from

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SCHEMA = 1
"""Of all records that this version of Berthmaster writes, and the newest that it reads."""


class Conflict(BerthmasterError):
    """Another invocation has written the record since it was read; nothing was written."""


class Unreadable(BerthmasterError):
    """A record is damaged; names its item. Nothing is guessed about it."""


class NewerSchema(Unreadable):
    """A record was written by a newer version of Berthmaster."""


class Record(Protocol):
    """A frozen dataclass that can be kept in a ledger; both are properties or fields of it."""

    @property
    def version(self) -> int:
        """How often it was written; 0 for one that never was."""

    @property
    def sort_key(self) -> str:
        """What it is found by."""


def without_conflict[Decided](decide: Callable[[], Decided], *, tries: int) -> Decided:
    """Decide again, from what is there by then, whenever another invocation has written it meanwhile.

    Raises Conflict after so many tries.
    """
    for _ in range(tries - 1):
        with suppress(Conflict):
            return decide()
    return decide()


class Items[Kept: Record]:
    """The records of one kind in a table with the keys `pk` and `sk` and the TTL attribute `expires`."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, partition: str, kind: type[Kept]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._partition = partition
        self._kind = kind

    def get(self, sort_key: str) -> Kept | None:
        """One record, read consistently; None if there is none."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=self._key(sort_key), ConsistentRead=True)
        return decoded(answer["Item"], self._kind) if "Item" in answer else None

    def query(
        self,
        *,
        prefix: str = "",
        since: str = "",
        newest_first: bool = False,
        failures: Failures | None = None,
        decode: Callable[[Mapping[str, Any]], Kept] | None = None,
    ) -> list[Kept]:
        """The records whose sort keys begin with `prefix`, or come after `since`; all of them if neither is given.

        Raises Unreadable for one that is. With `failures`, for records that do not concern each other, it is added to
        those and the others are returned. decode: instead of `decoded`.
        """
        decode = decode or partial(decoded, kind=self._kind)
        condition, values = "pk = :pk", {":pk": {"S": self._partition}}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :prefix)", values | {":prefix": {"S": prefix}}
        elif since:
            condition, values = f"{condition} AND sk > :since", values | {":since": {"S": since}}
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
            ConsistentRead=True,
        )
        items = (item for page in pages for item in page["Items"])
        if failures is None:
            return [decode(item) for item in items]
        found = []
        for item in items:
            with failures.collect("record not read", partition=self._partition, key=item["sk"]["S"]):
                found.append(decode(item))
        return found

    def save(
        self,
        record: Kept,
        *,
        expires: datetime | None = None,
        index: Mapping[str, str] | None = None,
        must_exist: bool = False,
    ) -> Kept:
        """Write a record if no other invocation has since it was read; returns it with its new version.

        index: further attributes, by which an index of the table finds it. must_exist: whether it is a conflict, too,
        if the record is not there any more.

        Raises Conflict otherwise. The SDK repeats a call whose answer was lost, and then finds its own write, which is
        no conflict.
        """
        saved: Kept = replace(record, version=record.version + 1)  # type: ignore[type-var]
        item = {**self._key(saved.sort_key), **encoded(saved), "version": {"N": str(saved.version)}}
        item |= {name: {"S": value} for name, value in (index or {}).items()}
        if expires is not None:
            item["expires"] = {"N": str(int(expires.timestamp()))}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="version = :read" if must_exist else "attribute_not_exists(pk) OR version = :read",
                ExpressionAttributeValues={":read": {"N": str(record.version)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            if error.response.get("Item") != item:
                raise Conflict(f"{self._partition} {saved.sort_key} was written by another invocation") from error
        return saved

    def take_over(self, record: Kept, source: str, *, expires: datetime | None = None) -> Kept:
        """Write a record that is in another partition of the table, and delete it there: both, or Conflict and neither.

        source: the partition where it is. What is here under its key is replaced.
        """
        saved: Kept = replace(record, version=record.version + 1)  # type: ignore[type-var]
        item = {**self._key(saved.sort_key), **encoded(saved), "version": {"N": str(saved.version)}}
        if expires is not None:
            item["expires"] = {"N": str(int(expires.timestamp()))}
        delete: Any = {
            "TableName": self._table,
            "Key": {"pk": {"S": source}, "sk": {"S": record.sort_key}},
            "ConditionExpression": "version = :read",
            "ExpressionAttributeValues": {":read": {"N": str(record.version)}},
        }
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[{"Put": {"TableName": self._table, "Item": item}}, {"Delete": delete}]
            )
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            raise Conflict(f"{source} {saved.sort_key} was written by another invocation") from error
        return saved

    def _key(self, sort_key: str) -> dict[str, Any]:
        return {"pk": {"S": self._partition}, "sk": {"S": sort_key}}


def encoded(record: Any) -> dict[str, Any]:
    """The attributes of an item that hold a record; sets are sorted, and so are mappings by their keys."""
    body = msgspec.json.encode(record, enc_hook=str, order="deterministic")
    return {"schema": {"N": str(SCHEMA)}, "body": {"S": body.decode()}}


def decoded[Kept](item: Mapping[str, Any], kind: type[Kept]) -> Kept:
    """The record of an item; Unreadable if it is damaged, NewerSchema if only a newer version can read it."""
    name = f"item pk={item['pk']['S']} sk={item['sk']['S']}"
    try:
        schema = int(item["schema"]["N"])
        if schema > SCHEMA:
            raise NewerSchema(
                f"{name} has schema {schema}, and this version knows {SCHEMA}: deploy the version that wrote it, or a "
                "newer one"
            )
        return msgspec.json.decode(item["body"]["S"], type=kind, dec_hook=network_from)
    except (KeyError, ValueError) as error:
        raise Unreadable(f"{name} cannot be read: {error!r}") from error
