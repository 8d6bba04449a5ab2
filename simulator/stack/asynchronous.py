"""Asynchronous invocation: Lambda accepts the event, retries a failed function, and at last sends it to a queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.cloud import Cloud
    from simulator.stack.runtime import Invocation, Runtime

# Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation".
RETRY_DELAYS = (60.0, 120.0)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """What Lambda does with a failed event: how often it retries, for how long, and where it reports in the end.

    `on_failure` gets a record of the invocation, `dead_letter` the event itself; both are ARNs, empty for none.
    """

    retries: int = 2
    longest_age: float = 21600.0
    on_failure: str = ""
    dead_letter: str = ""


class AsynchronousInvocations:
    """Lambda's own queue of events for functions whose result nobody waits for."""

    def __init__(self, cloud: Cloud, runtime: Runtime, deliver: Callable[[str, str], None]) -> None:
        self._cloud = cloud
        self._runtime = runtime
        self._deliver = deliver
        self.policies: dict[str, RetryPolicy] = {}
        self.pending = 0

    def invoke(self, function: str, event: Any) -> None:
        """Run a function on an event soon."""
        self.pending += 1
        accepted = self._cloud.clock.timestamp()
        self._cloud.clock.at(accepted, lambda: self._attempt(function, event, accepted, 1))

    def _attempt(self, function: str, event: Any, accepted: float, attempt: int) -> None:
        def ended(invocation: Invocation) -> None:
            self._judge(function, event, accepted, attempt, invocation)

        self._runtime.start(function, event, ended)

    def _judge(self, function: str, event: Any, accepted: float, attempt: int, invocation: Invocation) -> None:
        if invocation.error is None:
            self.pending -= 1
            return
        policy = self.policies.get(function, RetryPolicy())
        if attempt <= policy.retries:
            retry_at = self._cloud.clock.timestamp() + RETRY_DELAYS[min(attempt, len(RETRY_DELAYS)) - 1]
            if retry_at - accepted <= policy.longest_age:
                self._cloud.clock.at(retry_at, lambda: self._attempt(function, event, accepted, attempt + 1))
                return
        self.pending -= 1
        self._give_up(policy, event, invocation, attempt)

    def _give_up(self, policy: RetryPolicy, event: Any, invocation: Invocation, attempts: int) -> None:
        if policy.dead_letter:
            self._deliver(policy.dead_letter, json.dumps(event))
        if policy.on_failure:
            self._deliver(policy.on_failure, json.dumps(self._record(event, invocation, attempts)))

    def _record(self, event: Any, invocation: Invocation, attempts: int) -> dict[str, Any]:
        return {
            "version": "1.0",
            "timestamp": self._cloud.clock.now().isoformat(),
            "requestContext": {
                "requestId": invocation.request_id,
                "functionArn": f"{self._runtime.functions[invocation.function].arn}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": attempts,
            },
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": type(invocation.error).__name__, "errorMessage": str(invocation.error)},
        }
