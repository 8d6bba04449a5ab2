"""What workers share, without Berthmaster's functions: files that wait, where they are, and a queue of results."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import file_id
from berthmaster.batch.plan.transitions import ended, waiting
from tests.support.tables import BATCH_TABLE, create_batch_table

PIPELINE = "ocr"
INCOMING, RESULTS = "incoming", "results"
ROOT = "ocr/.berthmaster/attempts/"
FILE_SECONDS = 300.0
REGION = "eu-central-1"
LONG = timedelta(days=90)


@dataclass
class WorkerLedger:
    """client: makes AWS clients. queue: the URL of the queue of results. now: the time where the workers are.

    incoming, output: the buckets.
    """

    client: Callable[[str], Any]
    table: str
    queue: str
    now: Callable[[], datetime]
    incoming: str = INCOMING
    output: str = RESULTS

    @classmethod
    def create(cls, client: Callable[[str], Any], now: Callable[[], datetime], suffix: str = "") -> "WorkerLedger":
        """Make the table, the buckets and the queue, and allow workers to claim. suffix: of their names."""
        incoming, output = f"{INCOMING}{suffix}", f"{RESULTS}{suffix}"
        for bucket in (incoming, output):
            client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        client("s3").put_bucket_versioning(Bucket=incoming, VersioningConfiguration={"Status": "Enabled"})
        queue = client("sqs").create_queue(QueueName=f"results{suffix}")["QueueUrl"]
        table = create_batch_table(client("dynamodb"), f"{BATCH_TABLE}{suffix}")
        ledger = cls(client, table, queue, now, incoming, output)
        ledger.allow()
        return ledger

    @property
    def files(self) -> Files:
        """Of the ledger, as functions see them."""
        return Files(self.client("dynamodb"), self.table, kept_for=LONG)

    def put(self, key: str, data: bytes, **more: Any) -> str:
        """An object, and the file of it, which waits; returns the file's id."""
        answer = self.client("s3").put_object(Bucket=self.incoming, Key=key, Body=data)
        version = {"etag": answer["ETag"].strip('"'), "version_id": answer["VersionId"]}
        return self.add(key, **(version | more))

    def add(self, key: str, *, etag: str, version_id: str = "", **more: Any) -> str:
        """A file that waits; returns its id."""
        now = self.now()
        file = File(
            id=file_id(self.incoming, key, version_id=version_id, etag=etag, sequencer=""),
            pipeline=PIPELINE,
            bucket=self.incoming,
            key=key,
            version_id=version_id,
            etag=etag,
            received_at=now,
            state=State.WAITING,
            since=now,
            due=now,
            **more,
        )
        return self.files.save(file).id

    def file(self, identifier: str) -> File:
        """As functions see it."""
        found = self.files.get(PIPELINE, identifier)
        assert found is not None
        return found

    def hand_back(self, identifier: str) -> None:
        """Let a file wait again that a worker had."""
        now = self.now()
        self.files.save(waiting(self.file(identifier), now, due=now, reason="handed back"))

    def take_away(self, identifier: str) -> None:
        """Take a file from its worker, as a cancellation does."""
        self.files.save(ended(self.file(identifier), State.CANCELLED, self.now(), "cancelled"))

    def allow(self, *, claims: bool = True) -> None:
        """Write the control item."""
        self.client("dynamodb").put_item(TableName=self.table, Item={**CONTROL, "claims": {"BOOL": claims}})

    def environment(self, worker: str, *, minutes: float = 60) -> dict[str, str]:
        """Of a task that takes many files."""
        deadline = self.now() + timedelta(minutes=minutes)
        return {
            "BERTHMASTER_PIPELINE": PIPELINE,
            "BERTHMASTER_PIPELINE_VERSION": "3",
            "BERTHMASTER_WORKER": worker,
            "BERTHMASTER_TABLE": self.table,
            "BERTHMASTER_RESULT_QUEUE": self.queue,
            "BERTHMASTER_OUTPUT_BUCKET": self.output,
            "BERTHMASTER_OUTPUT_ROOT": ROOT,
            "BERTHMASTER_DEADLINE": deadline.isoformat(timespec="seconds"),
            "BERTHMASTER_FILE_SECONDS": str(FILE_SECONDS),
            "BERTHMASTER_LEASE_SECONDS": "90",
        }

    def results(self) -> list[dict[str, Any]]:
        """The details of all messages that are there, which are deleted."""
        found: list[dict[str, Any]] = []
        sqs = self.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                body = json.loads(message["Body"])
                assert (body["source"], body["detail-type"]) == ("berthmaster.worker", "File Processed")
                found.append(body["detail"])
            sqs.delete_message_batch(
                QueueUrl=self.queue,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                    for index, message in enumerate(messages)
                ],
            )
        return found

    def objects(self) -> dict[str, bytes]:
        """What was written, by the path below the root of attempts."""
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.output, Prefix=ROOT)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {key.removeprefix(ROOT): s3.get_object(Bucket=self.output, Key=key)["Body"].read() for key in keys}


CONTROL: dict[str, Any] = {"pk": {"S": f"worker {PIPELINE}"}, "sk": {"S": "control"}}
"""The keys of the control item."""
