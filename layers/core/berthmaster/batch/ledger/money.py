"""What tasks have cost: an item per task that was booked, and an item per pipeline and day with the sums.

pk bill <digit>   sk <cluster>/<task id>          day, dollars, is_estimate, expires
pk money          sk <pipeline> <YYYY-MM-DD>      dollars, tasks, seconds, estimated, expires

Both are written in one transaction, so that a task is booked once, however often and by however many invocations. The
digit is the first of the task's id, since an item collection with an index may hold 10 GB.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any
from zlib import crc32

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.batch.model.bills import Bill, Spent
from berthmaster.clock import Clock
from berthmaster.errors import code_of
from berthmaster.items import Conflict, Unreadable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SUMS = "money"
BILLS_KEPT_FOR = timedelta(days=35)
"""A message is kept for 14 days in its queue, and for as long again in the dead-letter queue."""
SUMS_KEPT_FOR = timedelta(days=400)
PER_TRANSACTION = 50
"""Bills: at most as many sums are written with them, and a transaction takes 100 actions."""
KEYS_PER_READ = 100
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before another try, times a half to one and a half: several invocations book for one pipeline."""

type _Sums = dict[tuple[str, date], Spent]

_TRANSIENT = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class Money:
    """Books bills, and says what was booked."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def book(self, bills: Iterable[Bill]) -> list[Bill]:
        """Book those that were not booked before, and return them; one that was only an estimate is corrected.

        Conflict if others write the same sums all the time; some of the bills may be booked then.
        """
        booked: list[Bill] = []
        by_task = {bill.task: bill for bill in sorted(bills, key=lambda bill: not bill.is_estimate)}
        for some in batched(by_task.values(), PER_TRANSACTION, strict=False):
            booked += self._book(list(some))
        return booked

    def day(self, pipeline: str, day: date) -> Spent:
        """What tasks that have stopped on a day have cost, read consistently; Unreadable if it is damaged."""
        return sum(self._read(f"{pipeline} {day}"), Spent())

    def since(self, pipeline: str, first: date, last: date) -> Spent:
        """What tasks have cost that have stopped on one of these days."""
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return sum((self.day(pipeline, day) for day in days), Spent())

    def month(self, pipeline: str, day: date) -> Spent:
        """What tasks have cost that have stopped in the month of a day."""
        return sum(self._read(f"{pipeline} {day:%Y-%m}-"), Spent())

    def not_booked(self, tasks: Iterable[str]) -> set[str]:
        """Those of some tasks, by their ARNs, that were not booked, or only by an estimate.

        What DynamoDB leaves unread is left out.
        """
        found: set[str] = set()
        for some in batched(sorted(tasks), KEYS_PER_READ, strict=False):
            tasks_by_key = {_key(arn): arn for arn in some}
            keys = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in tasks_by_key]
            answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}})
            left: Any = answer.get("UnprocessedKeys", {})
            known = {(one["pk"]["S"], one["sk"]["S"]) for one in left.get(self._table, {}).get("Keys", [])}
            known |= {
                (item["pk"]["S"], item["sk"]["S"])
                for item in answer["Responses"].get(self._table, ())
                if not item["is_estimate"]["BOOL"]
            }
            found |= {arn for key, arn in tasks_by_key.items() if key not in known}
        return found

    def _book(self, bills: list[Bill]) -> list[Bill]:
        left = bills
        estimated: list[tuple[Bill, Mapping[str, Any]]] = []
        for wait in (*_WAITS, 0.0):
            if not left:
                break
            reasons = self._write([self._new(bill) for bill in left], _sums_of(left))
            if reasons is None:
                break
            known = dict(enumerate(reasons[: len(left)]))
            estimated += [
                (left[number], reason["Item"])
                for number, reason in known.items()
                if reason.get("Item", {}).get("is_estimate", {}).get("BOOL") and not left[number].is_estimate
            ]
            left = [left[number] for number, reason in known.items() if reason["Code"] != "ConditionalCheckFailed"]
            self._wait_if_contended(reasons, wait, bills[0])
        else:
            if left:
                raise Conflict(f"{len(left)} tasks could not be booked, since others book at the same time")
        corrected = [bill for bill, before in estimated if self._correct(bill, before)]
        return left + corrected

    def _correct(self, bill: Bill, before: Mapping[str, Any]) -> bool:
        """Book the true bill of a task instead of the estimate; False if another invocation has done so."""
        sums = _sums_of([bill])
        was = (bill.pipeline, date.fromisoformat(before["day"]["S"]))
        dollars = float(before["dollars"]["N"])
        sums[was] = sums.get(was, Spent()) + Spent(-dollars, -1, -int(before["seconds"]["N"]), -dollars)
        action = self._new(bill)
        action["Put"] |= {
            "ConditionExpression": "is_estimate = :yes",
            "ExpressionAttributeValues": {":yes": {"BOOL": True}},
        }
        for wait in (*_WAITS, 0.0):
            reasons = self._write([action], sums)
            if reasons is None:
                return True
            if reasons[0]["Code"] == "ConditionalCheckFailed":
                return False
            self._wait_if_contended(reasons, wait, bill)
        raise Conflict("a task could not be booked, since others book at the same time")

    def _write(self, markers: Sequence[Any], sums: _Sums) -> Sequence[Mapping[str, Any]] | None:
        """Write all of it, or return the reasons why nothing was written: first those of the markers."""
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[*markers, *[self._sum(key, spent) for key, spent in sums.items()]]
            )
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons: Sequence[Mapping[str, Any]] = error.response["CancellationReasons"]
            if any(one["Code"] not in {"None", "ConditionalCheckFailed", *_TRANSIENT} for one in reasons):
                raise
            return reasons
        return None

    def _wait_if_contended(self, reasons: Iterable[Mapping[str, Any]], wait: float, bill: Bill) -> None:
        """Wait if others were at it, each for another time, which follows from what it books."""
        if any(one["Code"] in _TRANSIENT for one in reasons):
            self._clock.sleep(wait * (0.5 + crc32(bill.task.encode()) % 1000 / 1000))

    def _new(self, bill: Bill) -> Any:
        pk, sk = _key(bill.task)
        return {
            "Put": {
                "TableName": self._table,
                "Item": {
                    "pk": {"S": pk},
                    "sk": {"S": sk},
                    "pipeline": {"S": bill.pipeline},
                    "day": {"S": str(bill.day)},
                    "dollars": {"N": _decimal(bill.dollars)},
                    "seconds": {"N": str(bill.seconds)},
                    "is_estimate": {"BOOL": bill.is_estimate},
                    "expires": _time(self._clock.now() + BILLS_KEPT_FOR),
                },
                "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _sum(self, key: tuple[str, date], spent: Spent) -> Any:
        pipeline, day = key
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"pk": {"S": SUMS}, "sk": {"S": f"{pipeline} {day}"}},
                "UpdateExpression": (
                    "SET expires = :expires ADD dollars :dollars, tasks :tasks, seconds :seconds, estimated :estimated"
                ),
                "ExpressionAttributeValues": {
                    ":expires": _time(datetime.combine(day, time(), UTC) + SUMS_KEPT_FOR),
                    ":dollars": {"N": _decimal(spent.dollars)},
                    ":tasks": {"N": str(spent.tasks)},
                    ":seconds": {"N": str(spent.seconds)},
                    ":estimated": {"N": _decimal(spent.estimated)},
                },
            }
        }

    def _read(self, prefix: str) -> list[Spent]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": {"S": SUMS}, ":sk": {"S": prefix}},
            ConsistentRead=True,
        )
        return [_spent(item) for page in pages for item in page["Items"]]


def _key(task: str) -> tuple[str, str]:
    """Of the bill of a task."""
    cluster, identifier = Arn.parse(task).path[1:3]
    return f"bill {identifier[0]}", f"{cluster}/{identifier}"


def _sums_of(bills: Iterable[Bill]) -> _Sums:
    sums: _Sums = {}
    for bill in bills:
        own = Spent(bill.dollars, 1, bill.seconds, bill.dollars if bill.is_estimate else 0.0)
        key = (bill.pipeline, bill.day)
        sums[key] = sums.get(key, Spent()) + own
    return sums


def _spent(item: Mapping[str, Any]) -> Spent:
    try:
        return Spent(
            float(item["dollars"]["N"]),
            int(item["tasks"]["N"]),
            int(item["seconds"]["N"]),
            float(item["estimated"]["N"]),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(f"the sums of {item['sk']['S']} cannot be read: {error!r}") from error


def _decimal(dollars: float) -> str:
    """In decimals, whose sums are exact, whoever adds first."""
    return f"{dollars:.15f}".rstrip("0").rstrip(".")


def _time(moment: datetime) -> Any:
    return {"N": str(int(moment.timestamp()))}
