"""A task that takes files of its pipeline, one after the other, until none is left."""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster_worker.claims import Claims
from berthmaster_worker.environment import Settings
from berthmaster_worker.heartbeat import Heartbeat
from berthmaster_worker.host import Host
from berthmaster_worker.model import Claim
from berthmaster_worker.processing import KILL_SECONDS, Attempt, Processing
from berthmaster_worker.results import Results
from berthmaster_worker.watch import Stop, Watch

IDLE_SECONDS = 5.0
"""Between two looks for files, a half more or less."""
GIVE_UP_SECONDS = 60.0
"""A worker that may not, or cannot, claim anything for so long ends."""
PAID_SECONDS = 60.0
"""What Fargate bills at least, from the pull of the image on."""
STOP_TAKES = 5.0
"""Seconds that are billed after the process has ended."""
REPORT_SECONDS = 600.0
"""How long results are sent again before the worker ends without them."""
UPLOAD_SECONDS = 60.0
"""What the upload of a file may take beyond its time."""

NOTHING_LEFT, FORBIDDEN, FAILING = "nothing left", "forbidden", "failing"

log = logging.getLogger("berthmaster_worker")


@dataclass(frozen=True)
class Clients:
    """AWS, as the worker needs it."""

    dynamodb: Any
    sqs: Any
    s3: Any


@dataclass(frozen=True)
class Task:
    """The task that the worker runs in. paid_since: when its image began to be pulled, or None if nobody knows."""

    arn: str = ""
    paid_since: datetime | None = None


class Worker:
    """The loop."""

    def __init__(
        self, host: Host, clients: Clients, settings: Settings, *, task: Task, processing: Processing, stop: Stop
    ) -> None:
        self._host = host
        self._settings = settings
        self._processing = processing
        self._stop = stop
        self._claims = Claims(clients.dynamodb, settings, task.arn)
        self._heartbeat = Heartbeat(host, clients.dynamodb, self._claims, settings, task.arn)
        self._results = Results(host, clients.sqs, settings)
        self._random = random.Random(uuid4().int)  # noqa: S311 - so that workers do not look at the same time
        now = datetime.now(timezone.utc)
        paid = (now - (task.paid_since or now)).total_seconds()
        self._paid_until = host.monotonic() + PAID_SECONDS - STOP_TAKES - paid
        self._deadline = host.monotonic() + (settings.deadline - now).total_seconds()

    def run(self) -> int:
        """Work until nothing is left, the task is stopped, or time is short; returns the exit code."""
        code = self._work()
        end = min(self._stop.end_at(), self._deadline, self._host.monotonic() + REPORT_SECONDS)
        return code if self._results.flush_until(end) else 1

    def _work(self) -> int:
        self._heartbeat.beat()
        self._heartbeat.start()
        idle, since = "", 0.0
        while not self._stop.is_requested and self._has_time():
            began = self._host.monotonic()
            claim, why = self._next()
            if claim:
                idle = ""
                self._process(claim, began)
                continue
            self._results.flush()
            if why != idle:
                idle, since = why, self._host.monotonic()
            if self._is_over(why, self._host.monotonic() - since):
                log.info("the worker ends: %s", why)
                return 1 if why == FAILING else 0
            self._host.wait(IDLE_SECONDS * self._random.uniform(0.5, 1.5))
        return 0

    def _has_time(self) -> bool:
        """Whether a file that is claimed now ends before the task is stopped."""
        takes = self._settings.file_seconds + KILL_SECONDS + UPLOAD_SECONDS
        return self._host.monotonic() + takes <= self._deadline

    def _is_over(self, why: str, seconds: float) -> bool:
        if why == NOTHING_LEFT:
            return self._host.monotonic() >= self._paid_until
        return seconds >= GIVE_UP_SECONDS

    def _next(self) -> tuple[Claim | None, str]:
        """A file, or why there is none."""
        if not self._heartbeat.is_trusted() or self._results.are_late():
            return None, FAILING
        try:
            if reason := self._claims.forbidden():
                log.info("nothing may be claimed: %s", reason)
                return None, FORBIDDEN
            return self._claims.claim(), NOTHING_LEFT
        except (BotoCoreError, ClientError) as error:
            log.warning("nothing was claimed: %s", error)
            return None, FAILING

    def _process(self, claim: Claim, began: float) -> None:
        """Work on a file; its share of the worker's time is counted from when the worker began to look for it."""
        self._heartbeat.works_on(claim)
        watch = Watch(
            self._host,
            self._stop,
            until=self._host.monotonic() + self._settings.file_seconds,
            has_lost=lambda: self._heartbeat.has_lost(claim),
            look=self._look,
            look_in=lambda: min(self._results.due_in(), self._heartbeat.seconds_trusted()),
        )
        attempt = Attempt(
            claim.input,
            bucket=self._settings.output_bucket,
            root=f"{self._settings.output_root}{claim.file}/",
            number=claim.fence,
            deadline=datetime.now(timezone.utc).timestamp() + self._settings.file_seconds,
        )
        log.info("file %s, attempt %d: s3://%s/%r", claim.file, claim.fence, claim.input.bucket, claim.input.key)
        ended = self._processing.process(attempt, watch)
        self._heartbeat.works_on(None)
        seconds = self._host.monotonic() - began
        if ended is None:
            log.warning("file %s is no longer this worker's", claim.file)
            return
        log.info("file %s: %s, exit code %d, %.1f s", claim.file, ended.outcome, ended.exit_code, seconds)
        self._results.add(claim, ended, seconds)

    def _look(self) -> None:
        if self._results.due_in() <= 0:
            self._results.flush()
