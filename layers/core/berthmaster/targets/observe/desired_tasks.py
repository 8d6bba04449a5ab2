"""The ECS tasks that should be registered in destinations, as ECS lists them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from berthmaster.errors import MissingEvidence
from berthmaster.targets.model import Claim, ClaimKey, Destination, EcsSelector, Endpoint, Finding, Phase, Policy, Task
from berthmaster.targets.observe.desired import Desired
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.selected_tasks import SelectedTasks
from berthmaster.targets.observe.task_definitions import TaskDefinitions
from berthmaster.targets.observe.traffic_shifts import TrafficShifts
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.events import is_ready
from berthmaster.targets.plan.graceful_shutdown import shutdown_findings
from berthmaster.targets.plan.mapping import Unclear
from berthmaster.targets.plan.reconciliation import OwnerStatus
from berthmaster.targets.plan.traffic_shift import Traffic, shift_findings

STOPPED_SHOWN_FOR = timedelta(hours=1)
"""For so long ECS describes a task that has stopped."""


class DesiredTasks:
    """The tasks of all selectors; each service and family is listed once in a run, when it is needed first."""

    def __init__(self, tasks: EcsTasks, definitions: TaskDefinitions, shifts: TrafficShifts, policy: Policy) -> None:
        self._ecs = tasks
        self._selected = SelectedTasks(tasks)
        self._definitions = definitions
        self._shifts = shifts
        self._policy = policy
        self._tasks: dict[EcsSelector, list[Task] | Exception] = {}
        self._began: datetime

    def begin(self, now: datetime) -> None:
        """Begin a run."""
        self._tasks, self._began = {}, now

    def read(self, selectors: Iterable[EcsSelector]) -> set[tuple[str, str]]:
        """List tasks and read their definitions; returns the services (cluster, name) that the tasks belong to.

        What cannot be read raises an error in `of`, and does not hinder the other destinations.
        """
        wanted = list(dict.fromkeys(part for one in selectors for part in one.single))
        self._tasks |= self._selected.read(one for one in wanted if one not in self._tasks)
        lists = (self._tasks[one] for one in wanted)
        found = [task for tasks in lists if isinstance(tasks, list) for task in tasks]
        self._definitions.read(task.definition for task in found)
        return {(task.cluster, task.service) for task in found if task.service}

    def of(self, destination: Destination, selector: EcsSelector, held: Mapping[ClaimKey, Claim]) -> Desired:
        """What should be registered in a destination; raises AWS's error if its tasks could not be listed."""
        result = Desired()
        tasks: list[Task] = []
        for part in selector.single:
            listed = self._tasks[part]
            if isinstance(listed, MissingEvidence):
                # This alone does not prove that tasks stopped: each registered one is asked about by name.
                result.findings.append(Finding(destination=destination.arn, code="not found", text=str(listed)))
            elif isinstance(listed, Exception):
                raise listed
            else:
                tasks += listed
        result.listed = len(tasks)
        result.addresses |= {task.address.ip for task in tasks if task.address}
        registered = {(key, claim.owner) for key, claim in held.items() if not claim.is_over}
        arriving: dict[ClaimKey, tuple[Task, Endpoint]] = {}
        for task in tasks:
            if task.phase is Phase.LEAVING:
                result.leaving.add(task.arn)
            elif task.phase is Phase.RUNNING and mapping.matches(destination.declaration, task):
                self._add(result, destination, task, registered, arriving)
        self._add_arriving(result, destination, arriving)
        return result

    def _add(
        self,
        result: Desired,
        destination: Destination,
        task: Task,
        registered: set[tuple[ClaimKey, str]],
        arriving: dict[ClaimKey, tuple[Task, Endpoint]],
    ) -> None:
        definition = self._definitions.of(task.definition)
        try:
            one = mapping.endpoint(destination, task, definition)
        except Unclear as unclear:
            result.findings.append(Finding(destination=destination.arn, code=unclear.code, text=unclear.text))
            return
        key = claims.key_of(destination, one)
        # A task that Berthmaster registered stays registered even if ECS itself registers the service from now on.
        if not mapping.is_registered_by_ecs(destination, task):
            found = shutdown_findings(destination, task, definition, one.port)
            result.findings += [finding for finding in found if finding not in result.findings]
        if (key, task.arn) in registered:
            result.endpoints[key] = one
        elif mapping.selects(destination, task) and is_ready(task, definition, self._policy):
            arriving[key] = task, one
        elif mapping.selects(destination, task):
            result.not_ready.add(task.arn)

    def _add_arriving(
        self, result: Desired, destination: Destination, arriving: Mapping[ClaimKey, tuple[Task, Endpoint]]
    ) -> None:
        """Those that may take production traffic; of the others, people hear if need be."""
        traffic = self._shifts.of((task for task, _ in arriving.values()), self._began)
        waiting = []
        for key, (task, one) in arriving.items():
            found = traffic.by_task.get(task.arn, Traffic.PRODUCTION)
            if found is Traffic.PRODUCTION:
                result.endpoints[key] = one
            else:
                waiting.append((task, found))
        result.findings += shift_findings(destination.arn, waiting, traffic.problems)

    def statuses(self, destination: Destination, missing: Iterable[Claim], now: datetime) -> dict[str, OwnerStatus]:
        """The status of owners that were not found; ECS is asked about each by name.

        Of a destination that the tags have given to pods, it need not be asked, and `targets_pods` may not.
        """
        claimed = list(missing)
        if not isinstance(destination.selector, EcsSelector):
            return {claim.owner: OwnerStatus.UNWANTED for claim in claimed}
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
