"""ECS tasks, listed and described."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import MissingEvidence, code_of
from berthmaster.targets import ecs_task
from berthmaster.targets.model import EcsSelector, Task, cluster_of

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import PaginatorConfigTypeDef

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
        """The tasks of a selector; MissingEvidence if its cluster or a service does not exist."""
        return list(self.described(self.listed(selector)).values())

    def listed(self, selector: EcsSelector) -> list[str]:
        """The ARNs of those tasks."""
        chosen = [{"serviceName": name} for name in selector.services] + [
            {"family": name} for name in selector.families
        ]
        return [arn for one in chosen for arn in self._listed(selector.cluster, **one)]

    def _listed(self, cluster: str, **chosen: str) -> list[str]:
        try:
            return self._list(cluster, **chosen)
        except ClientError as error:
            kind = _NOT_FOUND.get(code_of(error))
            if kind is None:
                raise
            name = cluster if kind == "cluster" else chosen["serviceName"]
            raise MissingEvidence(f"ECS does not know the {kind} {name}") from error

    def of_cluster(self, cluster: str) -> list[Task]:
        """All running tasks of a cluster."""
        return list(self.described(self._list(cluster)).values())

    def _list(self, cluster: str, **chosen: Any) -> list[str]:
        pages = self._clients.ecs.get_paginator("list_tasks").paginate(
            cluster=cluster, PaginationConfig=_PAGE, **chosen
        )
        return [arn for page in pages for arn in page["taskArns"]]

    def _describe(self, cluster: str, arns: Sequence[str]) -> Iterator[Task]:
        try:
            answer = self._clients.ecs.describe_tasks(cluster=cluster, tasks=list(arns))
        except ClientError as error:
            if code_of(error) == "ClusterNotFoundException":
                return
            raise
        yield from ecs_task.described(answer["tasks"], self._clock.now())
