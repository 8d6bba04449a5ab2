"""Claims on files: one conditional write each, on the item of the file in Berthmaster's ledger.

Of two workers that claim a file at the same time, DynamoDB lets one have it. Nobody's clock decides anything: who has
the claim is said by its lease, a random text, and Berthmaster takes a claim away by writing the item without it.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import chain, zip_longest
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster_worker.environment import Settings
from berthmaster_worker.errors import code_of
from berthmaster_worker.model import Claim, Input

SHARDS = 8
"""Partitions of a pipeline's files."""
PAGE, NEXT_PAGES = 10, 100
"""Files that are looked at together: the first ones, and those behind them if nothing of the first can be had."""
WAITING, BEHIND, IN_FLIGHT = "waiting", "behind", "in flight"
"""Places of files: those of a backfill wait behind those of events."""
CONTROL = "control"


@dataclass(frozen=True)
class _Doubtful:
    """A claim of which it is not known whether it was written."""

    source: Input
    lease: str


class Claims:
    """What this worker takes from its pipeline. task: its own ARN, which people see in the status of a file."""

    def __init__(self, dynamodb: Any, settings: Settings, task: str) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._task = task
        self._doubtful: _Doubtful | None = None
        self._alone: set[str] = set()
        self._random = random.Random(uuid4().int)  # noqa: S311 - so that workers do not meet at the same file

    def forbidden(self) -> str:
        """Why nothing may be claimed now; empty if it may."""
        answer = self._dynamodb.get_item(
            TableName=self._settings.table,
            Key={"pk": {"S": f"worker {self._settings.pipeline}"}, "sk": {"S": CONTROL}},
        )
        item = answer.get("Item", {})
        if item.get("claims", {}).get("BOOL") is True:
            return ""
        return str(item.get("reason", {}).get("S") or "Berthmaster has not allowed it")

    def claim(self) -> Claim | None:
        """Claim a file, nearly the one that has waited longest; None if none waits.

        The older one of the first of two partitions: so others are seldom after the same one, and none is passed over
        for long. Where somebody was faster, it may be any other one.
        """
        if self._doubtful and (claim := self._settled(self._doubtful)):
            return claim
        shards = list(range(SHARDS))
        for place in (WAITING, BEHIND):
            self._random.shuffle(shards)
            for first in range(0, SHARDS, 2):
                if claim := self._of_shards(shards[first : first + 2], place):
                    return claim
        return None

    def _of_shards(self, shards: list[int], place: str) -> Claim | None:
        for pages in zip_longest(*(self._pages(shard, place) for shard in shards), fillvalue=()):
            files = sorted(chain.from_iterable(pages), key=lambda item: item["place"]["S"])
            while files:
                item = files.pop(0)
                if claim := self._try({"pk": item["pk"], "sk": item["sk"]}):
                    return claim
                self._random.shuffle(files)
        return None

    def holds(self, claim: Claim) -> bool:
        """Whether a file is this worker's still."""
        answer = self._dynamodb.get_item(
            TableName=self._settings.table,
            Key=self._key(claim.file),
            ProjectionExpression="claim",
            ConsistentRead=True,
        )
        return bool(_lease_of(answer.get("Item", {})) == claim.lease)

    def _pages(self, shard: int, place: str) -> Iterator[list[dict[str, Any]]]:
        """Files that are due, with their keys alone, from the first on."""
        pipeline = self._settings.pipeline
        page: dict[str, Any] = {"Limit": PAGE}
        while True:
            answer = self._dynamodb.query(
                TableName=self._settings.table,
                IndexName="by_place",
                KeyConditionExpression="pk = :pk AND place BETWEEN :from AND :to",
                ExpressionAttributeValues={
                    ":pk": {"S": f"file {pipeline} {shard}"},
                    ":from": {"S": f"{pipeline}|{place}|"},
                    ":to": {"S": f"{pipeline}|{place}|{_stamp(_now())}"},
                },
                ProjectionExpression="pk, sk, place",
                ConsistentRead=True,
                **page,
            )
            yield [item for item in answer["Items"] if item["sk"]["S"] not in self._alone]
            if "LastEvaluatedKey" not in answer:
                return
            page = {"Limit": NEXT_PAGES, "ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _try(self, key: dict[str, Any]) -> Claim | None:
        """Claim one file; None if it cannot be had."""
        item = self._dynamodb.get_item(
            TableName=self._settings.table,
            Key=key,
            ProjectionExpression="claim, place, version, body",
            ConsistentRead=True,
        ).get("Item", {})
        waits = (
            item.get("place", {})
            .get("S", "")
            .startswith((f"{self._settings.pipeline}|{WAITING}|", f"{self._settings.pipeline}|{BEHIND}|"))
        )
        if "claim" in item or not waits:
            return None
        body = json.loads(item["body"]["S"])
        if body.get("is_alone"):
            # They wait at the front for a task of their own, and need not be read each time.
            self._alone.add(body["id"])
            return None
        source = Input(
            file=body["id"],
            bucket=body["bucket"],
            key=body["key"],
            version_id=body.get("version_id", ""),
            etag=body.get("etag", ""),
        )
        lease = str(uuid4())
        try:
            fence = self._write(key, item, lease)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                self._doubtful = _Doubtful(source, lease)
                raise
            # The SDK repeats a call whose answer was lost, and then the claim that it finds may be its own.
            is_repeated = error.response.get("ResponseMetadata", {}).get("RetryAttempts")
            return self._settled(_Doubtful(source, lease)) if is_repeated else None
        except BotoCoreError:
            self._doubtful = _Doubtful(source, lease)
            raise
        return Claim(input=source, fence=fence, lease=lease)

    def _settled(self, doubtful: _Doubtful) -> Claim | None:
        """The claim whose writing had no answer, if it was written."""
        item = self._dynamodb.get_item(
            TableName=self._settings.table,
            Key=self._key(doubtful.source.file),
            ProjectionExpression="claim, fence",
            ConsistentRead=True,
        ).get("Item", {})
        self._doubtful = None
        if _lease_of(item) != doubtful.lease:
            return None
        return Claim(input=doubtful.source, fence=int(item["fence"]["N"]), lease=doubtful.lease)

    def _write(self, key: dict[str, Any], item: dict[str, Any], lease: str) -> int:
        """Write a claim on an item as it was read; returns its fence."""
        now = _now()
        claim = {
            "owner": {"S": self._settings.worker},
            "lease": {"S": lease},
            "task": {"S": self._task},
            "pipeline_version": {"N": str(self._settings.pipeline_version)},
            "at": {"S": now.isoformat(timespec="microseconds")},
            "until": {"S": (now + timedelta(seconds=self._settings.file_seconds)).isoformat(timespec="microseconds")},
        }
        answer = self._dynamodb.update_item(
            TableName=self._settings.table,
            Key=key,
            UpdateExpression="SET claim = :claim, fence = if_not_exists(fence, :none) + :one, place = :in_flight, "
            "version = :next",
            ConditionExpression="attribute_not_exists(claim) AND place = :place AND version = :version",
            ExpressionAttributeValues={
                ":claim": {"M": claim},
                ":none": {"N": "0"},
                ":one": {"N": "1"},
                ":in_flight": {"S": f"{self._settings.pipeline}|{IN_FLIGHT}|{_stamp(now)}"},
                ":place": item["place"],
                ":version": item["version"],
                ":next": {"N": str(int(item["version"]["N"]) + 1)},
            },
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["fence"]["N"])

    def _key(self, file: str) -> dict[str, Any]:
        shard = int(file[0], 16) * SHARDS // 16
        return {"pk": {"S": f"file {self._settings.pipeline} {shard}"}, "sk": {"S": file}}


def _lease_of(item: dict[str, Any]) -> str:
    return str(item.get("claim", {}).get("M", {}).get("lease", {}).get("S", ""))


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _stamp(moment: datetime) -> str:
    """A time as it stands in the ledger's index."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
