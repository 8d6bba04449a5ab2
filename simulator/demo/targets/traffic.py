"""Requests through an Application Load Balancer: which targets it considers healthy, and which tasks are really there.

Requests are not simulated one by one: each second's are spread evenly over the targets that the load balancer would
choose among, which are the healthy ones, or all if none is healthy (`unhealthy_state_routing.minimum_healthy_targets`
is 1 by default).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simulator.demo.targets.outcome import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.aws.ecs.task import Task
    from simulator.aws.elbv2.targets import Key, Target
    from simulator.cloud import Cloud
    from simulator.workload.fleet import Fleet

    type Belongs = Callable[[Task], bool]

PER_SECOND = 50.0
"""Requests to each target group."""
STRETCH = 10
PATIENCE = 120.0

# CreateTargetGroup's defaults for HTTP; a new target is healthy after its first success (ALB guide, health checks).
INTERVAL = 30.0
FAILURES_UNTIL_UNHEALTHY = 2
SUCCESSES_UNTIL_HEALTHY = 5


@dataclass(slots=True)
class _Checked:
    """A target as the load balancer sees it; `wrong_since`: since when its requests go wrong."""

    registered_at: float
    next_check: float
    is_healthy: bool = False
    is_new: bool = True
    against: int = 0
    wrong_since: float | None = None


class Traffic:
    """The requests to some target groups, each with a rule that says which tasks belong there."""

    def __init__(self, cloud: Cloud, fleet: Fleet, groups: Mapping[str, Belongs]) -> None:
        self._cloud = cloud
        self._fleet = fleet
        self._groups = groups
        self._checked: dict[tuple[str, Key], _Checked] = {}
        self._ran: dict[str, Task] = {}
        self._served: dict[str, float] = {}
        self._dead: list[int] = []
        self._wrong: list[float] = []
        self.phases: list[Phase] = []
        self.requests = 0.0
        self.longest_dead = 0.0
        cloud.targets.answers = lambda ip, port: self._listener(ip, port) is not None
        cloud.tasks.watchers.append(self._task_changed)
        cloud.clock.every(1.0, self._second)

    def begin(self, text: str) -> None:
        """Begin a phase; before the first, nothing is counted."""
        self.phases.append(Phase(self._now(), text))

    @property
    def dead(self) -> tuple[int, ...]:
        """In each stretch, the most addresses at once whose requests went wrong."""
        return tuple(max(self._dead[start : start + STRETCH]) for start in range(0, len(self._dead), STRETCH))

    @property
    def so_far(self) -> tuple[float, ...]:
        """Requests that had gone wrong by the end of each stretch."""
        ends = range(STRETCH, len(self._wrong) + STRETCH, STRETCH)
        return tuple(self._wrong[min(end, len(self._wrong)) - 1] for end in ends)

    def waits(self) -> tuple[float, ...]:
        """Seconds from RUNNING to the first request, of each task that got one."""
        return tuple(sorted(at - self._since(self._ran[arn]) for arn, at in self._served.items()))

    def unused(self) -> int:
        """Tasks that ran for a while and never got a request."""
        ran = (task for arn, task in self._ran.items() if arn not in self._served)
        return sum(self._until(task) - self._since(task) >= PATIENCE for task in ran)

    def _second(self) -> None:
        wrong = sum(self._spread(group) for group in self._groups)
        if self.phases:
            self._dead.append(wrong)
            self._wrong.append(sum(phase.lost + phase.misdirected for phase in self.phases))

    def _spread(self, group: str) -> int:
        """Send a second's requests to the targets of a group; returns how many targets they go wrong at."""
        targets = self._registered(group)
        self._forget(group, targets)
        checked = {key: self._check(group, key, target) for key, target in targets.items()}
        healthy = {key: one for key, one in checked.items() if one.is_healthy}
        chosen = healthy or checked
        self._count(requests=PER_SECOND, lost=0 if chosen else PER_SECOND)
        wrong = 0
        for key, one in checked.items():
            listener = self._listener(*key)
            if key not in chosen or (listener and self._groups[group](listener)):
                one.wrong_since = None
                if key in chosen and listener:
                    self._served.setdefault(listener.arn, self._now())
                continue
            wrong += 1
            share = PER_SECOND / len(chosen)
            self._count(**{"misdirected" if listener else "lost": share})
            self._note_wrong(one)
        return wrong

    def _note_wrong(self, one: _Checked) -> None:
        one.wrong_since = self._now() - 1 if one.wrong_since is None else one.wrong_since
        if self.phases:
            self.longest_dead = max(self.longest_dead, self._now() - one.wrong_since)

    def _count(self, *, requests: float = 0.0, lost: float = 0.0, misdirected: float = 0.0) -> None:
        if self.phases:
            last = self.phases[-1]
            self.requests += requests
            self.phases[-1] = replace(last, lost=last.lost + lost, misdirected=last.misdirected + misdirected)

    def _check(self, group: str, key: Key, target: Target) -> _Checked:
        one = self._checked.get((group, key))
        if one is None or one.registered_at != target.registered_at:
            first = target.registered_at + self._cloud.targets.initial_delay
            one = self._checked[group, key] = _Checked(target.registered_at, first)
        while one.next_check <= self._now():
            one.next_check += INTERVAL
            self._look(one, answers=self._listener(*key) is not None)
        return one

    def _look(self, one: _Checked, *, answers: bool) -> None:
        one.against = one.against + 1 if answers != one.is_healthy else 0
        needed = SUCCESSES_UNTIL_HEALTHY if answers else FAILURES_UNTIL_UNHEALTHY
        if one.against >= (1 if one.is_new else needed):
            one.is_healthy, one.against = answers, 0
        one.is_new = False

    def _registered(self, group: str) -> dict[Key, Target]:
        return {key: target for key, target in self._cloud.targets.of(group).items() if not target.drains}

    def _forget(self, group: str, targets: Mapping[Key, Target]) -> None:
        for name, key in list(self._checked):
            if name == group and key not in targets:
                del self._checked[name, key]

    def _listener(self, ip: str, port: int) -> Task | None:
        task = self._fleet.occupant(ip)
        return task if task is not None and task.is_listening and task.port == port else None

    def _task_changed(self, task: Task) -> None:
        if task.is_running and any(belongs(task) for belongs in self._groups.values()):
            self._ran.setdefault(task.arn, task)

    def _since(self, task: Task) -> float:
        return task.running_at.timestamp() if task.running_at else self._now()

    def _until(self, task: Task) -> float:
        return task.left_at.timestamp() if task.left_at else self._now()

    def _now(self) -> float:
        return self._cloud.clock.timestamp()
