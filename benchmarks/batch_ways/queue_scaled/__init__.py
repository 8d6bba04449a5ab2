"""An ECS service whose tasks poll a queue, scaled by alarms on its length, as CDK's QueueProcessingFargateService.

Steps on visible messages: 0 takes a task away, 100 add one, 500 add five; each minute, which is kinder than CDK's
five-minute metric. From one task to as many as are allowed. Inherent: fewer than 100 files never get a second task; a
task that is taken away loses what it works on; a message is visible again, and worked on twice, if the work takes
longer than the queue's timeout, which is 30 s unless somebody has thought of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.batch_ways.queue import FilesQueue
    from simulator.workload.fleet import Fleet

PERIOD = 60.0
STEPS = ((500, 5), (100, 1))
LEAST = 1


class Scaling:
    """Step scaling of a service by the length of a queue."""

    def __init__(self, fleet: Fleet, service: str, queue: FilesQueue, most: int) -> None:
        self._fleet = fleet
        self._service = service
        self._queue = queue
        self._most = most
        self._desired = LEAST
        fleet.cloud.clock.every(PERIOD, self._look)

    def _look(self) -> None:
        visible = self._queue.visible
        change = next((tasks for least, tasks in STEPS if visible >= least), 0) if visible else -1
        desired = min(self._most, max(LEAST, self._desired + change))
        if desired != self._desired:
            self._desired = desired
            self._fleet.scale(self._service, desired)
