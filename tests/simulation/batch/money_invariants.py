"""What was booked for tasks is what the simulator bills for them, and nothing is launched that no budget allows."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from simulator.aws.ecs.prices import dollars
from simulator.aws.ecs.sizes import cpu_units, mebibytes
from simulator.aws.ecs.task import Task
from tests.simulation.batch.call_invariants import CallInvariants
from tests.simulation.batch.day import FOREIGN_FAMILY, Day, Source

PER_TASK = 1e-11
"""Dollars that a bill may be off, since sums are kept to a trillionth."""


class MoneyInvariants:
    """Knows the tasks of a day from now on, those as well of which RunTask has said that they do not start."""

    def __init__(self, day: Day, calls: CallInvariants, *, delivered: bool) -> None:
        """delivered: events are, so that nothing is missed."""
        self._day = day
        self._calls = calls
        self._delivered = delivered
        self._tasks: dict[str, Task] = {}
        self.broken: list[str] = []
        day.cloud.tasks.watchers.append(self._see)

    def _see(self, task: Task) -> None:
        if task.family == FOREIGN_FAMILY:
            return
        self._tasks[task.arn] = task
        if task.version == 1:
            self._judge(task)

    def _judge(self, task: Task) -> None:
        """A task was launched: with it, the day must not cost more than a document or a person allows."""
        source = next(one for one in self._day.sources if task.group.endswith(f"_{one.name}"))
        limits = [edit.dollars for edit in self._calls.in_force(source)]
        if None in limits or self._is_approved(source):
            return
        most = max(limit for limit in limits if limit is not None)
        # Nobody knows of ghosts: AWS has said that there are none.
        costs = [self._at_most(one) for one in self._of(source) if one.arn not in self._calls.ghosts]
        if sum(costs) > most:
            self.broken.append(
                f"{task.arn} was launched, with which {source.name} may cost {sum(costs):.5f} $, and {most:.5f} $ are "
                f"its limit, at {self._day.now:.0f}"
            )

    def _is_approved(self, source: Source) -> bool:
        return any(proposal.split(".")[1] == source.name for proposal, verdict in self._day.decided.items() if verdict)

    def _of(self, source: Source) -> list[Task]:
        return [one for one in self._tasks.values() if one.group.endswith(f"_{source.name}")]

    def _at_most(self, task: Task) -> float:
        """What a task may cost until its deadline; what it has cost if it has stopped."""
        if task.stopped_at:
            return self._day.cloud.tasks.cost(task)
        begun = task.pull_started_at or task.created_at
        end = datetime.fromisoformat(task.environment["BERTHMASTER_DEADLINE"])
        return dollars(
            (end.astimezone(UTC) - begun).total_seconds(),
            cpu=cpu_units(task.cpu),
            memory=mebibytes(task.memory),
            spot=task.capacity_provider == "FARGATE_SPOT",
            region=self._day.cloud.region,
        )

    def wrong_sums(self) -> Iterator[str]:
        """Pipelines whose sum is not what their tasks have cost; estimates may be dearer."""
        booked, estimated = self._booked()
        for source in self._day.sources:
            costs = [self._day.cloud.tasks.cost(one) for one in self._of(source)]
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
