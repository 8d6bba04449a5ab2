"""Files in the ledger: an item each, written only if nobody has written it since it was read.

pk, sk     `file <pipeline> <shard>` and the file's id, so that all versions of a key stand together, and the workers of
           a pipeline can be kept out of what belongs to others
place      the sort key of the index `by_place`: `<pipeline>|waiting|<due>`, `<pipeline>|behind|<due>`,
           `<pipeline>|in flight|<launched>`, or `<pipeline>|<final state>|<since>`. It does not change while a file is
           in flight: a change costs two writes
received   `<pipeline>|<time>`: the sort key of the index `by_received`
sweep      a time: the sort key of the index `by_sweep`, of files whose attempts have left objects to be deleted then
claim      of the worker that processes the file, as a map; see `_claim_of`
fence      the number of the last launch or claim
schema, version, body, expires    as in `berthmaster.items`

Workers write `claim`, `fence`, `place` and `version` of a file that waits, and nothing else; functions write whole
items, without `claim` if a worker is to have the file no more.

The indexes are local, so that they are read consistently, and hold keys only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.batch.model.files import Claim, File, Launch, State
from berthmaster.batch.plan.identity import KEY_DIGITS, SHARDS, shard_of
from berthmaster.batch.plan.leftovers import sweep_due
from berthmaster.batch.plan.transitions import claimed
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import code_of
from berthmaster.items import Conflict, Unreadable, decoded, encoded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_PLACE, BY_RECEIVED, BY_SWEEP = "by_place", "by_received", "by_sweep"
IN_FLIGHT, BEHIND = "in flight", "behind"
SWEPT_WITHIN = timedelta(days=30)
"""What cannot be deleted for so long is left to the owner of the bucket."""


class Files:
    """The files of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, *, kept_for: timedelta) -> None:
        """kept_for: how long a file that has come to its end is remembered."""
        self._dynamodb = dynamodb
        self._table = table
        self._kept_for = kept_for

    def get(self, pipeline: str, identifier: str) -> File | None:
        """One file, read consistently."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=_key(pipeline, identifier), ConsistentRead=True)
        return file_of(answer["Item"]) if "Item" in answer else None

    def versions(self, pipeline: str, identifier: str) -> list[File]:
        """All versions that a pipeline has of the key of a file, itself included, read consistently."""
        return list(
            self._query(
                KeyConditionExpression="pk = :pk AND begins_with(sk, :key)",
                ExpressionAttributeValues={
                    ":pk": {"S": partition(pipeline, shard_of(identifier))},
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
        return self._in_place(pipeline, State.WAITING, until, of_each_shard)

    def first_behind(self, pipeline: str, *, until: datetime, of_each_shard: int) -> list[File]:
        """As `first_waiting`, of those that come after all others."""
        return self._in_place(pipeline, BEHIND, until, of_each_shard)

    def in_flight(self, pipeline: str, *, until: datetime, most: int) -> list[File]:
        """Files of a pipeline in flight that were launched by then, the earliest first; at most so many."""
        return self._in_place(pipeline, IN_FLIGHT, until, most)[:most]

    def launched(self, pipeline: str, *, since: datetime) -> list[File]:
        """All files of a pipeline in flight that were launched since then."""
        return list(chain.from_iterable(self._of_shards(partial(self._launched, pipeline, since))))

    def ended(self, pipeline: str, state: State, *, until: datetime, most: int) -> list[File]:
        """Files of a pipeline that came to this end by then, the earliest first; at most so many."""
        return self._in_place(pipeline, state, until, most)[:most]

    def to_sweep(self, pipeline: str, *, until: datetime, most: int) -> list[File]:
        """Files of a pipeline whose attempts have left objects that are to be deleted by then, the earliest first."""
        shards = self._of_shards(partial(self._page, pipeline, BY_SWEEP, ("sweep", " ", stamp(until)), most))
        return sorted(chain.from_iterable(shards), key=lambda file: (sweep_due(file) or file.since, file.id))[:most]

    def count_in_flight(self, pipeline: str) -> int:
        """How many files of a pipeline are in flight."""
        return sum(self._of_shards(partial(self._count, pipeline)))

    def _count(self, pipeline: str, shard: int) -> int:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_PLACE,
            KeyConditionExpression="pk = :pk AND begins_with(place, :place)",
            ExpressionAttributeValues={
                ":pk": {"S": partition(pipeline, shard)},
                ":place": {"S": f"{pipeline}|{IN_FLIGHT}|"},
            },
            Select="COUNT",
            ConsistentRead=True,
        )
        return sum(page["Count"] for page in pages)

    def _in_place(self, pipeline: str, place: str, until: datetime, of_each_shard: int) -> list[File]:
        between = ("place", f"{pipeline}|{place}|", f"{pipeline}|{place}|{stamp(until)}")
        shards = self._of_shards(partial(self._page, pipeline, BY_PLACE, between, of_each_shard))
        return sorted(chain.from_iterable(shards), key=lambda file: (_time(file), file.id))

    def _page(self, pipeline: str, index: str, between: tuple[str, str, str], most: int, shard: int) -> list[File]:
        """The first files of a shard in an index. between: its sort key, and the first and the last value of that."""
        sort_key, begin, end = between
        answer = self._dynamodb.query(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=f"pk = :pk AND {sort_key} BETWEEN :from AND :to",
            ExpressionAttributeValues={
                ":pk": {"S": partition(pipeline, shard)},
                ":from": {"S": begin},
                ":to": {"S": end},
            },
            Select="ALL_ATTRIBUTES",
            ConsistentRead=True,
            Limit=most,
        )
        return [file_of(item) for item in answer["Items"]]

    def _launched(self, pipeline: str, since: datetime, shard: int) -> list[File]:
        place = f"{pipeline}|{IN_FLIGHT}|"
        return list(
            self._query(
                IndexName=BY_PLACE,
                KeyConditionExpression="pk = :pk AND place BETWEEN :from AND :to",
                ExpressionAttributeValues={
                    ":pk": {"S": partition(pipeline, shard)},
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
                yield file_of(item)


def stamp(moment: datetime) -> str:
    """A time as it stands in an index: sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _time(file: File) -> datetime:
    """By which files in one place are sorted."""
    if file.is_in_flight and file.launch:
        return file.launch.requested_at
    return file.due if file.state is State.WAITING else file.since


def file_of(item: Mapping[str, Any]) -> File:
    """The file of an item, as its worker has left it if one has claimed it; Unreadable if it is damaged."""
    file = decoded(item, File)
    file = replace(file, version=int(item["version"]["N"]))
    if "claim" not in item:
        return file
    claim = _claim_of(item, file.launch)
    if file.launch and file.launch.number == claim.fence:
        return replace(file, claim=claim)
    return claimed(file, claim)


def _claim_of(item: Mapping[str, Any], launch: Launch | None) -> Claim:
    """The claim of an item. A function that writes it leaves out what the launch says, so that it stays below 1 KB."""
    try:
        found, fence = item["claim"]["M"], int(item["fence"]["N"])
        if launch and launch.number == fence:
            return Claim(
                owner=found["owner"]["S"],
                lease=found["lease"]["S"],
                fence=fence,
                task=launch.task,
                pipeline_version=launch.pipeline_version,
                at=launch.requested_at,
                until=launch.deadline,
            )
        return Claim(
            owner=found["owner"]["S"],
            lease=found["lease"]["S"],
            fence=fence,
            task=found["task"]["S"],
            pipeline_version=int(found["pipeline_version"]["N"]),
            at=datetime.fromisoformat(found["at"]["S"]),
            until=datetime.fromisoformat(found["until"]["S"]),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(f"the claim of the file {item['sk']['S']} cannot be read: {error!r}") from error


def _item(file: File) -> dict[str, Any]:
    due, claim = sweep_due(file), file.claim
    return {
        **_key(file.pipeline, file.id),
        **encoded(_compact(replace(file, claim=None))),
        **({"sweep": {"S": stamp(due)}} if due else {}),
        **({"fence": {"N": str(file.launch.number)}} if file.launch else {}),
        **({"claim": {"M": {"owner": {"S": claim.owner}, "lease": {"S": claim.lease}}}} if claim else {}),
        "version": {"N": str(file.version)},
        "place": {"S": f"{file.pipeline}|{_place(file)}|{stamp(_time(file))}"},
        "received": {"S": f"{file.pipeline}|{stamp(file.received_at)}"},
    }


def _place(file: File) -> str:
    if file.is_in_flight:
        return IN_FLIGHT
    return BEHIND if file.state is State.WAITING and file.is_behind else file.state


def _compact(record: Any) -> dict[str, Any]:
    """Its fields without those that have their default: each KB of an item costs a write unit."""
    given = {field.name: getattr(record, field.name) for field in fields(record)}
    defaults = {field.name: field.default for field in fields(record)}
    return {
        name: _compact(value) if is_dataclass(value) else value
        for name, value in given.items()
        if value != defaults[name]
    }


def partition(pipeline: str, shard: int) -> str:
    """Where the files of a pipeline are."""
    return f"file {pipeline} {shard}"


def _key(pipeline: str, identifier: str) -> dict[str, Any]:
    return {"pk": {"S": partition(pipeline, shard_of(identifier))}, "sk": {"S": identifier}}
