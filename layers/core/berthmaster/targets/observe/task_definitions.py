"""Task definitions, kept in the container: a revision never changes."""

from collections.abc import Iterable, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently
from berthmaster.targets import ecs_task
from berthmaster.targets.model import Definition

AT_ONCE = 4


class TaskDefinitions:
    """The task definitions that were needed so far."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._definitions: dict[str, Definition] = {}

    def read(self, arns: Iterable[str]) -> dict[str, Exception]:
        """Read those that are not known; returns AWS's errors for those that could not be read."""
        unknown = sorted(set(arns) - self._definitions.keys())
        failed: dict[str, Exception] = {}
        for one in concurrently(self.of, unknown, at_once=AT_ONCE):
            if isinstance(one.error, BotoCoreError | ClientError):
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
