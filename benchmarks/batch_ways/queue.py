"""A queue of files, and what a task of the usual ways does with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.cloud import Cloud
    from simulator.workload.scans import Scans

POLL = 5.0
"""Seconds between two looks at an empty queue: a long poll that somebody's message ends is a little quicker."""
IDLE = 60.0
"""Seconds after which a task that was launched for messages ends."""


@dataclass(frozen=True)
class FilesQueue:
    """A queue that gets S3's events. visibility: seconds."""

    cloud: Cloud
    name: str

    @property
    def url(self) -> str:
        """Its URL."""
        return str(self.cloud.client("sqs").get_queue_url(QueueName=self.name)["QueueUrl"])

    @property
    def visible(self) -> int:
        """ApproximateNumberOfMessagesVisible."""
        return int(self.cloud.backend("sqs").get_queue(self.name).approximate_number_of_messages)

    def worker(self, scans: Scans, *, idle: float | None = None) -> Any:
        """A program that takes one message after another; it ends when there was none for `idle` seconds."""
        url = self.url

        def program(task: Any) -> int:
            sqs = task.client("sqs")
            waited = 0.0
            while idle is None or waited < idle:
                messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", [])
                for message in messages:
                    key = json.loads(message["Body"])["detail"]["object"]["key"]
                    scans.work(task, key, f"{key}/text.txt")
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                if messages:
                    waited = 0.0
                else:
                    task.sleep(POLL)
                    waited += POLL
            return 0

        return program
