"""Lambda's event source mapping of an SQS queue: batches, partial failures, visibility timeouts, redrive."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from simulator.aws.sqs.messages import delete, receive

if TYPE_CHECKING:
    from simulator.clock import Timer
    from simulator.cloud import Cloud
    from simulator.stack.runtime import Invocation, Runtime

# moto shows a message again one millisecond after its timeout.
MILLISECOND = 0.001
UNSCALED = 5
"""Batches that Lambda begins with where no MaximumConcurrency is set; it would add more by and by."""


class QueuePoller:
    """Takes messages of a queue to a function, at most MaximumConcurrency batches at a time.

    Messages of a failed invocation, and those that a partial
    response names, come back when their visibility timeout ends; after maxReceiveCount they go to the
    dead-letter queue.
    """

    def __init__(self, cloud: Cloud, runtime: Runtime, queue_name: str, function: str, mapping: dict[str, Any]) -> None:
        self._cloud = cloud
        self._runtime = runtime
        self._function = function
        self._queue = cloud.backend("sqs").get_queue(queue_name)
        self._size = int(mapping.get("BatchSize", 10))
        self._window = float(mapping.get("MaximumBatchingWindowInSeconds", 0))
        self._most = int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", UNSCALED))
        self._under_way = 0
        self._partial = "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])
        self._timer: Timer | None = None
        self.enabled = bool(mapping.get("Enabled", True))
        self._listen()

    @property
    def is_idle(self) -> bool:
        """Whether the queue holds nothing, in flight or waiting."""
        return not self._queue._messages

    def wake(self) -> None:
        """Look at the queue as soon as something in it may be received."""
        if not self.enabled or not self._queue._messages or self._under_way >= self._most:
            return
        now = self._cloud.clock.timestamp()
        ready_at = [max(message.visible_at, message.delayed_until) / 1000 for message in self._queue._messages]
        due = max(now, min(ready_at) + MILLISECOND)
        waiting = sum(ready <= now for ready in ready_at)
        if self._window and waiting < self._size:
            due += self._window
        if self._timer and not self._timer.cancelled:
            if self._timer.when <= due:
                return
            self._timer.cancel()
        self._timer = self._cloud.clock.at(due, self._poll)

    def _listen(self) -> None:
        # moto has no notification of new messages; every message comes through this method.
        add_message = self._queue.add_message

        def add_and_wake(_: Any, message: Any) -> None:
            add_message(message)
            self.wake()

        self._queue.add_message = types.MethodType(add_and_wake, self._queue)

    def _poll(self) -> None:
        self._timer = None
        if self._under_way < self._most and (messages := receive(self._queue, self._size)):
            self._under_way += 1
            event = {"Records": [self._record(message) for message in messages]}
            self._runtime.start(self._function, event, lambda invocation: self._ended(invocation, messages))
        self.wake()

    def _ended(self, invocation: Invocation, messages: list[Any]) -> None:
        self._under_way -= 1
        kept = self._kept(invocation, {message.id for message in messages})
        delete(self._queue, [message for message in messages if message.id not in kept])
        self.wake()

    def _kept(self, invocation: Invocation, everything: set[str]) -> set[str]:
        if invocation.error is not None:
            return everything
        if not self._partial or not invocation.result:
            return set()
        failures = invocation.result.get("batchItemFailures") or []
        named = {failure.get("itemIdentifier") for failure in failures}
        # An id that is not of this batch, or none at all, fails the whole batch.
        return named if everything.issuperset(named) else everything

    def _record(self, message: Any) -> dict[str, Any]:
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.approximate_receive_count),
                "SentTimestamp": str(message.sent_timestamp),
                "SenderId": message.sender_id,
                "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
            },
            "messageAttributes": {},
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue.queue_arn,
            "awsRegion": self._cloud.region,
        }
