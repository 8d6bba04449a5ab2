"""Task definitions, kept in the container: a revision never changes."""

from collections.abc import Callable, Iterable, Mapping

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently
from berthmaster.targets import ecs_task
from berthmaster.targets.model import Definition
from berthmaster.targets.observe.failed_reads import AWS_FAILED

AT_ONCE = 8


class TaskDefinitions:
    """The task definitions that were needed so far."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._definitions: dict[str, Definition] = {}

    def read(self, arns: Iterable[str], may_begin: Callable[[], bool] = lambda: True) -> dict[str, Exception]:
        """Read those that are not known; returns the errors of those that could not be read."""
        unknown = sorted(set(arns) - self._definitions.keys())
        failed: dict[str, Exception] = {}
        for one in concurrently(self.of, unknown, at_once=AT_ONCE, may_begin=may_begin):
            if isinstance(one.error, AWS_FAILED):
                failed[one.item] = one.error
            elif one.error:
                raise one.error
        return failed

    def of(self, arn: str) -> Definition:
        """One task definition."""
        if arn not in self._definitions:
            answer = self._clients.ecs.describe_task_definition(taskDefinition=arn)
            self._definitions[arn] = ecs_task.definition(answer["taskDefinition"])
        return self._definitions[arn]

    def by_arn(self, arns: Iterable[str]) -> Mapping[str, Definition]:
        """Some task definitions by ARN."""
        return {arn: self.of(arn) for arn in arns}
