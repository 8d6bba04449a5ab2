"""The heartbeat: an item that each worker rewrites, with another random text each time.

Berthmaster takes a worker for dead when the text has not changed for the lease, by Berthmaster's own clock. The worker
stops trusting its claims earlier than that, by its own: so no two clocks are compared.
"""

import logging
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster_worker.claims import Claims
from berthmaster_worker.environment import Settings
from berthmaster_worker.host import Host
from berthmaster_worker.model import Claim

SECONDS = 20.0
RETRY_SECONDS = 3.0
KEPT_SECONDS = 86400
TRUSTED = 2 / 3
"""How much of the lease may pass after the last heartbeat."""

log = logging.getLogger("berthmaster_worker")


class Heartbeat:
    """Beats in a thread of its own, and looks whether the file that the worker has at hand is its own still."""

    def __init__(self, host: Host, dynamodb: Any, claims: Claims, settings: Settings, task: str) -> None:
        self._host = host
        self._dynamodb = dynamodb
        self._claims = claims
        self._settings = settings
        self._task = task
        self._trusted_for = settings.lease_seconds * TRUSTED
        self._last = -1.0
        self._working_on: Claim | None = None
        self._lost = ""
        self._done = 0

    def start(self) -> None:
        """Beat from now on, until the process ends."""
        self._host.in_background(self._run)

    def works_on(self, claim: Claim | None) -> None:
        """Say what the worker has at hand; None once it has done with that."""
        if claim is None and self._working_on is not None:
            self._done += 1
        self._working_on = claim

    def is_trusted(self) -> bool:
        """Whether the last heartbeat is recent enough for Berthmaster to know that the worker lives."""
        return self._last >= 0 and self._host.monotonic() < self._last + self._trusted_for

    def seconds_trusted(self) -> float:
        """How long that stays so without another heartbeat."""
        return max(0.0, self._last + self._trusted_for - self._host.monotonic())

    def has_lost(self, claim: Claim) -> bool:
        """Whether a file is known to be another's, or may be."""
        return self._lost == claim.lease or not self.is_trusted()

    def beat(self) -> bool:
        """Beat once; returns whether AWS has taken it."""
        began = self._host.monotonic()
        working_on = self._working_on
        try:
            self._write(working_on)
            # What counts is when the call began: AWS may have taken it at once.
            self._last = began
            if working_on and not self._claims.holds(working_on):
                self._lost = working_on.lease
                self._host.wake()
        except (BotoCoreError, ClientError) as error:
            log.warning("no heartbeat: %s", error)
            return False
        return True

    def _run(self) -> None:
        pause = SECONDS
        while True:
            self._host.sleep(pause)
            pause = SECONDS
            if not self.beat():
                pause = RETRY_SECONDS
                self._host.wake()

    def _write(self, working_on: Claim | None) -> None:
        now = datetime.now(timezone.utc)
        values = {
            "beat": {"S": str(uuid4())},
            "task": {"S": self._task},
            "at": {"S": now.isoformat(timespec="seconds")},
            "file": {"S": working_on.file if working_on else ""},
            "done": {"N": str(self._done)},
            "expires": {"N": str(int(now.timestamp()) + KEPT_SECONDS)},
        }
        self._dynamodb.update_item(
            TableName=self._settings.table,
            Key={"pk": {"S": f"worker {self._settings.pipeline}"}, "sk": {"S": self._settings.worker}},
            # By other names, since some of them are words of DynamoDB's own.
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )
