"""Workers without Berthmaster's functions: items of files as those write them, and a queue."""

import json
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator.cloud import Cloud
from simulator.workload.workers import Work, worker
from tests.support.fargate import Scene
from tests.support.tables import create_batch_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.faults import FaultPlan

PIPELINE = "ocr"
INCOMING, RESULTS = "incoming", "results"
ROOT = "ocr/.berthmaster/attempts/"
STAMP = "%Y-%m-%dT%H:%M:%S.%f"
FILE_SECONDS = 300.0


@dataclass
class WorkerScene:
    """Buckets, a table, a queue, a cluster."""

    cloud: Cloud
    fargate: Scene
    table: str
    queue: str

    @property
    def dynamodb(self) -> Any:
        return self.cloud.client("dynamodb")

    @property
    def s3(self) -> Any:
        return self.cloud.client("s3")

    def put(self, key: str, data: bytes, **attributes: Any) -> str:
        """An object, and the file of it, which waits."""
        answer = self.s3.put_object(Bucket=INCOMING, Key=key, Body=data)
        version = {"etag": answer["ETag"].strip('"'), "version_id": answer["VersionId"]}
        return self.add(key, **(version | attributes))

    def add(self, key: str, *, place: str = "waiting", **attributes: Any) -> str:
        """A file that waits, in the place of live files or `behind`."""
        number = len(self.items())
        identifier = f"{number % 16:x}{number:029x}"
        due = self.cloud.clock.now().strftime(STAMP)
        body = {"id": identifier, "pipeline": PIPELINE, "bucket": INCOMING, "key": key, **attributes}
        self.dynamodb.put_item(
            TableName=self.table,
            Item={
                **self.key(identifier),
                "schema": {"N": "1"},
                "version": {"N": "1"},
                "place": {"S": f"{PIPELINE}|{place}|{due}"},
                "received": {"S": f"{PIPELINE}|{due}"},
                "body": {"S": json.dumps(body)},
            },
        )
        return identifier

    def key(self, identifier: str) -> dict[str, Any]:
        return {"pk": {"S": f"file {PIPELINE} {int(identifier[0], 16) // 2}"}, "sk": {"S": identifier}}

    def item(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = self.dynamodb.get_item(TableName=self.table, Key=self.key(identifier))["Item"]
        return found

    def items(self) -> list[dict[str, Any]]:
        """Those of files."""
        items = self.dynamodb.scan(TableName=self.table)["Items"]
        return [item for item in items if item["pk"]["S"].startswith("file ")]

    def allow(self, *, claims: bool = True) -> None:
        """Write the control item."""
        item = {"pk": {"S": f"worker {PIPELINE}"}, "sk": {"S": "control"}, "claims": {"BOOL": claims}}
        self.dynamodb.put_item(TableName=self.table, Item=item)

    def take_away(self, identifier: str, **changes: Any) -> None:
        """As a function does: write the item without the claim."""
        item = self.item(identifier)
        version = {"N": str(int(item["version"]["N"]) + 1)}
        item.pop("claim")
        self.dynamodb.put_item(TableName=self.table, Item={**item, "version": version, **changes})

    def hand_back(self, identifier: str) -> None:
        """As a function does with a file that a worker has handed back: it waits again, and its fence stays."""
        self.take_away(identifier, place={"S": f"{PIPELINE}|waiting|{self.cloud.clock.now().strftime(STAMP)}"})

    def start(
        self, work: Work, *, name: str = "w1", with_checkpoints: bool = False, minutes: float = 60, **environment: str
    ) -> str:
        """Run a worker; returns the ARN of its task."""
        return self.fargate.run(
            worker(work, with_checkpoints=with_checkpoints),
            overrides={
                "containerOverrides": [
                    {"name": "ocr", "environment": _pairs(self.environment(name, minutes) | environment)}
                ]
            },
        )

    def environment(self, name: str, minutes: float = 60) -> dict[str, str]:
        deadline: datetime = self.cloud.clock.now() + timedelta(minutes=minutes)
        return {
            "BERTHMASTER_PIPELINE": PIPELINE,
            "BERTHMASTER_PIPELINE_VERSION": "3",
            "BERTHMASTER_WORKER": name,
            "BERTHMASTER_TABLE": self.table,
            "BERTHMASTER_RESULT_QUEUE": self.queue,
            "BERTHMASTER_OUTPUT_BUCKET": RESULTS,
            "BERTHMASTER_OUTPUT_ROOT": ROOT,
            "BERTHMASTER_DEADLINE": deadline.isoformat(timespec="seconds"),
            "BERTHMASTER_FILE_SECONDS": str(FILE_SECONDS),
            "BERTHMASTER_LEASE_SECONDS": "90",
        }

    def run(self, seconds: float) -> None:
        self.fargate.wait(seconds)

    def results(self) -> list[dict[str, Any]]:
        """The details of all messages, which are taken from the queue."""
        found: list[dict[str, Any]] = []
        while (
            messages := self.cloud.client("sqs")
            .receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            .get("Messages", [])
        ):
            for message in messages:
                body = json.loads(message["Body"])
                assert (body["source"], body["detail-type"]) == ("berthmaster.worker", "File Processed")
                found.append(body["detail"])
                self.cloud.client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def objects(self) -> dict[str, bytes]:
        """What was written, by the path below the root of attempts."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=RESULTS, Prefix=ROOT)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {key.removeprefix(ROOT): self.s3.get_object(Bucket=RESULTS, Key=key)["Body"].read() for key in keys}


@contextmanager
def a_worker_scene(
    *, seed: int = 0, faults: "FaultPlan | None" = None, stop_timeout: int = 120
) -> "Iterator[WorkerScene]":
    """Where workers may claim."""
    with Cloud(seed=seed, **({"faults": faults} if faults else {})) as cloud:
        fargate = Scene(cloud, stop_timeout=stop_timeout)
        location = {"LocationConstraint": cloud.region}
        cloud.client("s3").create_bucket(Bucket=INCOMING, CreateBucketConfiguration=location)
        cloud.client("s3").put_bucket_versioning(Bucket=INCOMING, VersioningConfiguration={"Status": "Enabled"})
        queue = cloud.client("sqs").create_queue(QueueName="results")["QueueUrl"]
        scene = WorkerScene(cloud, fargate, create_batch_table(cloud.client("dynamodb")), queue)
        scene.allow()
        yield scene


def _pairs(environment: dict[str, str]) -> Iterable[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in environment.items()]
