"""The ECS tasks that should be registered in destinations, as ECS lists them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from berthmaster.errors import MissingEvidence
from berthmaster.targets.model import Claim, ClaimKey, Destination, EcsSelector, Finding, Phase, Policy, Task
from berthmaster.targets.observe.desired import Desired
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.selected_tasks import SelectedTasks
from berthmaster.targets.observe.task_definitions import TaskDefinitions
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.events import is_ready
from berthmaster.targets.plan.mapping import Unclear
from berthmaster.targets.plan.reconciliation import OwnerStatus

STOPPED_SHOWN_FOR = timedelta(hours=1)
"""For so long ECS describes a task that has stopped."""


class DesiredTasks:
    """The tasks of all selectors; each selector is listed once in a run, when it is needed first."""

    def __init__(self, tasks: EcsTasks, definitions: TaskDefinitions, policy: Policy) -> None:
        self._ecs = tasks
        self._selected = SelectedTasks(tasks)
        self._definitions = definitions
        self._policy = policy
        self._tasks: dict[EcsSelector, list[Task] | Exception] = {}

    def begin(self) -> None:
        """Begin a run."""
        self._tasks = {}

    def read(self, selectors: Iterable[EcsSelector]) -> set[tuple[str, str]]:
        """List tasks and read their definitions; returns the services (cluster, name) that the tasks belong to.

        What cannot be read raises an error in `of`, and does not hinder the other destinations.
        """
        wanted = list(dict.fromkeys(selectors))
        self._tasks |= self._selected.read(one for one in wanted if one not in self._tasks)
        lists = (self._tasks[one] for one in wanted)
        found = [task for tasks in lists if isinstance(tasks, list) for task in tasks]
        self._definitions.read(task.definition for task in found)
        return {(task.cluster, task.service) for task in found if task.service}

    def of(self, destination: Destination, selector: EcsSelector, held: Mapping[ClaimKey, Claim]) -> Desired:
        """What should be registered in a destination; raises AWS's error if its tasks could not be listed."""
        tasks = self._tasks[selector]
        result = Desired()
        if isinstance(tasks, MissingEvidence):
            # This alone does not prove that tasks stopped: each registered one is asked about by name.
            result.findings.append(Finding(destination=destination.arn, code="not found", text=str(tasks)))
            tasks = []
        if isinstance(tasks, Exception):
            raise tasks
        result.listed = len(tasks)
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
        is_new = mapping.selects(destination, task) and is_ready(task, definition, self._policy)
        if (key, task.arn) in registered or is_new:
            result.endpoints[key] = one

    def statuses(self, destination: Destination, missing: Iterable[Claim], now: datetime) -> dict[str, OwnerStatus]:
        """The status of owners that were not found; ECS is asked about each by name."""
        claimed = list(missing)
        found = self._ecs.described(claim.owner for claim in claimed)
        return {claim.owner: self._status(destination, claim, found.get(claim.owner), now) for claim in claimed}

    def _status(self, destination: Destination, claim: Claim, task: Task | None, now: datetime) -> OwnerStatus:
        if task is None:
            # Before that time ECS should still describe the task, so the answer is not trusted.
            is_long_ago = claim.missing_since is not None and now - claim.missing_since > STOPPED_SHOWN_FOR
            return OwnerStatus.GONE if is_long_ago else OwnerStatus.UNKNOWN
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
