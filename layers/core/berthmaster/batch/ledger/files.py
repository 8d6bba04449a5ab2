"""Files in the ledger: an item each, written only if nobody has written it since it was read.

pk, sk     `file <shard>` and the file's id, so that all versions of a key stand together
place      the sort key of the index `by_place`: `<pipeline>|waiting|<due>`, `<pipeline>|in flight|<launched>`, or
           `<pipeline>|<final state>|<since>`. It does not change while a file is in flight: a change costs two writes
received   `<pipeline>|<time>`: the sort key of the index `by_received`
sweep      a time: the sort key of the index `by_sweep`, of files whose attempts have left objects to be deleted then
schema, version, body, expires    as in `berthmaster.items`

The indexes are local, so that they are read consistently, and hold keys only.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import KEY_DIGITS, SHARDS, shard_of
from berthmaster.batch.plan.leftovers import sweep_due
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import code_of
from berthmaster.items import Conflict, decoded, encoded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_PLACE, BY_RECEIVED, BY_SWEEP = "by_place", "by_received", "by_sweep"
IN_FLIGHT = "in flight"
SWEPT_WITHIN = timedelta(days=30)
"""What cannot be deleted for so long is left to the owner of the bucket."""


class Files:
    """The files of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, *, kept_for: timedelta) -> None:
        """kept_for: how long a file that has come to its end is remembered."""
        self._dynamodb = dynamodb
        self._table = table
        self._kept_for = kept_for

    def get(self, identifier: str) -> File | None:
        """One file, read consistently."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=_key(identifier), ConsistentRead=True)
        return decoded(answer["Item"], File) if "Item" in answer else None

    def versions(self, identifier: str) -> list[File]:
        """All versions of the key of a file, itself included, read consistently."""
        return list(
            self._query(
                KeyConditionExpression="pk = :pk AND begins_with(sk, :key)",
                ExpressionAttributeValues={
                    ":pk": {"S": _partition(shard_of(identifier))},
                    ":key": {"S": identifier[:KEY_DIGITS]},
                },
            )
        )

    def save(self, file: File) -> File:
        """Write a file if nobody has since it was read; returns it with its new version, raises Conflict otherwise.

        The SDK repeats a call whose answer was lost, and then finds its own write, which is no conflict.
        """
        saved = replace(file, version=file.version + 1)
        item = _item(saved)
        # No item has version 0. One that was read and is gone by now does not come back.
        condition = "version = :read" if file.version else "attribute_not_exists(pk) OR version = :read"
        if not saved.is_live:
            item["expires"] = {"N": str(int(self._expires(saved).timestamp()))}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=condition,
                ExpressionAttributeValues={":read": {"N": str(file.version)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            if error.response.get("Item") != item:
                raise Conflict(f"file {saved.id} was written by another invocation") from error
        return saved

    def _expires(self, file: File) -> datetime:
        """Not before what it has left is deleted: nothing else knows of that."""
        kept_until = file.since + self._kept_for
        if file.forget_at:
            kept_until = min(kept_until, file.forget_at)
        due = sweep_due(file)
        return max(kept_until, due + SWEPT_WITHIN) if due else kept_until

    def waiting(self, pipeline: str, *, until: datetime, most: int) -> list[File]:
        """Files of a pipeline that may be launched by then, the earliest first; at most so many."""
        return self.first_waiting(pipeline, until=until, of_each_shard=most)[:most]

    def first_waiting(self, pipeline: str, *, until: datetime, of_each_shard: int) -> list[File]:
        """Files of a pipeline that may be launched by then, the earliest of each shard, in order; each costs a read."""
        return self._in_place(f"{pipeline}|{State.WAITING}|", until, of_each_shard)

    def in_flight(self, pipeline: str, *, until: datetime, most: int) -> list[File]:
        """Files of a pipeline in flight that were launched by then, the earliest first; at most so many."""
        return self._in_place(f"{pipeline}|{IN_FLIGHT}|", until, most)[:most]

    def launched(self, pipeline: str, *, since: datetime) -> list[File]:
        """All files of a pipeline in flight that were launched since then."""
        place = f"{pipeline}|{IN_FLIGHT}|"
        return list(chain.from_iterable(self._of_shards(partial(self._all_in_place, place, since))))

    def ended(self, pipeline: str, state: State, *, until: datetime, most: int) -> list[File]:
        """Files of a pipeline that came to this end by then, the earliest first; at most so many."""
        return self._in_place(f"{pipeline}|{state}|", until, most)[:most]

    def to_sweep(self, *, until: datetime, most: int) -> list[File]:
        """Files whose attempts have left objects that are to be deleted by then, the earliest first."""
        shards = self._of_shards(partial(self._page, BY_SWEEP, ("sweep", " ", stamp(until)), most))
        return sorted(chain.from_iterable(shards), key=lambda file: (sweep_due(file) or file.since, file.id))[:most]

    def count_in_flight(self, pipeline: str) -> int:
        """How many files of a pipeline are in flight."""
        return sum(self._of_shards(partial(self._count, f"{pipeline}|{IN_FLIGHT}|")))

    def _count(self, place: str, shard: int) -> int:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_PLACE,
            KeyConditionExpression="pk = :pk AND begins_with(place, :place)",
            ExpressionAttributeValues={":pk": {"S": _partition(shard)}, ":place": {"S": place}},
            Select="COUNT",
            ConsistentRead=True,
        )
        return sum(page["Count"] for page in pages)

    def _in_place(self, place: str, until: datetime, of_each_shard: int) -> list[File]:
        between = ("place", place, f"{place}{stamp(until)}")
        shards = self._of_shards(partial(self._page, BY_PLACE, between, of_each_shard))
        return sorted(chain.from_iterable(shards), key=lambda file: (_time(file), file.id))

    def _page(self, index: str, between: tuple[str, str, str], most: int, shard: int) -> list[File]:
        """The first files of a shard in an index. between: its sort key, and the first and the last value of that."""
        sort_key, begin, end = between
        answer = self._dynamodb.query(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=f"pk = :pk AND {sort_key} BETWEEN :from AND :to",
            ExpressionAttributeValues={
                ":pk": {"S": _partition(shard)},
                ":from": {"S": begin},
                ":to": {"S": end},
            },
            Select="ALL_ATTRIBUTES",
            ConsistentRead=True,
            Limit=most,
        )
        return [decoded(item, File) for item in answer["Items"]]

    def _all_in_place(self, place: str, since: datetime, shard: int) -> list[File]:
        return list(
            self._query(
                IndexName=BY_PLACE,
                KeyConditionExpression="pk = :pk AND place BETWEEN :from AND :to",
                ExpressionAttributeValues={
                    ":pk": {"S": _partition(shard)},
                    ":from": {"S": f"{place}{stamp(since)}"},
                    # After all digits, and so after all times.
                    ":to": {"S": f"{place}:"},
                },
                Select="ALL_ATTRIBUTES",
            )
        )

    @staticmethod
    def _of_shards[Found](read: Callable[[int], Found]) -> list[Found]:
        return results_of(concurrently(read, range(SHARDS), at_once=SHARDS))

    def _query(self, **query: Any) -> Iterator[File]:
        pages = self._dynamodb.get_paginator("query").paginate(TableName=self._table, ConsistentRead=True, **query)
        for page in pages:
            for item in page["Items"]:
                yield decoded(item, File)


def stamp(moment: datetime) -> str:
    """A time as it stands in an index: sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _time(file: File) -> datetime:
    """By which files in one place are sorted."""
    if file.is_in_flight and file.launch:
        return file.launch.requested_at
    return file.due if file.state is State.WAITING else file.since


def _item(file: File) -> dict[str, Any]:
    due = sweep_due(file)
    return {
        **_key(file.id),
        **encoded(_compact(file)),
        **({"sweep": {"S": stamp(due)}} if due else {}),
        "version": {"N": str(file.version)},
        "place": {"S": f"{file.pipeline}|{IN_FLIGHT if file.is_in_flight else file.state}|{stamp(_time(file))}"},
        "received": {"S": f"{file.pipeline}|{stamp(file.received_at)}"},
    }


def _compact(record: Any) -> dict[str, Any]:
    """Its fields without those that have their default: each KB of an item costs a write unit."""
    given = {field.name: getattr(record, field.name) for field in fields(record)}
    defaults = {field.name: field.default for field in fields(record)}
    return {
        name: _compact(value) if is_dataclass(value) else value
        for name, value in given.items()
        if value != defaults[name]
    }


def _partition(shard: int) -> str:
    return f"file {shard}"


def _key(identifier: str) -> dict[str, Any]:
    return {"pk": {"S": _partition(shard_of(identifier))}, "sk": {"S": identifier}}
