"""Every request of an operator that reaches a queue is answered, or is a dead letter in the end."""

import json
from typing import Any

from simulator.stack.deployment import Deployment

OPERATOR = "berthmaster.operator"
QUEUES = ("CapacityDeadLetterQueue", "TargetsDeadLetterQueue", "BatchControlDeadLetterQueue")


class Answers:
    """Watches what is delivered to a deployment from now on."""

    def __init__(self, berthmaster: Deployment) -> None:
        self._berthmaster = berthmaster
        self._requests: dict[str, str] = {}
        deliver = berthmaster.deliver

        def noted(arn: str, text: str) -> None:
            self._note(json.loads(text))
            deliver(arn, text)

        # By the bus, and by the day itself, which puts what must not be lost into the queue.
        berthmaster.cloud.buses.deliver = berthmaster.deliver = noted  # type: ignore[method-assign]

    def _note(self, event: Any) -> None:
        if isinstance(event, dict) and event.get("source") == OPERATOR:
            self._requests[event["id"]] = event["detail-type"]

    def missing(self) -> list[str]:
        """Requests without an answer, in sentences."""
        answered = {seen.event["detail"].get("request_id") for seen in self._berthmaster.bus_events}
        dead = {letter.get("id") for queue in QUEUES for letter in self._berthmaster.dead_letters(queue)}
        return [
            f"{detail_type} {request} was never answered"
            for request, detail_type in self._requests.items()
            if request not in answered | dead
        ]
