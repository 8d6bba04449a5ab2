"""Drain requests: a task is deregistered everywhere, and stopped when it has drained.

When a zone is evacuated, dozens of requests come at once: each read is made for all of them together, and what fails,
or is refused, concerns one of them only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.clock import Clock
from berthmaster.concurrently import NotBegun, concurrently
from berthmaster.errors import code_of
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.targets.batch import LEAST_TIME, Unfinished
from berthmaster.targets.ledger.claims import ClaimLedger, View
from berthmaster.targets.model import Declaration, Fence, FenceMove, Phase, Task, cluster_of
from berthmaster.targets.observe.destinations import DestinationReader, Destinations
from berthmaster.targets.observe.ecs import AT_ONCE, EcsTasks
from berthmaster.targets.plan import mapping
from berthmaster.targets.triggers import DrainRequest
from berthmaster.telemetry import logger

OBSERVED = "the mode is observe"
TRIES = 4
"""How often fences are written that other invocations write too."""


@dataclass(slots=True)
class Drained:
    """What came of requests, by the ARN of the task.

    begun: whether that was before. refused: the reason. failed: what is to be tried again.
    """

    begun: dict[str, bool] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)

    def left(self, tasks: Iterable[Task]) -> list[Task]:
        """The tasks about which nothing was decided yet."""
        decided = self.begun.keys() | self.refused.keys() | self.failed.keys()
        return [task for task in tasks if task.arn not in decided]


class Drains:
    """Begins drains; the events and rechecks of the task carry them on.

    account, region: where the tasks must be.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: ClaimLedger,
        destinations: DestinationReader,
        tasks: EcsTasks,
        *,
        mode: Mode,
        account: str,
        region: str,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._destinations = destinations
        self._tasks = tasks
        self._mode = mode
        self._account = account
        self._region = region

    def begin(self, requests: Mapping[str, DrainRequest], invocation: Invocation) -> Drained:
        """Record that tasks (by their ARNs) are leaving and are to be stopped."""
        drained = Drained()
        tasks = self._described(requests, drained, invocation)
        try:
            for _ in range(TRIES):
                if not drained.left(tasks):
                    break
                self._begin(requests, tasks, drained, invocation)
        except Exception as error:  # noqa: BLE001 - each is tried again by itself
            logger.exception("drains not begun")
            drained.failed |= {task.arn: error for task in drained.left(tasks)}
        conflict = Unfinished("other invocations work on the task")
        drained.failed |= {task.arn: conflict for task in drained.left(tasks)}
        return drained

    def _begin(
        self, requests: Mapping[str, DrainRequest], tasks: Sequence[Task], drained: Drained, invocation: Invocation
    ) -> None:
        """Judge all that is left, and write the fences of those that may begin; some may be in conflict."""
        left, view = drained.left(tasks), View()
        self._require_time(invocation)
        self._ledger.read(view, owners=[task.arn for task in left], allows_damaged=True)
        drained.failed |= {task.arn: view.damaged[task.arn] for task in left if task.arn in view.damaged}
        left = drained.left(left)
        self._judge(requests, left, view.fences, drained, invocation)
        granted = drained.left(left)
        self._require_time(invocation)
        written, _ = self._ledger.write([[self._begun(task, view.fences.get(task.arn))] for task in granted])
        for index in written:
            task = granted[index]
            drained.begun[task.arn] = False
            logger.info("drain begun", task=task.arn, by=requests[task.arn].by)

    def _begun(self, task: Task, fence: Fence | None) -> FenceMove:
        now = self._clock.now()
        known = fence or Fence(owner=task.arn, version=task.version, since=now, changed_at=now)
        return FenceMove(fence, replace(known, leaving=True, stop=True, changed_at=now))

    def _require_time(self, invocation: Invocation) -> None:
        if not self._has_time(invocation):
            raise NotBegun("no time left in this invocation")

    def _has_time(self, invocation: Invocation) -> bool:
        return invocation.time_left(self._clock.now()) > LEAST_TIME

    # What is read

    def _described(self, arns: Collection[str], drained: Drained, invocation: Invocation) -> list[Task]:
        """The tasks that ECS knows. Others are refused, and those of a cluster that AWS fails at fail."""
        by_cluster: dict[str, list[str]] = defaultdict(list)
        for arn in arns:
            parts = Arn.parse(arn)
            if (parts.account, parts.region) == (self._account, self._region):
                by_cluster[cluster_of(arn)].append(arn)
            else:
                drained.refused[arn] = f"detail.task: it is not in account {self._account}, {self._region}"
        found: list[Task] = []
        for one in concurrently(
            self._of_cluster, by_cluster.values(), at_once=AT_ONCE, may_begin=lambda: self._has_time(invocation)
        ):
            if one.error:
                drained.failed |= dict.fromkeys(one.item, one.error)
                continue
            found += one.result.values()
            for arn in one.item:
                if arn not in one.result:
                    drained.refused[arn] = f"detail.task: ECS does not know the task {arn}"
        return found

    def _of_cluster(self, arns: list[str]) -> dict[str, Task]:
        """Tasks of one cluster. ECS may refuse a whole call because of one ARN."""
        try:
            return self._tasks.described(arns)
        except ClientError as error:
            if code_of(error) != "InvalidParameterException":
                raise
            if len(arns) == 1:
                return {}
            middle = len(arns) // 2
            return self._of_cluster(arns[:middle]) | self._of_cluster(arns[middle:])

    def _declared(
        self, tasks: Iterable[Task], fences: Mapping[str, Fence]
    ) -> tuple[Sequence[Declaration], Destinations]:
        """What the tags say about tasks that Berthmaster has not registered."""
        new = [task for task in tasks if not _has_claims(fences.get(task.arn))]
        if not new:
            return (), Destinations()
        every = self._destinations.declarations.read(fresh=True).declarations
        declared = [one for one in every if any(mapping.matches(one, task) for task in new)]
        return declared, self._destinations.read(declared, {(one.cluster, one.service) for one in new if one.service})

    # What is decided

    def _judge(
        self,
        requests: Mapping[str, DrainRequest],
        tasks: Collection[Task],
        fences: Mapping[str, Fence],
        drained: Drained,
        invocation: Invocation,
    ) -> None:
        """Refuse what cannot be granted, and find what was begun before."""
        for task in tasks:
            fence = fences.get(task.arn)
            if fence and fence.leaving and fence.stop:
                drained.begun[task.arn] = True
            elif task.phase is Phase.LEAVING:
                drained.refused[task.arn] = (
                    f"ECS is stopping the task already, and its last status is {task.last_status}"
                )
        left = drained.left(tasks)
        self._require_time(invocation)
        services = {(task.cluster, task.service) for task in left if task.service}
        registered, unclear = self._destinations.ecs_registrations.read(services, self._clock.now())
        self._require_time(invocation)
        declared, destinations = self._declared(left, fences)
        for task in left:
            service, force = f"{task.cluster}/{task.service}", requests[task.arn].force
            if service in unclear:
                drained.failed[task.arn] = unclear[service]
                continue
            try:
                is_ours = _has_claims(fences.get(task.arn)) or _is_selected(task, declared, destinations, force=force)
            except Exception as error:  # noqa: BLE001 - AWS's, or no time was left: it concerns this task only
                drained.failed[task.arn] = error
                continue
            if reason := self._why_not(registered.get(service, {}), is_ours=is_ours, force=force):
                drained.refused[task.arn] = reason
                if reason == OBSERVED:
                    logger.info("would drain and stop", task=task.arn, by=requests[task.arn].by)

    def _why_not(self, by_ecs: Iterable[str], *, is_ours: bool, force: bool) -> str:
        """Why a task is not drained; "" if it is. by_ecs: where ECS itself registers its service."""
        places = ", ".join(sorted(by_ecs))
        problem = f"ECS itself registers its service in {places}, where it would not drain before it is stopped"
        if not is_ours:
            unknown = "it is not registered by Berthmaster, and no tags select it"
            return f"{unknown}; {problem}" if places else unknown
        if places and not force:
            return f'{problem}; "force": true in the detail stops it all the same'
        return OBSERVED if self._mode is Mode.OBSERVE else ""


def _has_claims(fence: Fence | None) -> bool:
    return fence is not None and bool(fence.claims)


def _is_selected(task: Task, declared: Iterable[Declaration], destinations: Destinations, *, force: bool) -> bool:
    """Whether tags select a task; with `force` also where ECS itself registers it."""
    for one in declared:
        destination = destinations.of(one) if mapping.matches(one, task) else None
        if destination and (mapping.selects(destination, task) or (force and not one.detached)):
            return True
    return False
