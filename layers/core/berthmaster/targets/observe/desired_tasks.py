"""The ECS tasks that should be registered in destinations, as ECS lists them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from berthmaster.concurrently import concurrently
from berthmaster.errors import MissingEvidence
from berthmaster.targets.model import Claim, ClaimKey, Destination, EcsSelector, Finding, Phase, Policy, Task
from berthmaster.targets.observe.desired import Desired
from berthmaster.targets.observe.ecs import AT_ONCE, EcsTasks
from berthmaster.targets.observe.task_definitions import TaskDefinitions
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.events import is_ready
from berthmaster.targets.plan.mapping import Unclear
from berthmaster.targets.plan.reconciliation import OwnerStatus

STOPPED_SHOWN_FOR = timedelta(hours=1)
"""For so long ECS describes a task that has stopped."""


class DesiredTasks:
    """The tasks of all selectors; each selector is listed once in a run."""

    def __init__(self, tasks: EcsTasks, definitions: TaskDefinitions, policy: Policy) -> None:
        self._ecs = tasks
        self._definitions = definitions
        self._policy = policy
        self._tasks: dict[EcsSelector, list[Task] | Exception] = {}
        self._not_found: dict[EcsSelector, str] = {}

    def list_all(self, selectors: Iterable[EcsSelector]) -> set[tuple[str, str]]:
        """List the tasks again; returns the services (cluster, name) that they belong to.

        What cannot be listed raises an error in `of`, and does not hinder the other destinations.
        """
        self._tasks, self._not_found = {}, {}
        listed: dict[str, dict[EcsSelector, list[str]]] = defaultdict(dict)
        for one in concurrently(self._ecs.listed, dict.fromkeys(selectors), at_once=AT_ONCE):
            if isinstance(one.error, MissingEvidence):
                # This alone does not prove that tasks stopped: each registered one is asked about by name.
                self._tasks[one.item], self._not_found[one.item] = [], str(one.error)
            elif one.error:
                self._tasks[one.item] = one.error
            else:
                listed[one.item.cluster][one.item] = one.result
        for own in listed.values():
            self._describe(own)
        return {
            (task.cluster, task.service)
            for tasks in self._tasks.values()
            if isinstance(tasks, list)
            for task in tasks
            if task.service
        }

    def _describe(self, listed: Mapping[EcsSelector, list[str]]) -> None:
        """Describe the tasks of one cluster together, a hundred a call."""
        try:
            found = self._ecs.described(arn for arns in listed.values() for arn in arns)
        except Exception as error:  # noqa: BLE001 - raised by `of`, for the destinations that it concerns
            self._tasks |= dict.fromkeys(listed, error)
        else:
            self._tasks |= {selector: [found[arn] for arn in arns if arn in found] for selector, arns in listed.items()}

    def of(self, destination: Destination, selector: EcsSelector, held: Mapping[ClaimKey, Claim]) -> Desired:
        """What should be registered in a destination; raises AWS's error if its tasks could not be listed."""
        tasks = self._tasks[selector]
        if isinstance(tasks, Exception):
            raise tasks
        result = Desired(listed=len(tasks), addresses={task.address.ip for task in tasks if task.address})
        if text := self._not_found.get(selector):
            result.findings.append(Finding(destination=destination.arn, code="not found", text=text))
        registered = {(key, claim.owner) for key, claim in held.items() if not claim.is_over}
        for task in tasks:
            if task.phase is Phase.LEAVING:
                result.leaving.add(task.arn)
            elif task.phase is Phase.RUNNING and mapping.matches(destination.declaration, task):
                self._add(result, destination, task, registered)
        return result

    def _add(
        self, result: Desired, destination: Destination, task: Task, registered: set[tuple[ClaimKey, str]]
    ) -> None:
        definition = self._definitions.of(task.definition)
        try:
            one = mapping.endpoint(destination, task, definition)
        except Unclear as unclear:
            result.findings.append(Finding(destination=destination.arn, code=unclear.code, text=unclear.text))
            return
        key = claims.key_of(destination, one)
        # A task that Berthmaster registered stays registered even if ECS itself registers the service from now on.
        is_selected = mapping.selects(destination, task)
        if (key, task.arn) in registered or (is_selected and is_ready(task, definition, self._policy)):
            result.endpoints[key] = one
        elif is_selected:
            result.not_ready.add(task.arn)

    def statuses(self, destination: Destination, missing: Iterable[Claim], now: datetime) -> dict[str, OwnerStatus]:
        """The status of owners that were not found; ECS is asked about each by name."""
        claimed = list(missing)
        found = self._ecs.described(claim.owner for claim in claimed)
        return {claim.owner: self._status(destination, claim, found.get(claim.owner), now) for claim in claimed}

    def _status(self, destination: Destination, claim: Claim, task: Task | None, now: datetime) -> OwnerStatus:
        if task is None:
            # Before that time ECS should still describe the task, so the answer is not trusted.
            is_long_ago = claim.missing_since is not None and now - claim.missing_since > STOPPED_SHOWN_FOR
            return OwnerStatus.VANISHED if is_long_ago else OwnerStatus.UNKNOWN
        if task.phase is Phase.LEAVING:
            return OwnerStatus.GONE
        declared = destination.declaration
        if task.phase is not Phase.RUNNING or declared.detached or not mapping.matches(declared, task):
            return OwnerStatus.UNWANTED
        try:
            one = mapping.endpoint(destination, task, self._definitions.of(task.definition))
        except Unclear:
            return OwnerStatus.UNKNOWN
        return OwnerStatus.ALIVE if claims.key_of(destination, one) == claim.key else OwnerStatus.UNWANTED
