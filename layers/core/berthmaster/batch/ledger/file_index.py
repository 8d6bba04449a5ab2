"""Many files at once, by the indexes of their table: whole, by their ids, or only counted. All is read consistently."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Self

from berthmaster.batch.ledger.files import BEHIND, BY_PLACE, BY_RECEIVED, IN_FLIGHT, file_of, partition, stamp
from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import SHARDS
from berthmaster.concurrently import concurrently, results_of
from berthmaster.failures import Failures

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_AFTER = "!"
"""Sorts after the end of a text, and before all that is longer by a digit."""
_LAST = "~"
"""Sorts after all times."""
COUNTED_EXACTLY = 1_000
"""Files of each partition."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an index of a pipeline's files: its sort keys from `low` to `high`."""

    pipeline: str
    index: str
    low: str
    high: str

    @classmethod
    def received(cls, pipeline: str, *, after: datetime, until: datetime | None = None) -> Self:
        """Files that were received later than `after`, and by `until`."""
        return cls(
            pipeline,
            BY_RECEIVED,
            f"{pipeline}|{stamp(after)}{_AFTER}",
            f"{pipeline}|{stamp(until) if until else _LAST}",
        )

    @classmethod
    def ended(cls, pipeline: str, state: State, *, after: datetime, until: datetime | None = None) -> Self:
        """Files that have ended so later than `after`, and by `until`."""
        place = f"{pipeline}|{state}|"
        return cls(pipeline, BY_PLACE, f"{place}{stamp(after)}{_AFTER}", f"{place}{stamp(until) if until else _LAST}")

    @classmethod
    def waiting(cls, pipeline: str, *, until: datetime | None = None) -> Self:
        """All files that wait, or those that are due by `until`."""
        place = f"{pipeline}|{State.WAITING}|"
        return cls(pipeline, BY_PLACE, place, f"{place}{stamp(until) if until else _LAST}")

    @classmethod
    def behind(cls, pipeline: str, *, until: datetime | None = None) -> Self:
        """As `waiting`, of those that come after all others."""
        place = f"{pipeline}|{BEHIND}|"
        return cls(pipeline, BY_PLACE, place, f"{place}{stamp(until) if until else _LAST}")

    @classmethod
    def in_flight(cls, pipeline: str) -> Self:
        """All files in flight."""
        return cls(pipeline, BY_PLACE, f"{pipeline}|{IN_FLIGHT}|", f"{pipeline}|{IN_FLIGHT}|{_LAST}")


class FileIndex:
    """The indexes of the files in a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def files(self, section: Section, failures: Failures) -> list[File]:
        """The files of a section; records that cannot be read are left out, and added to the failures."""
        found = []
        pages = self._of_shards(lambda shard: list(self._pages(section, shard, "ALL_ATTRIBUTES")))
        for item in chain.from_iterable(page["Items"] for page in pages):
            with failures.collect("file not read", file=item["sk"]["S"]):
                found.append(file_of(item))
        return found

    def ids(self, section: Section) -> set[str]:
        """The ids of the files of a section."""

        def read(shard: int) -> list[str]:
            pages = self._pages(section, shard, "ALL_PROJECTED_ATTRIBUTES")
            return [item["sk"]["S"] for page in pages for item in page["Items"]]

        return set(self._of_shards(read))

    def page(
        self, section: Section, shard: int, *, after: tuple[str, str] | None, most: int
    ) -> tuple[list[str], tuple[str, str] | None]:
        """The ids of the next files of a section in one partition, in its order, and the keys of the last one.

        after: such keys, of a file that need not be there any more; None for the first page. The keys that are returned
        are None if nothing follows.
        """
        start: Any = {}
        if after:
            sort, identifier = after
            start = {
                "pk": {"S": partition(section.pipeline, shard)},
                "sk": {"S": identifier},
                _SORT_KEYS[section.index]: {"S": sort},
            }
        answer = self._dynamodb.query(
            **self._query(section, shard, "ALL_PROJECTED_ATTRIBUTES"),
            Limit=most,
            **({"ExclusiveStartKey": start} if start else {}),
        )
        last = answer.get("LastEvaluatedKey")
        end = (last[_SORT_KEYS[section.index]]["S"], last["sk"]["S"]) if last else None
        return [item["sk"]["S"] for item in answer["Items"]], end

    def newest(self, section: Section, *, of_each_shard: int) -> list[File]:
        """The last files of a section, so many of each partition at most, in no order."""

        def read(shard: int) -> list[File]:
            query = self._query(section, shard, "ALL_ATTRIBUTES")
            answer = self._dynamodb.query(**query, Limit=of_each_shard, ScanIndexForward=False)
            return [file_of(item) for item in answer["Items"]]

        return list(self._of_shards(read))

    def about(self, section: Section) -> int:
        """How many files are in a section: exact for some thousands, else within a hundredth or two.

        Files are spread evenly over the partitions, so that one of them shows how many are in the others.
        """
        first = results_of(concurrently(lambda shard: self._first(section, shard), range(SHARDS), at_once=SHARDS))
        if all(is_all for _, is_all in first):
            return sum(number for number, _ in first)
        shard = next(shard for shard, (_, is_all) in enumerate(first) if not is_all)
        counted: int = sum(page["Count"] for page in self._pages(section, shard, "COUNT"))
        return SHARDS * counted

    def _first(self, section: Section, shard: int) -> tuple[int, bool]:
        """How many of the first files of a section are in a partition, and whether those are all."""
        answer = self._dynamodb.query(**self._query(section, shard, "COUNT"), Limit=COUNTED_EXACTLY)
        return answer["Count"], "LastEvaluatedKey" not in answer

    def count(self, section: Section) -> int:
        """How many files are in a section."""
        return sum(self._of_shards(lambda shard: [page["Count"] for page in self._pages(section, shard, "COUNT")]))

    def _pages(self, section: Section, shard: int, select: "_Select") -> Iterator[Any]:
        return iter(self._dynamodb.get_paginator("query").paginate(**self._query(section, shard, select)))

    def _query(self, section: Section, shard: int, select: "_Select") -> Any:
        return {
            "TableName": self._table,
            "IndexName": section.index,
            "KeyConditionExpression": "pk = :pk AND #sort BETWEEN :low AND :high",
            "ExpressionAttributeNames": {"#sort": _SORT_KEYS[section.index]},
            "ExpressionAttributeValues": {
                ":pk": {"S": partition(section.pipeline, shard)},
                ":low": {"S": section.low},
                ":high": {"S": section.high},
            },
            "Select": select,
            "ConsistentRead": True,
        }

    @staticmethod
    def _of_shards[Found](read: Callable[[int], list[Found]]) -> Iterator[Found]:
        return chain.from_iterable(results_of(concurrently(read, range(SHARDS), at_once=SHARDS)))


type _Select = Literal["ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "COUNT"]
_SORT_KEYS = {BY_PLACE: "place", BY_RECEIVED: "received"}
