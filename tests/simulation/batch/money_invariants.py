"""What was booked for tasks is what the simulator bills for them."""

from collections import defaultdict
from collections.abc import Iterator

from simulator.aws.ecs.task import Task
from tests.simulation.batch.day import FOREIGN_FAMILY, Day

PER_TASK = 1e-11
"""Dollars that a bill may be off, since sums are kept to a trillionth."""


class MoneyInvariants:
    """Knows the tasks of a day from now on, those as well of which RunTask has said that they do not start."""

    def __init__(self, day: Day, *, delivered: bool) -> None:
        """delivered: events are, so that nothing is missed."""
        self._day = day
        self._delivered = delivered
        self._tasks: dict[str, Task] = {}
        day.cloud.tasks.watchers.append(self._see)

    def _see(self, task: Task) -> None:
        if task.family != FOREIGN_FAMILY:
            self._tasks[task.arn] = task

    def wrong_sums(self) -> Iterator[str]:
        """Pipelines whose sum is not what their tasks have cost; estimates may be dearer."""
        booked, estimated = self._booked()
        for source in self._day.sources:
            group = f"_{source.name}"
            costs = [self._day.cloud.tasks.cost(one) for one in self._tasks.values() if one.group.endswith(group)]
            paid, sum_, guessed = sum(costs), booked[source.name], estimated[source.name]
            error = PER_TASK * (1 + len(costs))
            is_too_little = self._delivered and sum_ + error < paid
            if is_too_little or sum_ - guessed - error > paid:
                yield f"{source.name} has cost {paid:.9f} $, and {sum_:.9f} $ were booked, of it {guessed:.9f} guessed"

    def _booked(self) -> tuple[dict[str, float], dict[str, float]]:
        """By pipeline, what was booked, and what of it is estimated."""
        booked: dict[str, float] = defaultdict(float)
        estimated: dict[str, float] = defaultdict(float)
        pages = self._day.cloud.client("dynamodb").get_paginator("query")
        for page in pages.paginate(
            TableName=self._day.scene.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "money"}},
        ):
            for item in page["Items"]:
                pipeline = item["sk"]["S"].partition(" ")[0]
                booked[pipeline] += float(item["dollars"]["N"])
                estimated[pipeline] += float(item["estimated"]["N"])
        return booked, estimated
