"""Results: a message to Berthmaster for each file that was worked on, ten in a call."""

import json
import logging
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster_worker.environment import Settings
from berthmaster_worker.host import Host
from berthmaster_worker.model import LONGEST_REASON, Claim, Ended

BATCH = 10
FLUSH_SECONDS = 2.0
RETRY_SECONDS = 3.0
LATE_SECONDS = 30.0
"""A worker whose results cannot be sent for so long claims nothing more."""

log = logging.getLogger("berthmaster_worker")


class Results:
    """Results on their way. Nobody waits for an answer: Berthmaster follows a message only if its lease still holds."""

    def __init__(self, host: Host, sqs: Any, settings: Settings) -> None:
        self._host = host
        self._sqs = sqs
        self._settings = settings
        self._pending: list[str] = []
        self._oldest = 0.0
        self._not_before = 0.0

    def add(self, claim: Claim, ended: Ended, seconds: float) -> None:
        """Report how the work on a file has ended; sent at once if there are enough for a call."""
        if not self._pending:
            self._oldest = self._host.monotonic()
        self._pending.append(
            json.dumps(
                {
                    "source": "berthmaster.worker",
                    "detail-type": "File Processed",
                    "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                    "detail": {
                        "pipeline": self._settings.pipeline,
                        "file": claim.file,
                        "lease": claim.lease,
                        "worker": self._settings.worker,
                        "exitCode": ended.exit_code,
                        "outcome": ended.outcome,
                        "reason": ended.reason[:LONGEST_REASON],
                        "seconds": round(seconds, 3),
                        "bytes": ended.size,
                        "checkpoint": ended.has_checkpoint,
                    },
                }
            )
        )
        if len(self._pending) >= BATCH:
            self.flush()

    def due_in(self) -> float:
        """Seconds until `flush` is to be called; infinite if nothing is to be sent."""
        if not self._pending:
            return float("inf")
        return max(0.0, max(self._oldest + FLUSH_SECONDS, self._not_before) - self._host.monotonic())

    def are_late(self) -> bool:
        """Whether something could not be sent for long."""
        return bool(self._pending) and self._host.monotonic() >= self._oldest + LATE_SECONDS

    def flush(self) -> bool:
        """Send what is pending; returns whether all of it was."""
        while self._pending:
            sent = self._send(self._pending[:BATCH])
            self._pending = [one for index, one in enumerate(self._pending) if index not in sent]
            if not sent:
                self._not_before = self._host.monotonic() + RETRY_SECONDS
                return False
        return True

    def flush_until(self, deadline: float) -> bool:
        """Send what is pending before the worker ends, for as long as there is time, by the monotonic clock."""
        while not self.flush():
            left = deadline - self._host.monotonic()
            if left <= 0:
                log.error("%d results were not sent: these files will be processed again", len(self._pending))
                return False
            self._host.wait(min(left, RETRY_SECONDS))
        return True

    def _send(self, bodies: list[str]) -> set[int]:
        """One call; returns which of them were taken."""
        try:
            answer = self._sqs.send_message_batch(
                QueueUrl=self._settings.result_queue,
                Entries=[{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)],
            )
        except (BotoCoreError, ClientError) as error:
            log.warning("results not sent: %s", error)
            return set()
        for one in answer.get("Failed", []):
            log.warning("result not sent: %s %s", one.get("Code"), one.get("Message", ""))
        return {int(one["Id"]) for one in answer.get("Successful", [])}
