"""ECS tasks, listed and described within what one run may ask: the whole account shares 20 such calls a second."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.batch.model.tasks import STACK_TAG, Task
from berthmaster.clock import Clock
from berthmaster.errors import code_of
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ListTasksRequestTypeDef

TASKS_PER_CALL = 100
KEPT_TO_DESCRIBE = 20
"""Calls: what was listed is of no use if there are none left to look at it."""
BETWEEN_CALLS = timedelta(milliseconds=100)


class TaskReads:
    """The reads of one run: one after the other, at most ten a second, and so many in all."""

    def __init__(self, ecs: "ECSClient", clock: Clock, *, calls: int, may_go_on: Callable[[], bool]) -> None:
        self._ecs = ecs
        self._clock = clock
        self._left = calls
        self._may_go_on = may_go_on
        self._called_at: datetime | None = None

    def described(self, arns: Iterable[str]) -> Iterator[tuple[str, Task | None]]:
        """Tasks by ARN as ECS describes them, None for those that it does not know (MISSING).

        What there is no time or no call left for is left out, and so is what ECS cannot tell for another reason.
        """
        by_cluster: dict[str, list[str]] = defaultdict(list)
        for arn in dict.fromkeys(arns):
            by_cluster[cluster_of(arn)].append(arn)
        for cluster, some in by_cluster.items():
            for batch in batched(some, TASKS_PER_CALL, strict=False):
                if not self._may_call():
                    return
                yield from self._describe(cluster, batch)

    def page(
        self, cluster: str, family: str, token: str, desired_status: Literal["RUNNING", "STOPPED"] = "RUNNING"
    ) -> tuple[list[str], str] | None:
        """One page of the tasks of a family that are to run, and the token of the next one, empty after the last.

        None if there is no time or no call left. A cluster that does not exist has no tasks.
        """
        if not self._may_call(keep=KEPT_TO_DESCRIBE):
            return None
        asked: ListTasksRequestTypeDef = {
            "cluster": cluster,
            "family": family,
            "desiredStatus": desired_status,
            "maxResults": TASKS_PER_CALL,
        }
        if token:
            asked["nextToken"] = token
        try:
            answer = self._ecs.list_tasks(**asked)
        except ClientError as error:
            if code_of(error) != "ClusterNotFoundException":
                raise
            return [], ""
        return answer["taskArns"], answer.get("nextToken", "")

    def _describe(self, cluster: str, arns: tuple[str, ...]) -> Iterator[tuple[str, Task | None]]:
        try:
            answer = self._ecs.describe_tasks(cluster=cluster, tasks=list(arns), include=["TAGS"])
        except ClientError as error:
            if code_of(error) != "ClusterNotFoundException":
                raise
            yield from ((arn, None) for arn in arns)
            return
        for task in answer["tasks"]:
            yield task["taskArn"], task_of(task)
        for failure in answer["failures"]:
            if failure.get("reason") == "MISSING":
                yield failure["arn"], None
            else:
                logger.warning("task not described", failure=failure)

    def _may_call(self, *, keep: int = 0) -> bool:
        """Wait until another call may be made; whether one may at all, so that so many are left for others."""
        if self._left <= keep or not self._may_go_on():
            logger.warning("no call or no time left for tasks", calls_left=self._left)
            return False
        if self._called_at is not None:
            wait = BETWEEN_CALLS - (self._clock.now() - self._called_at)
            self._clock.sleep(max(wait, timedelta()).total_seconds())
        self._left -= 1
        self._called_at = self._clock.now()
        return True


def cluster_of(task: str) -> str:
    """The name of the cluster in a task's ARN."""
    return Arn.parse(task).path[1]


def task_of(described: Any) -> Task:
    """A task by DescribeTasks's answer; the fields of that and of an event are the same."""
    tags = {one["key"]: one["value"] for one in described.get("tags", [])}
    return Task(
        arn=described["taskArn"],
        status=described["lastStatus"],
        desired_status=described.get("desiredStatus", ""),
        group=described.get("group", ""),
        started_by=described.get("startedBy", ""),
        stack=tags.get(STACK_TAG, ""),
        started_at=described.get("startedAt"),
        event={name: value for name, value in described.items() if name != "tags"},
    )
