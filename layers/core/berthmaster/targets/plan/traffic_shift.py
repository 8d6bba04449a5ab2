"""Whether the tasks of a service may take production traffic yet.

A blue/green, linear or canary deployment starts the tasks of its revision long before it shifts production traffic to
them, and may be rolled back until then; a deployment controller of type CODE_DEPLOY or EXTERNAL does the same with task
sets. What ECS itself registers follows the shift, and so do the destinations of Berthmaster. From the shift on, all
tasks are registered: the old ones serve until they stop.

Source: `ServiceDeployment`, `TaskSet` and `Task.startedBy` in the Amazon ECS API reference. That the number of a
deployment (`ecs-svc/<number>`) is that of its service revision is seen in answers of AWS, and documented nowhere;
where it is not, the task definition and the times of creation decide.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.targets.model import Finding, Task

BEFORE_SHIFT = frozenset(
    {
        "RECONCILE_SERVICE",
        "PRE_SCALE_UP",
        "SCALE_UP",
        "POST_SCALE_UP",
        "TEST_TRAFFIC_SHIFT",
        "POST_TEST_TRAFFIC_SHIFT",
        "PRE_PRODUCTION_TRAFFIC_SHIFT",
    }
)
SINCE_SHIFT = frozenset({"PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"})
SOONEST_CHECK, LATEST_CHECK = timedelta(seconds=5), timedelta(seconds=30)
CHECKS_PER_AGE = 20
"""A task that has waited for five minutes is checked every fifteen seconds."""
LONG = timedelta(minutes=9)
"""Who waits for so long is reported by the next reconciliation."""


class Traffic(StrEnum):
    """Whether a task may take production traffic."""

    PRODUCTION = "production"
    NOT_YET = "not yet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A service revision or a task set, by the id that its tasks are started by.

    definition, created_at: empty where they need not be read, since its tasks are recognised by its id.
    """

    id: str
    in_production: bool
    definition: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A deployment of a service whose tasks do not all take production traffic; problem: why that is not known."""

    revisions: tuple[Revision, ...] = ()
    problem: str = ""

    def traffic_of(self, task: Task) -> Traffic:
        """Whether a task of the service may take production traffic."""
        own = [one for one in self.revisions if one.id == task.started_by] or self._alike(task)
        found = {one.in_production for one in own}
        if self.problem or len(found) != 1:
            return Traffic.UNKNOWN
        return Traffic.PRODUCTION if found.pop() else Traffic.NOT_YET

    def recognises(self, task: Task) -> bool:
        """Whether it is known by its id which revision started a task."""
        return any(one.id == task.started_by for one in self.revisions)

    def _alike(self, task: Task) -> list[Revision]:
        """The revisions that may have started a task: with its task definition, and older than it."""
        return [
            one
            for one in self.revisions
            if one.definition == task.definition
            and one.created_at is not None
            and task.created_at is not None
            and one.created_at <= task.created_at
        ]


def is_in_production(*, status: str, stage: str, weight: float) -> bool | None:
    """Whether production traffic was, or is being, shifted to the target of a service deployment; None if unknown.

    weight: the share of production traffic that is requested for it. Before each further step of a linear or canary
    shift the stage is an earlier one again.
    """
    if weight > 0:
        return True
    if status.startswith("ROLLBACK") or status == "PENDING":
        return False
    if stage in SINCE_SHIFT:
        return True
    return False if stage in BEFORE_SHIFT else None


def next_check(task: Task, now: datetime) -> datetime:
    """When to look again whether production traffic has been shifted to a task."""
    age = now - task.started_at if task.started_at else timedelta()
    return now + min(max(age / CHECKS_PER_AGE, SOONEST_CHECK), LATEST_CHECK)


def shift_findings(
    destination: str, tasks: Iterable[tuple[Task, Traffic]], problems: Mapping[str, str]
) -> list[Finding]:
    """What people should know of tasks that are not registered in a destination for lack of production traffic.

    problems: by `cluster/service`, why it is not known which tasks take production traffic.
    """
    found: dict[Finding, None] = {}
    for task, traffic in tasks:
        service = f"{task.cluster}/{task.service}"
        if traffic is Traffic.UNKNOWN:
            problem = problems.get(service) or "ECS does not show which of its revisions started them"
            text = f"new tasks of {service} are not registered: whether they take traffic is not known ({problem})"
            found[Finding(destination=destination, code="traffic shift unknown", text=text)] = None
        elif traffic is Traffic.NOT_YET and task.started_at and task.seen_at - task.started_at > LONG:
            text = f"tasks of {service} run and wait for the production traffic shift of their deployment"
            found[Finding(destination=destination, code="waits for the traffic shift", text=text)] = None
    return list(found)
