"""What a task has cost, from what ECS says when it has stopped: pure.

What ECS leaves out is taken to be dear rather than cheap, and the bill says that it is an estimate.
"""

import math
from datetime import UTC, datetime

from berthmaster.batch.model.bills import Bill
from berthmaster.batch.model.files import Provider
from berthmaster.batch.model.prices import Prices, Resources
from berthmaster.batch.model.tasks import TaskStateChange
from berthmaster.batch.plan.prices import LEAST_SECONDS, dollars, dollars_per_second


def bill_of(change: TaskStateChange, pipeline: str, prices: Prices, assumed: Resources) -> Bill:
    """The bill of a task that has stopped. assumed: its size, architecture and storage, if ECS does not say them."""
    stopped_at = change.stopped_at or change.estimated_until or change.at
    pulled_at = change.pull_started_at
    is_estimate = change.size is None or change.stopped_at is None
    if pulled_at is None and (change.started_at or change.estimated_until):
        # What has run was pulled before, and RunTask was called before that.
        pulled_at, is_estimate = change.created_at or change.started_at, True
    seconds = 0 if pulled_at is None else _billed_seconds(pulled_at, stopped_at)
    return Bill(
        task=change.task,
        pipeline=pipeline,
        day=stopped_at.astimezone(UTC).date(),
        seconds=seconds,
        dollars=dollars(prices, resources_of(change, assumed), seconds) if seconds else 0.0,
        is_estimate=is_estimate and pulled_at is not None,
    )


def resources_of(change: TaskStateChange, assumed: Resources) -> Resources:
    """What a task is billed for. A task of which ECS names no capacity provider runs on demand."""
    is_spot = change.provider == Provider.FARGATE_SPOT
    if change.size is None:
        return Resources(
            cpu=assumed.cpu,
            memory=assumed.memory,
            is_arm=assumed.is_arm,
            storage=assumed.storage,
            is_spot=is_spot,
        )
    cpu, memory = change.size
    return Resources(cpu=cpu, memory=memory, is_arm=change.is_arm, is_spot=is_spot, storage=change.storage)


def dollars_of_file(prices: Prices, resources: Resources, seconds: float) -> float:
    """What a file costs that a worker has processed in so many seconds: its share of the worker's time."""
    return dollars_per_second(prices, resources) * seconds


def _billed_seconds(pulled_at: datetime, stopped_at: datetime) -> int:
    return max(LEAST_SECONDS, math.ceil((stopped_at - pulled_at).total_seconds()))
