"""ECS tasks, listed and described."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import batched, islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import MissingEvidence, code_of
from berthmaster.targets import ecs_task
from berthmaster.targets.model import EcsSelector, Task, cluster_of

if TYPE_CHECKING:
    from botocore.paginate import PageIterator
    from mypy_boto3_ecs.type_defs import ListTasksResponseTypeDef, PaginatorConfigTypeDef

TASKS_PER_CALL = 100
AT_ONCE = 4
_PAGE: "PaginatorConfigTypeDef" = {"PageSize": 100}
_NOT_FOUND = {"ClusterNotFoundException": "cluster", "ServiceNotFoundException": "service"}


class EcsTasks:
    """The tasks of one account and Region."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def described(self, arns: Iterable[str]) -> dict[str, Task]:
        """Tasks as ECS describes them now; those that ECS does not know are missing."""
        by_cluster = defaultdict(list)
        for arn in sorted(set(arns)):
            by_cluster[cluster_of(arn)].append(arn)
        parts = [
            (cluster, part)
            for cluster, group in by_cluster.items()
            for part in batched(group, TASKS_PER_CALL, strict=False)
        ]
        described = results_of(concurrently(lambda one: list(self._describe(*one)), parts, at_once=AT_ONCE))
        return {task.arn: task for tasks in described for task in tasks}

    def selected(self, selector: EcsSelector) -> list[Task]:
        """The tasks of a selector; MissingEvidence if its cluster or service does not exist."""
        return list(self.described(self.listed(selector)).values())

    def listed(self, selector: EcsSelector) -> list[str]:
        """The ARNs of those tasks."""
        chosen = {"serviceName": selector.service} if selector.service else {"family": selector.family}
        with _missing(selector.cluster, selector.service):
            return self._list(selector.cluster, **chosen)

    def of_cluster(self, cluster: str) -> list[Task]:
        """All running tasks of a cluster."""
        return list(self.described(self._list(cluster)).values())

    def of_small_cluster(self, cluster: str, most_pages: int) -> list[Task] | None:
        """All running tasks of a cluster, or None if ListTasks takes more calls; each page is described at once."""
        is_complete = False

        def pages() -> Iterator[list[str]]:
            nonlocal is_complete
            for page in islice(self._pages(cluster), most_pages):
                is_complete = not page.get("nextToken")
                yield page["taskArns"]

        parts = (arns for arns in pages() if arns)
        with _missing(cluster):
            described = concurrently(lambda arns: list(self._describe(cluster, arns)), parts, at_once=AT_ONCE)
        return [task for tasks in results_of(described) for task in tasks] if is_complete else None

    def _list(self, cluster: str, **chosen: Any) -> list[str]:
        return [arn for page in self._pages(cluster, **chosen) for arn in page["taskArns"]]

    def _pages(self, cluster: str, **chosen: Any) -> "PageIterator[ListTasksResponseTypeDef]":
        return self._clients.ecs.get_paginator("list_tasks").paginate(cluster=cluster, PaginationConfig=_PAGE, **chosen)

    def _describe(self, cluster: str, arns: Sequence[str]) -> Iterator[Task]:
        try:
            answer = self._clients.ecs.describe_tasks(cluster=cluster, tasks=list(arns))
        except ClientError as error:
            if code_of(error) == "ClusterNotFoundException":
                return
            raise
        yield from ecs_task.described(answer["tasks"], self._clock.now())


@contextmanager
def _missing(cluster: str, service: str = "") -> Iterator[None]:
    """Say what ECS does not know; other errors pass."""
    try:
        yield
    except ClientError as error:
        kind = _NOT_FOUND.get(code_of(error))
        if kind is None:
            raise
        raise MissingEvidence(f"ECS does not know the {kind} {cluster if kind == 'cluster' else service}") from error
