"""Updates of services: what became of each, which one may be made next, and where there is room for it.

Each update replaces all tasks of a service, so each is made once. A service whose update was rolled back is not updated
again until a person asks for it; one whose list somebody has reset is updated once a day, twice in all. Both hold
across expansions: what counts are the accounts of all expansions of the VPC.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from berthmaster.capacity.model.plan import Plan
from berthmaster.capacity.model.tags import SIBLING_TAG
from berthmaster.capacity.model.updates import ServiceUpdate, UpdateState
from berthmaster.capacity.model.vpc import Subnet, VpcSnapshot
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.plan.deployments import DeploymentState, Judgement
from berthmaster.capacity.plan.forecast import FULL

LONGEST_DEPLOYMENT = timedelta(hours=1)
"""How long a deployment is waited for, ours or one that is in the way."""
SETTLED = timedelta(minutes=1)
"""After this, DescribeServices is taken to show what UpdateService has done."""
MOST_REPAIRS = 2
"""How often a list that somebody else has reset is restored without a person."""
BETWEEN_REPAIRS = timedelta(days=1)
TRIED_AGAIN_AFTER = timedelta(days=1)
"""When a service is tried again that AWS would not let be changed."""
WAITED_FOR_AGAIN_AFTER = timedelta(hours=1)
"""When a deployment that was in the way is waited for again; twice as long each time."""

type ServiceName = tuple[str, str]
"""The cluster of an ECS service, and its name."""

_UNTIL_ASKED = frozenset({UpdateState.ROLLED_BACK, UpdateState.FAILED})
_UNTIL_ASKED_IF_MISSING = frozenset(
    {UpdateState.UNKNOWN, UpdateState.ENDLESS, UpdateState.CALLED, UpdateState.DEPLOYING}
)
"""A service that lacks the subnets after such an update may have been rolled back."""
_NOT_AWAITED = frozenset({DeploymentState.FAILED, DeploymentState.STACK_UPDATE})


# What became of an update


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One deployment of a service: its `rolloutState` and `rolloutStateReason`."""

    id: str
    state: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A service as it is now.

    rollouts: its deployments, the primary one first. judgement: of that one; None if it has ended well, or is not asked
    for.
    """

    service: Service
    rollouts: tuple[Rollout, ...] = ()
    judgement: Judgement | None = None

    @property
    def primary(self) -> Rollout:
        """The deployment that it is to run."""
        return self.rollouts[0] if self.rollouts else Rollout(id="")

    @property
    def is_free(self) -> bool:
        """Whether the service may be updated now."""
        return self.judgement is None or self.judgement.may_update

    @property
    def is_starved(self) -> bool:
        """Whether its deployment can only end with more subnets."""
        return self.judgement is not None and self.judgement.state is DeploymentState.STARVED


def judged(update: ServiceUpdate, seen: Seen | None, now: datetime, resumed_at: datetime) -> ServiceUpdate:
    """An open update as it stands.

    seen: None if the service is gone. resumed_at: when capacity was last resumed; time before that does not count.
    """
    if seen is None:
        return replace(update, state=UpdateState.GONE)
    is_listed = set(update.subnet_ids) <= set(seen.service.subnet_ids)
    match update.state:
        case UpdateState.PENDING if is_listed:
            return replace(update, state=UpdateState.WIRED)
        case UpdateState.PENDING:
            return _waiting(update, seen, now, resumed_at)
        case UpdateState.CALLED:
            return _called(update, seen, now, is_listed=is_listed)
    return _deploying(update, seen, now, resumed_at) if is_listed else _undone(update, seen)


def _waiting(update: ServiceUpdate, seen: Seen, now: datetime, resumed_at: datetime) -> ServiceUpdate:
    """Not called yet: it waits for a deployment that is in the way, for so long.

    Not for one that has failed, nor for an update of CloudFormation: people are notified of these at once.
    """
    judgement = seen.judgement
    if judgement is None or judgement.may_update:
        return replace(update, since=None, reason=judgement.reason if judgement else "")
    since = now if update.since is None else max(update.since, resumed_at)
    if judgement.state not in _NOT_AWAITED and now - since < LONGEST_DEPLOYMENT:
        return replace(update, since=update.since or now, reason=judgement.reason)
    return replace(update, state=UpdateState.LEFT_OUT, since=now, deployment=seen.primary.id, reason=judgement.reason)


def _called(update: ServiceUpdate, seen: Seen, now: datetime, *, is_listed: bool) -> ServiceUpdate:
    """Whether UpdateService was called is not known: the run that was to call it died, or had no answer."""
    if is_listed:
        return replace(update, state=UpdateState.DEPLOYING, deployment=seen.primary.id)
    if update.called_at is not None and now - update.called_at < SETTLED:
        return update
    if seen.primary.id == update.deployment_before:
        return replace(update, state=UpdateState.PENDING, called_at=None)
    reason = "it was deployed by somebody else when UpdateService was to be called, and it is not known whether it was"
    return replace(update, state=UpdateState.UNKNOWN, reason=reason)


def _deploying(update: ServiceUpdate, seen: Seen, now: datetime, resumed_at: datetime) -> ServiceUpdate:
    if seen.primary.id == update.deployment and seen.primary.state == "FAILED":
        return replace(update, state=UpdateState.FAILED, reason=f"its deployment failed: {seen.primary.reason}")
    if not seen.service.deploying:
        return replace(update, state=UpdateState.WIRED, reason="")
    if now - max(update.called_at or now, resumed_at) < LONGEST_DEPLOYMENT:
        return update
    reason = f"its deployment has not ended within {LONGEST_DEPLOYMENT // timedelta(minutes=1)} minutes"
    return replace(update, state=UpdateState.ENDLESS, reason=reason)


def _undone(update: ServiceUpdate, seen: Seen) -> ServiceUpdate:
    """The service was given the subnets, and does not list them.

    ECS shows a deployment as long as it has tasks, and says in the one that follows a failed one that it rolls back.
    """
    ours = next((one for one in seen.rollouts if one.id == update.deployment), None)
    failed = ours if ours and ours.state == "FAILED" else None
    rollback = seen.primary if "rolling back" in seen.primary.reason else None
    if cause := failed or rollback:
        reason = f"ECS rolled its deployment back: {cause.reason}"
        return replace(update, state=UpdateState.ROLLED_BACK, reason=reason)
    if ours:
        reason = "another deployment has replaced it, without the subnets"
        return replace(update, state=UpdateState.RESET, reason=reason)
    reason = "its list is without the subnets again: ECS rolled its deployment back, or somebody reset the list"
    return replace(update, state=UpdateState.UNKNOWN, reason=reason)


def closed(update: ServiceUpdate, why: str) -> ServiceUpdate:
    """An update of an expansion that ends early: nobody looks any more at what becomes of it."""
    match update.state:
        case UpdateState.PENDING:
            return replace(update, state=UpdateState.LEFT_OUT, since=None, reason=why)
        case UpdateState.CALLED:
            return replace(update, state=UpdateState.UNKNOWN, reason=why)
        case UpdateState.DEPLOYING:
            return replace(update, state=UpdateState.ENDLESS, reason=why)
    return update


# Which one may be made next


def as_wired(snapshot: VpcSnapshot, updates: Iterable[ServiceUpdate]) -> VpcSnapshot:
    """The VPC as it will be when the updates in progress are made: their services list the subnets."""
    given: defaultdict[ServiceName, list[str]] = defaultdict(list)
    for update in updates:
        if update.state.is_open:
            given[update.name] += update.subnet_ids
    services = tuple(
        replace(one, subnet_ids=tuple(dict.fromkeys([*one.subnet_ids, *given.get((one.cluster, one.name), ())])))
        for one in snapshot.services
    )
    return replace(snapshot, services=services)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Services of a plan that are not updated for now.

    until_asked: why a person must ask for it first, by service. for_now: those for which it is too early.
    """

    until_asked: Mapping[ServiceName, str]
    for_now: frozenset[ServiceName]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a person must ask, one sentence for each service."""
        return tuple(f"ECS service {name} in {cluster} {why}" for (cluster, name), why in self.until_asked.items())


NOTHING_HELD = Held(until_asked={}, for_now=frozenset())


def held_back(plan: Plan, services: Iterable[Service], updates: Iterable[ServiceUpdate], now: datetime) -> Held:
    """The services of a plan that may not be updated now, by what became of their earlier updates, oldest first."""
    by_name: defaultdict[ServiceName, list[ServiceUpdate]] = defaultdict(list)
    for update in updates:
        by_name[update.name].append(update)
    unended = {(one.cluster, one.name): one.unended for one in services}
    until_asked: dict[ServiceName, str] = {}
    for_now: set[ServiceName] = set()
    for wiring in plan.services:
        name = wiring.cluster, wiring.service
        earlier = by_name[name]
        if why := _why_not_until_asked(set(wiring.add_ids), earlier):
            until_asked[name] = why
        elif _must_wait(set(wiring.add_ids), earlier, unended.get(name, ""), now):
            for_now.add(name)
    return Held(until_asked=until_asked, for_now=frozenset(for_now))


def _since_asked(updates: Sequence[ServiceUpdate]) -> Sequence[ServiceUpdate]:
    """The updates that were called since a person last asked for one, with that one."""
    called = [one for one in updates if one.called_at is not None]
    asked = max((number for number, one in enumerate(called) if one.asked), default=0)
    return called[asked:]


def _why_not_until_asked(missing: AbstractSet[str], updates: Sequence[ServiceUpdate]) -> str:
    called = _since_asked(updates)
    if not called:
        return ""
    last = called[-1]
    if last.state in _UNTIL_ASKED:
        return f"is not updated again until you approve: {last.reason}"
    before = [one for one in called if missing & set(one.subnet_ids)]
    if before and before[-1].state in _UNTIL_ASKED_IF_MISSING:
        return f"is not updated again until you approve: {before[-1].reason or 'it may have been rolled back'}"
    if len(before) > MOST_REPAIRS:
        return (
            f"was given {', '.join(sorted(missing))} {len(before)} times, and its list was reset each time: add them "
            "where the list is set (CloudFormation: NetworkConfiguration.AwsvpcConfiguration.Subnets; Terraform: "
            "network_configuration.subnets), or approve one more update"
        )
    return ""


def _must_wait(missing: AbstractSet[str], updates: Sequence[ServiceUpdate], unended: str, now: datetime) -> bool:
    """Whether it is too early for another update. unended: see `Service`."""
    last = updates[-1] if updates else None
    if last and last.state is UpdateState.LEFT_OUT and last.since is not None:
        if not last.deployment:
            return now - last.since < TRIED_AGAIN_AFTER
        times = sum(1 for one in updates if one.state is UpdateState.LEFT_OUT and one.deployment == last.deployment)
        return last.deployment == unended and now - last.since < WAITED_FOR_AGAIN_AFTER * 2 ** (times - 1)
    called = [one.called_at for one in _since_asked(updates) if one.called_at and missing & set(one.subnet_ids)]
    return len(called) > 1 and now - called[-1] < BETWEEN_REPAIRS


def without(plan: Plan, services: AbstractSet[ServiceName]) -> Plan:
    """The plan without some of its services."""
    return replace(plan, services=tuple(one for one in plan.services if (one.cluster, one.service) not in services))


def is_of_use(plan: Plan) -> bool:
    """Whether something can use what a plan adds: a workload that will list it, or pods, which find it by its tags."""
    return bool(plan.services or plan.callers) or any(set(one.admission_tags) - {SIBLING_TAG} for one in plan.subnets)


# Where there is room for it


type Room = Mapping[str, tuple[str, int]]
"""The zone and the free addresses of each subnet."""


def room_in(subnets: Iterable[Subnet]) -> Room:
    """The room of subnets as they are now, up to where the forecast takes them for full."""
    return {one.id: (one.zone, one.free - math.ceil((1 - FULL) * one.capacity)) for one in subnets}


def reserved(room: Room, listed: Iterable[str], addresses: int, *, spare: int = 0) -> tuple[Room, bool]:
    """The room that is left when tasks take so many addresses in these subnets, and whether they find them.

    ECS spreads tasks over the zones of the subnets, so each zone has an equal share. Which subnet of a zone it takes is
    not documented, so each must have room for all of its zone's.
    spare: addresses for the next deployment of another service, without which the VPC would be short.
    """
    subnets = [one for one in dict.fromkeys(listed) if one in room]
    zones = {room[one][0] for one in subnets}
    if not zones:
        return room, not addresses
    share, beside = math.ceil(addresses / len(zones)), math.ceil(spare / len(zones))
    left = {**room, **{one: (room[one][0], room[one][1] - share) for one in subnets}}
    return left, all(left[one][1] >= beside for one in subnets)


def due(
    updates: Sequence[ServiceUpdate], services: Mapping[ServiceName, Seen], room: Room
) -> tuple[ServiceUpdate, ...]:
    """Which of the open updates to make now: in their order, as long as the new tasks of all find addresses.

    Beside them, the next deployment of the largest service must have room, or the VPC would be short meanwhile. If no
    update of ours deploys, the next one is made in any case: it has nothing to wait for. Nor has one whose deployment
    starves: what it needs, it has been asking for all the time.
    """
    deploying = {one.name for one in updates if one.called_at}
    spare = max((one.service.surge for one in services.values()), default=0)
    for name in deploying & services.keys():
        room, _ = reserved(room, services[name].service.subnet_ids, _taken_by(services[name]))
    chosen: dict[ServiceName, ServiceUpdate] = {}
    for update in updates:
        seen = services.get(update.name)
        if update.state is not UpdateState.PENDING or seen is None or not seen.is_free or update.name in chosen:
            continue
        listed = (*seen.service.subnet_ids, *update.subnet_ids)
        left, is_enough = reserved(room, listed, _taken_by(seen), spare=spare)
        waits = update.name in deploying or (bool(deploying or chosen) and not is_enough)
        if seen.is_starved or not waits:
            chosen[update.name] = update
            room = left
    return tuple(chosen.values())


def _taken_by(seen: Seen) -> int:
    """The addresses that the deployment of a service, or its next one, may still take."""
    return seen.service.committed if seen.service.deploying else seen.service.surge
