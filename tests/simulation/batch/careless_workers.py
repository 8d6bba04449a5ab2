"""Workers that keep to the protocol of claims, and are careless about everything else.

The package `worker/` stops its command when it is not sure of its claim any more. Nothing may rest on that, since a
process can stand still at any moment and go on later. These workers beat late or no more, stand still between upload
and report, report twice and long after others have their file, and do not hear SIGTERM.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from simulator.aws.ecs.programs import Terminated
from tests.simulation.batch.programs import MEMORY, Body, process

SHARDS = 8
BEAT, LEAST = 20.0, 60.0
"""Seconds between two beats, and those that are paid in any case."""
PATIENCE = 60.0
"""Seconds after which a worker ends that may not claim."""
LONGEST_BEAT, LONGEST_STALL, LONGEST_LOOK = 160.0, 240.0, 8.0
FEW = 3
"""Of the first files of a shard, one is claimed."""


@dataclass(frozen=True)
class Claim:
    """A file as it was claimed. place, version: of its item before that."""

    file: str
    body: dict[str, Any]
    place: str
    version: int
    lease: str
    fence: int = 0


class _TimedOut(Exception):
    """A file took longer than its pipeline allows."""


class CarelessWorker:
    """One worker. Whether it beats in time, stands still, repeats itself or is deaf to SIGTERM follows from its id."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self._dynamodb, self._sqs = container.client("dynamodb"), container.client("sqs")
        environment = container.environment
        self._environment = environment
        self._pipeline, self._id = environment["BERTHMASTER_PIPELINE"], environment["BERTHMASTER_WORKER"]
        self._table, self._prefix = environment["BERTHMASTER_TABLE"], environment["BERTHMASTER_OUTPUT_ROOT"]
        self._deadline = datetime.fromisoformat(environment["BERTHMASTER_DEADLINE"]).timestamp()
        self._file_seconds = float(environment["BERTHMASTER_FILE_SECONDS"])
        self._random = Random(f"{self._id} {container.task.id}")  # noqa: S311 - reproducible on purpose
        self._beats = self._random.choice(("in time", "in time", "late", "no more"))
        self._is_deaf = self._random.random() < 1 / 4
        self._begun = container.now()
        self._beaten = 0.0
        self._claim: Claim | None = None
        self._sent: list[dict[str, Any]] = []
        self._done = 0

    def run(self) -> int:
        """Take files until none is left, it may not, or its deadline is near."""
        held_since = self._container.now()
        try:
            while self._container.now() + self._file_seconds < self._deadline:
                self._beat()
                if not self._may_claim():
                    if self._container.now() - held_since > PATIENCE:
                        return 0
                    self._sleep(5)
                    continue
                held_since = self._container.now()
                if self._claims_any() and self._claim:
                    self._work(self._claim)
                elif self._container.now() - self._begun > LEAST:
                    return 0
                else:
                    self._sleep(5)
        except Terminated:
            if self._claim:
                self._report(self._claim, "handed back", 143)
        return 0

    def _sleep(self, seconds: float) -> None:
        """Let time pass, and beat, as far as this one does."""
        end = self._container.now() + seconds
        while (left := end - self._container.now()) > 0:
            try:
                self._container.sleep(min(left, BEAT))
            except Terminated:
                if not self._is_deaf:
                    raise
            self._beat()

    def _beat(self) -> None:
        now = self._container.now()
        longest = {"in time": BEAT, "late": self._random.uniform(BEAT, LONGEST_BEAT), "no more": LONGEST_BEAT * 100}
        if now - self._beaten < longest[self._beats]:
            return
        self._beaten = now
        values = {
            "beat": {"S": self._guid()},
            "task": {"S": self._container.task.arn},
            "at": {"S": _iso(now)},
            "done": {"N": str(self._done)},
            "file": {"S": self._claim.file if self._claim else ""},
            "expires": {"N": str(int(now) + 86400)},
        }
        # The next one comes.
        with suppress(ClientError):
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"worker {self._pipeline}"}, "sk": {"S": self._id}},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            )

    def _may_claim(self) -> bool:
        answer = self._dynamodb.get_item(
            TableName=self._table,
            Key={"pk": {"S": f"worker {self._pipeline}"}, "sk": {"S": "control"}},
            ConsistentRead=True,
        )
        return bool(answer.get("Item", {}).get("claims", {}).get("BOOL"))

    def _claims_any(self) -> bool:
        """Whether a file waits that nobody else claims first."""
        for place in ("waiting", "behind"):
            for shard in self._random.sample(range(SHARDS), SHARDS):
                found = [one for one in self._waiting(shard, place) if not one.body.get("is_alone")]
                if not found:
                    continue
                if self._random.random() < 1 / 3:
                    # Others may claim what was found.
                    self._sleep(self._random.uniform(0, LONGEST_LOOK))
                if self._claims(self._random.choice(found[:FEW])):
                    return True
        return False

    def _waiting(self, shard: int, place: str) -> Iterator[Claim]:
        start = f"{self._pipeline}|{place}|"
        answer = self._dynamodb.query(
            TableName=self._table,
            IndexName="by_place",
            KeyConditionExpression="pk = :pk AND place BETWEEN :from AND :to",
            ExpressionAttributeValues={
                ":pk": {"S": f"file {self._pipeline} {shard}"},
                ":from": {"S": start},
                ":to": {"S": f"{start}{_stamp(self._container.now())}"},
            },
            ExpressionAttributeNames={"#body": "body", "#version": "version"},
            ProjectionExpression="sk, place, #version, #body",
            ConsistentRead=True,
            Limit=10,
        )
        for item in answer["Items"]:
            yield Claim(
                file=item["sk"]["S"],
                body=json.loads(item["body"]["S"]),
                place=item["place"]["S"],
                version=int(item["version"]["N"]),
                lease=self._guid(),
            )

    def _claims(self, claim: Claim) -> bool:
        now = self._container.now()
        owner = {
            "owner": {"S": self._id},
            "lease": {"S": claim.lease},
            "task": {"S": self._container.task.arn},
            "pipeline_version": {"N": self._environment["BERTHMASTER_PIPELINE_VERSION"]},
            "at": {"S": _iso(now)},
            "until": {"S": _iso(now + self._file_seconds)},
        }
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"file {self._pipeline} {_shard(claim.file)}"}, "sk": {"S": claim.file}},
                ConditionExpression="attribute_not_exists(#claim) AND place = :read AND #version = :version",
                UpdateExpression="SET #claim = :claim, place = :place, #version = :next, "
                "fence = if_not_exists(fence, :none) + :one",
                ExpressionAttributeNames={"#claim": "claim", "#version": "version"},
                ExpressionAttributeValues={
                    ":read": {"S": claim.place},
                    ":version": {"N": str(claim.version)},
                    ":claim": {"M": owner},
                    ":place": {"S": f"{self._pipeline}|in flight|{_stamp(now)}"},
                    ":one": {"N": "1"},
                    ":none": {"N": "0"},
                    ":next": {"N": str(claim.version + 1)},
                },
                ReturnValues="UPDATED_NEW",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        fence = int(answer["Attributes"]["fence"]["N"])
        self._claim = replace(claim, fence=fence)
        return True

    def _work(self, claim: Claim) -> None:
        body, began = claim.body, self._container.now()
        pinned = {"VersionId": body["version_id"]} if body.get("version_id") else {"IfMatch": body["etag"]}
        try:
            found = self._container.s3.get_object(Bucket=body["bucket"], Key=body["key"], **pinned)
        except ClientError:
            self._report(claim, "lost input", 4)
            return
        content = Body.of(found["Body"].read())
        if content.kind == "large":
            self._container.use_memory(MEMORY)

        def sleep(seconds: float) -> None:
            self._sleep(min(seconds, self._file_seconds))
            if self._container.now() - began >= self._file_seconds:
                raise _TimedOut

        outcome, code = "exited", 1
        try:
            for done in content.work(claim.fence, self._container.task.id, sleep):
                if isinstance(done, int):
                    code = done
                else:
                    self._container.s3.put_object(
                        Bucket=self._environment["BERTHMASTER_OUTPUT_BUCKET"],
                        Key=f"{self._prefix}{claim.file}/{claim.fence}/{done[0]}",
                        Body=done[1],
                    )
        except _TimedOut:
            outcome = "timed out"
        if self._random.random() < 1 / 5:
            self._sleep(self._random.uniform(0, LONGEST_STALL))
        self._report(claim, outcome, code, seconds=self._container.now() - began)

    def _report(self, claim: Claim, outcome: str, code: int, *, seconds: float = 0.0) -> None:
        """Report once, twice, or with what was reported before."""
        detail = {
            "pipeline": self._pipeline,
            "file": claim.file,
            "lease": claim.lease,
            "worker": self._id,
            "exitCode": code,
            "outcome": outcome,
            "reason": "",
            "seconds": seconds,
            "bytes": int(claim.body.get("size", 0)),
            "checkpoint": False,
        }
        repeated = self._random.choice(([], [], [detail], self._sent[-3:]))
        self._sent.append(detail)
        self._claim = None
        self._done += 1
        messages = [
            {"source": "berthmaster.worker", "detail-type": "File Processed", "time": _iso(self._container.now())}
            | {"detail": one}
            for one in (detail, *repeated)
        ]
        self._sqs.send_message_batch(
            QueueUrl=self._environment["BERTHMASTER_RESULT_QUEUE"],
            Entries=[{"Id": str(number), "MessageBody": json.dumps(one)} for number, one in enumerate(messages)],
        )

    def _guid(self) -> str:
        return f"{self._random.getrandbits(128):032x}"


def careless(container: Any) -> int:
    """The program of its task definition: a worker, or a file by itself."""
    if "BERTHMASTER_INPUT_KEY" in container.environment:
        return process(container)
    return CarelessWorker(container).run()


def _shard(file: str) -> int:
    return int(file[0], 16) * SHARDS // 16


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
