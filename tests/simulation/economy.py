"""What a day may cost: messages, invocations and CPU time, so that no storm passes unnoticed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.stack.deployment import Deployment

MESSAGES_PER_EVENT = 6
"""Sent by a function to its own queue; the most that a day without a defect was seen to need is below 4."""
INVOCATIONS_PER_HOUR = 600
CPU_SECONDS = 90.0
"""Of the whole simulation; most days take 1 to 8. CPU time does not depend on what else a machine does."""
HOUR = 3600.0


@dataclass
class Economy:
    """Watches one function that reads from a queue; `rules` begin the names of the rules that send events there."""

    berthmaster: Deployment
    function: str
    rules: str
    started: float = field(default_factory=time.process_time)

    def exceeded(self) -> Iterator[str]:
        """What the function, or the day, has used too much of."""
        events = sum(any(self.rules in rule for rule in seen.rules) for seen in self.berthmaster.bus_events)
        sent = len(self.berthmaster.cloud.calls.of(self.function).named("sqs:SendMessage"))
        if sent > MESSAGES_PER_EVENT * max(1, events):
            yield f"{self.function} sent {sent} messages after {events} events"
        begun = sorted(one.started for one in self.berthmaster.invocations if one.function == self.function)
        for first, last in zip(begun, begun[INVOCATIONS_PER_HOUR:], strict=False):
            if last - first < HOUR:
                yield f"{self.function} was invoked more than {INVOCATIONS_PER_HOUR} times in an hour from {first:.0f}"
                break
        if (used := time.process_time() - self.started) > CPU_SECONDS:
            yield f"the day took {used:.0f} s of CPU"
