"""Whether a deployment may continue: all managed destinations of its tasks send them traffic.

The health that a destination shows counts only if the ledger says that the target is registered for that very task: an
address that still drains for its former owner shows the health of the former owner.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from berthmaster.arn import Arn
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
    family_of,
)
from berthmaster.targets.plan.claims import ABSENT
from berthmaster.targets.plan.events import endpoints_of

HEALTHY = "healthy"
REGISTERED = "registered"
NOT_IN_USE = "not in use"
_UNUSED = ("unused", "Target.NotInUse")
_STATES_SHOWN = 3
_DESTINATIONS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The service revision that a deployment brings: its task definition, by ARN, and when it was created."""

    definition: str
    created_at: datetime

    @property
    def family(self) -> str:
        """The family of its task definition."""
        return family_of(self.definition)

    def includes(self, task: Task) -> bool:
        """Whether a running task belongs to it.

        A redeployment of the same task definition is distinguished by its time. Other tasks of that definition that
        were started since count too: they have to be healthy just the same.
        """
        return (
            task.phase is Phase.RUNNING
            and Arn.parse(task.definition).name == Arn.parse(self.definition).name
            and task.created_at is not None
            and task.created_at >= self.created_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessInput:
    """What readiness is judged by.

    count: the desired count of the service. tasks: the running tasks of the new revision. claims: read before targets,
    so that a health that is shown is the health of the claim's owner.
    """

    count: int
    tasks: tuple[Task, ...]
    destinations: Mapping[str, Destination]
    definitions: Mapping[str, Definition]
    claims: Mapping[ClaimKey, Claim]
    targets: Mapping[ClaimKey, Target]


@dataclass(frozen=True, slots=True)
class DestinationReadiness:
    """The new tasks in one destination: how many are in which state."""

    destination: Destination
    states: Mapping[str, int]

    @property
    def tasks(self) -> int:
        """How many are to be registered there."""
        return sum(self.states.values())

    @property
    def ready(self) -> int:
        """How many receive traffic, as far as the destination shows."""
        return self.states.get(self._goal, 0)

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing to wait for, as in a target group that no load balancer uses."""
        return self.ready + self.states.get(NOT_IN_USE, 0) == self.tasks

    @property
    def is_in_use(self) -> bool:
        """Whether a load balancer uses it, if it needs one."""
        return NOT_IN_USE not in self.states

    def __str__(self) -> str:
        """`web: 2 of 4 healthy (2 unhealthy: Target.Timeout)`."""
        others = Counter({state: count for state, count in self.states.items() if state != self._goal})
        shown = [f"{count} {state}" for state, count in others.most_common(_STATES_SHOWN)]
        if len(others) > _STATES_SHOWN:
            shown.append("…")
        rest = f" ({', '.join(shown)})" if shown else ""
        return f"{self.destination.name}: {self.ready} of {self.tasks} {self._goal}{rest}"

    @property
    def _goal(self) -> str:
        return HEALTHY if self.destination.kind is Kind.TARGET_GROUP else REGISTERED


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a deployment may continue, and what it waits for.

    running: how many of its tasks run. later: the names of destinations in which they are registered only when
    production traffic shifts.
    """

    count: int
    running: int
    destinations: tuple[DestinationReadiness, ...] = ()
    later: tuple[str, ...] = ()

    @property
    def may_continue(self) -> bool:
        """Whether all tasks run and receive traffic from everywhere."""
        return self.running >= self.count and all(one.is_complete for one in self.destinations)

    @property
    def reason(self) -> str:
        """What is missing; empty if it may continue."""
        missing = [str(one) for one in self.destinations if not one.is_complete]
        shown = missing[:_DESTINATIONS_SHOWN]
        if len(missing) > _DESTINATIONS_SHOWN:
            shown.append(f"and {len(missing) - _DESTINATIONS_SHOWN} more destinations")
        if self.running < self.count:
            shown.insert(0, f"{self.running} of {self.count} new tasks run")
        return "; ".join(shown)

    @property
    def found(self) -> str:
        """What lets it continue."""
        if self.later:
            shown = ", ".join(self.later[:_DESTINATIONS_SHOWN])
            tasks = f"{self.running} of {self.count} new tasks run"
            return f"{tasks}; in {shown} they are registered when production traffic shifts"
        return "; ".join(map(str, self.destinations)) or "no tasks are desired, or no managed destination selects them"

    @property
    def unused(self) -> tuple[str, ...]:
        """Target groups that no load balancer uses: they show no health of the tasks in them."""
        return tuple(one.destination.name for one in self.destinations if not one.is_in_use)


def judge(evidence: ReadinessInput) -> Readiness:
    """Judge whether a deployment may continue."""
    destinations = sorted(evidence.destinations.values(), key=lambda one: one.name)
    found = [DestinationReadiness(destination, _states(destination, evidence)) for destination in destinations]
    return Readiness(evidence.count, len(evidence.tasks), tuple(one for one in found if one.tasks))


def _states(destination: Destination, evidence: ReadinessInput) -> Counter[str]:
    states: Counter[str] = Counter()
    for task in evidence.tasks:
        endpoints, findings = endpoints_of(task, [destination], evidence.definitions)
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
    if claim.early_at is not None:
        return "registered while the address drains for its former owner, whose health may be shown"
    if isinstance(destination.body, TargetGroup):
        return _health(destination.body, evidence.targets.get(key, ABSENT))
    return REGISTERED


def _health(group: TargetGroup, target: Target) -> str:
    if (target.health, target.reason) == _UNUSED:
        # AWS says the same of a target in a zone that the load balancer does not serve.
        return "in a zone that the load balancer does not serve" if group.load_balancers else NOT_IN_USE
    if target.health == HEALTHY:
        return HEALTHY
    state = target.health or str(target.state)
    return f"{state}: {target.reason}" if target.reason else state
