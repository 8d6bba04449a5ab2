"""The queue that a function reads from, as its sender: work to be continued later."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.envelope import SOURCE

if TYPE_CHECKING:
    from datetime import datetime

LONGEST_DELAY = timedelta(seconds=900)
"""SQS delays a message by no more."""


class OwnQueue:
    """Sends messages that look like events of Berthmaster's bus, to be received after a delay."""

    def __init__(self, clients: Clients, clock: Clock, url: str) -> None:
        self._clients = clients
        self._clock = clock
        self._url = url

    def send(self, detail_type: str, detail: Mapping[str, Any], delay: timedelta) -> "datetime":
        """Send a command to this function; returns when it arrives: rounded up to seconds, and at most 15 minutes."""
        now = self._clock.now()
        event = {"source": SOURCE, "detail-type": detail_type, "time": now.isoformat(), "detail": detail}
        return now + self._send(msgspec.json.encode(event).decode(), delay)

    def defer(self, body: str, delay: timedelta) -> "datetime":
        """Send a message again as it is; returns when it arrives."""
        return self._clock.now() + self._send(body, delay)

    def _send(self, body: str, delay: timedelta) -> timedelta:
        seconds = -(-min(max(delay, timedelta()), LONGEST_DELAY) // timedelta(seconds=1))
        self._clients.sqs.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=seconds)
        return timedelta(seconds=seconds)


def batch_response(failed: Iterable[str]) -> dict[str, Any]:
    """What a function answers to SQS: the ids of the messages that failed and are to be received again."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
