"""Drain requests: a task is deregistered everywhere, and stopped when it has drained."""

from dataclasses import replace

from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent
from berthmaster.modes import Mode
from berthmaster.targets.batch import Unfinished
from berthmaster.targets.ledger.claims import ClaimLedger, View
from berthmaster.targets.model import Fence, FenceMove, Task
from berthmaster.targets.observe.destinations import DestinationReader
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.plan import mapping
from berthmaster.targets.triggers import DrainRequest
from berthmaster.telemetry import logger

TRIES = 4
"""How often the fence of a task is written that other invocations write too."""


class Drains:
    """Begins drains; the events and rechecks of the task carry them on."""

    def __init__(
        self, clock: Clock, ledger: ClaimLedger, destinations: DestinationReader, tasks: EcsTasks, mode: Mode
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._destinations = destinations
        self._tasks = tasks
        self._mode = mode

    def begin(self, request: DrainRequest) -> None:
        """Record that a task is leaving and is to be stopped; InvalidEvent if it cannot be drained."""
        task = self._tasks.described([request.task]).get(request.task)
        if task is None:
            raise InvalidEvent("detail.task", f"ECS does not know the task {request.task}")
        if self._mode is Mode.OBSERVE:
            logger.info("would drain and stop", task=request.task, by=request.by)
            return
        for _ in range(TRIES):
            fence = self._fence(task)
            now = self._clock.now()
            known = fence or Fence(owner=task.arn, version=task.version, since=now, changed_at=now)
            begun = FenceMove(fence, replace(known, leaving=True, stop=True, changed_at=now))
            if not self._ledger.write([[begun]])[1]:
                logger.info("drain begun", task=request.task, by=request.by)
                return
        raise Unfinished(f"other invocations work on {request.task}")

    def _fence(self, task: Task) -> Fence | None:
        """What is known of a task; InvalidEvent if Berthmaster neither registered it nor is to register it."""
        view = View()
        self._ledger.read(view, owners=[task.arn])
        fence = view.fences.get(task.arn)
        services = [(task.cluster, task.service)] if task.service else []
        declared = [
            one for one in self._destinations.declarations.read(fresh=True).declarations if mapping.matches(one, task)
        ]
        found = self._destinations.read(declared, services)
        destinations = [one for one in map(found.of, declared) if one is not None]
        if (fence and fence.claims) or any(mapping.selects(one, task) for one in destinations):
            return fence
        problem = f"{task.arn} is not registered by Berthmaster, and no tags select it"
        registered = self._destinations.ecs_registrations.of(services, self._clock.now())
        if by_ecs := {arn for ports in registered.values() for arn in ports if arn}:
            problem += f"; ECS itself registers its service in {', '.join(sorted(by_ecs))}, so it would not drain first"
        raise InvalidEvent("detail.task", problem)
