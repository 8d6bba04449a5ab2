"""Whether a deployment may go on: its tasks get traffic from every managed destination that is to have them.

A destination's health is believed only of a target that the ledger says is registered for that very task. An address
that still drains for its former owner is as healthy as that one was.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from berthmaster.targets.model import (
    Claim,
    ClaimKey,
    ClaimState,
    Definition,
    Destination,
    Kind,
    Phase,
    Target,
    TargetGroup,
    Task,
)
from berthmaster.targets.plan.claims import ABSENT
from berthmaster.targets.plan.events import wanted

HEALTHY = "healthy"
REGISTERED = "registered"
NOT_IN_USE = "not in use"
_UNUSED = ("unused", "Target.NotInUse")
_STATES_TOLD = 3
_DESTINATIONS_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What a deployment brings: the task definition, by ARN, and since when."""

    definition: str
    created_at: datetime

    @property
    def family(self) -> str:
        """The family of its task definition."""
        return self._name.rpartition(":")[0]

    def brought(self, task: Task) -> bool:
        """Whether a task runs because of it.

        A redeployment of the same task definition is told by its time. What else of that definition was started since
        counts, too: it has to be healthy just the same.
        """
        return (
            task.phase is Phase.RUNNING
            and task.definition.rpartition("/")[2] == self._name
            and task.created_at is not None
            and task.created_at >= self.created_at
        )

    @property
    def _name(self) -> str:
        return self.definition.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessInput:
    """What the verdict rests on.

    count: how many tasks the service is to have. tasks: those of the new revision that run. claims: read before
    targets, so that a health seen is that of the claim's owner.
    """

    count: int
    tasks: tuple[Task, ...]
    destinations: Mapping[str, Destination]
    definitions: Mapping[str, Definition]
    claims: Mapping[ClaimKey, Claim]
    targets: Mapping[ClaimKey, Target]


@dataclass(frozen=True, slots=True)
class Report:
    """How the new tasks stand in one destination: how many are in which state."""

    destination: Destination
    states: Mapping[str, int]

    @property
    def tasks(self) -> int:
        """How many are to be there."""
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """How many get traffic, as far as the destination is concerned."""
        return self.states.get(self._aim, 0)

    @property
    def is_complete(self) -> bool:
        """Whether it is nothing to wait for; a target group that no load balancer uses is not."""
        return self.done + self.states.get(NOT_IN_USE, 0) == self.tasks

    @property
    def is_in_use(self) -> bool:
        """Whether a load balancer uses it, if it needs one."""
        return NOT_IN_USE not in self.states

    def __str__(self) -> str:
        """`web: 2 of 4 healthy (2 unhealthy: Target.Timeout)`."""
        others = Counter({state: count for state, count in self.states.items() if state != self._aim})
        told = [f"{count} {state}" for state, count in others.most_common(_STATES_TOLD)]
        if len(others) > _STATES_TOLD:
            told.append("…")
        rest = f" ({', '.join(told)})" if told else ""
        return f"{self.destination.name}: {self.done} of {self.tasks} {self._aim}{rest}"

    @property
    def _aim(self) -> str:
        return HEALTHY if self.destination.kind is Kind.TARGET_GROUP else REGISTERED


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a deployment may go on, and what it waits for. running: how many of its tasks run."""

    count: int
    running: int
    reports: tuple[Report, ...]

    @property
    def may_go_on(self) -> bool:
        """Whether all tasks are there, and get traffic from everywhere."""
        return self.running >= self.count and all(report.is_complete for report in self.reports)

    @property
    def reason(self) -> str:
        """What is still missing; nothing if it may go on."""
        missing = [str(report) for report in self.reports if not report.is_complete]
        told = missing[:_DESTINATIONS_TOLD]
        if len(missing) > _DESTINATIONS_TOLD:
            told.append(f"and {len(missing) - _DESTINATIONS_TOLD} more destinations")
        if self.running < self.count:
            told.insert(0, f"{self.running} of {self.count} new tasks run")
        return "; ".join(told)

    @property
    def unused(self) -> tuple[str, ...]:
        """Target groups that no load balancer uses: nothing can be said of the tasks in them."""
        return tuple(report.destination.name for report in self.reports if not report.is_in_use)


def judge(evidence: ReadinessInput) -> Readiness:
    """Decide from what is known."""
    destinations = sorted(evidence.destinations.values(), key=lambda one: one.name)
    reports = [Report(destination, _states(destination, evidence)) for destination in destinations]
    return Readiness(evidence.count, len(evidence.tasks), tuple(report for report in reports if report.tasks))


def _states(destination: Destination, evidence: ReadinessInput) -> Counter[str]:
    states: Counter[str] = Counter()
    for task in evidence.tasks:
        endpoints, findings = wanted(task, [destination], evidence.definitions)
        states.update(finding.text for finding in findings)
        states.update(_state(destination, key, task.arn, evidence) for key in endpoints)
    return states


def _state(destination: Destination, key: ClaimKey, owner: str, evidence: ReadinessInput) -> str:
    claim = evidence.claims.get(key)
    if claim is None or claim.state is ClaimState.TOMBSTONE:
        return "not yet registered"
    if claim.owner != owner:
        return "at an address that another task still holds"
    if claim.state is ClaimState.HANDOVER:
        return "waiting until the address has drained for its former owner"
    if claim.state is not ClaimState.REGISTERED:
        return str(claim.state)
    if isinstance(destination.body, TargetGroup):
        return _health(destination.body, evidence.targets.get(key, ABSENT))
    return REGISTERED


def _health(group: TargetGroup, target: Target) -> str:
    if (target.health, target.reason) == _UNUSED:
        # A load balancer that does not serve the zone of a target says the same as none at all.
        return "in a zone that the load balancer does not serve" if group.load_balancers else NOT_IN_USE
    if target.health == HEALTHY:
        return HEALTHY
    state = target.health or str(target.state)
    return f"{state}: {target.reason}" if target.reason else state
