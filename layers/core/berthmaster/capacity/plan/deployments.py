"""Why the deployment of an ECS service has not ended, and whether a change of the service's subnets may replace it.

UpdateService during a rolling deployment starts another one, which takes its place. That is right for a deployment that
starves: it fails for lack of addresses and for nothing else, and cannot end before the service lists more subnets.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.capacity.model.shortage import Cause
from berthmaster.capacity.model.workloads import ROLLING
from berthmaster.capacity.plan.causes import cause_in, subnets_in

RECENT = timedelta(minutes=20)
"""A deployment that fails tries again within 15 minutes ("Service throttle logic" of the ECS guide)."""
MOST_DEPLOYMENTS = 5
"""With so many that have not ended, ECS refuses another one (aws/containers-roadmap#2836)."""
MOST_STOPPED = 1000
"""A service of which more tasks stop within an hour has other troubles than addresses; no more of them are read."""
FAILED_TO_START = "TaskFailedToStart"
_BY_SCHEDULER = "ServiceSchedulerInitiated"
_NO_FAILURES = frozenset({"UserInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"})
"""Codes of tasks that were stopped from outside, whatever was deployed (ECS guide, "Stopped tasks error codes")."""
_INTERFACE = "Create Network Interface"
"""In ECS's reason where EC2 has refused the interface of a task."""
_SCALED = "Scaling activity initiated by"
"""How ECS's reason begins where a deployment, or the desired count, has made a task superfluous."""


class DeploymentState(StrEnum):
    """What becomes of a deployment."""

    NONE = "none"
    """None is in progress."""
    IN_PROGRESS = "in progress"
    STARVED = "starved"
    """It fails for lack of addresses in subnets for which others are added, and for nothing else."""
    FAILING = "failing"
    """It fails for other reasons: its circuit breaker ends it, or a person."""
    FAILED = "failed"
    """It was given up: a person decides whether what was deployed is deployed once more."""
    STACK_UPDATE = "stack update"
    """It starves, and belongs to an update of CloudFormation, which may take hours to give it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The primary deployment of a service.

    count: how many deployments of the service have tasks or are in progress. is_current: whether it deploys the task
    definition that the service has. is_repetition: whether tasks of an older one run the same task definition, as in a
    rollback.
    """

    id: str
    rollout_state: str
    strategy: str
    count: int
    is_current: bool
    is_repetition: bool

    @property
    def is_settled(self) -> bool:
        """Whether it has ended well, and no older one has tasks."""
        return self.count <= 1 and self.rollout_state != "IN_PROGRESS" and not self.has_failed

    @property
    def has_failed(self) -> bool:
        """Whether it was given up; then it starts no more tasks."""
        return self.rollout_state == "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedTask:
    """A task that has stopped, or is about to; subnet_id: where it was placed, if that is known."""

    deployment_id: str
    stopped_at: datetime
    stop_code: str
    reason: str
    subnet_id: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether it speaks against what was deployed, or where. An unknown code does; EC2's rate limit does not."""
        if self.stop_code == _BY_SCHEDULER:
            return not self.reason.startswith(_SCALED)
        if self.stop_code == FAILED_TO_START and _INTERFACE in self.reason:
            return cause_in(self.reason) is not Cause.THROTTLING
        return self.stop_code not in _NO_FAILURES

    @property
    def starved_in(self) -> str:
        """The subnet in which it found no address; "" if it stopped for another reason."""
        if self.stop_code != FAILED_TO_START or not cause_in(self.reason).is_shortage:
            return ""
        return next(iter(subnets_in(self.reason)), self.subnet_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a deployment is, and why, for people; deployment_id: of the one judged."""

    state: DeploymentState
    reason: str = ""
    deployment_id: str = ""

    @property
    def may_update(self) -> bool:
        """Whether the service may be changed now."""
        return self.state in {DeploymentState.NONE, DeploymentState.STARVED}


def judge(deployment: Deployment, stopped: Sequence[StoppedTask], short: AbstractSet[str], now: datetime) -> Judgement:
    """Judge a deployment by the tasks of its service that have stopped.

    stopped: those that ECS still shows, or one more than MOST_STOPPED. short: the subnets for which the service is to
    get others.
    """
    state, reason = _without_tasks(deployment) or _by_tasks(deployment, stopped, short, now)
    return Judgement(state=state, reason=reason, deployment_id=deployment.id)


def can_starve(deployment: Deployment) -> bool:
    """Whether its stopped tasks decide; if not, it is judged without them."""
    return _without_tasks(deployment) is None


def _without_tasks(deployment: Deployment) -> tuple[DeploymentState, str] | None:
    if deployment.is_settled:
        return DeploymentState.NONE, ""
    if deployment.strategy != ROLLING:
        reason = f"a {deployment.strategy} deployment is in progress, which a change of its subnets would end"
        return DeploymentState.IN_PROGRESS, reason
    if deployment.has_failed and not deployment.is_repetition:
        return DeploymentState.FAILED, "its last deployment has failed, and a change of its subnets would repeat it"
    if not deployment.is_current:
        return DeploymentState.IN_PROGRESS, "a deployment of another task definition than its own is in progress"
    return None


def _by_tasks(
    deployment: Deployment, stopped: Sequence[StoppedTask], short: AbstractSet[str], now: datetime
) -> tuple[DeploymentState, str]:
    if len(stopped) > MOST_STOPPED:
        return DeploymentState.FAILING, f"more than {MOST_STOPPED} of its tasks have stopped within an hour"
    own = [one for one in stopped if one.deployment_id == deployment.id and one.is_failure]
    failures = own if deployment.has_failed else [one for one in own if one.stopped_at > now - RECENT]
    others = [one for one in failures if not one.starved_in]
    if others:
        newest = max(others, key=lambda one: one.stopped_at)
        reason = newest.reason or newest.stop_code or "AWS names no reason"
        return DeploymentState.FAILING, f"tasks of its deployment also fail for another reason: {reason}"
    starved_in = {one.starved_in for one in failures}
    where = ", ".join(sorted(starved_in))
    if not starved_in & short:
        found = f", and finds no address in {where}" if where else ""
        if deployment.has_failed:
            return DeploymentState.FAILED, f"its last deployment has failed{found}"
        return DeploymentState.IN_PROGRESS, f"a deployment is in progress{found}"
    if deployment.count >= MOST_DEPLOYMENTS:
        reason = f"{deployment.count} deployments of it have not ended, and ECS takes no more"
        return DeploymentState.IN_PROGRESS, reason
    return DeploymentState.STARVED, f"its deployment finds no address in {where}"
