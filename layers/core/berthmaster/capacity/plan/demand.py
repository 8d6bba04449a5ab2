"""What each subnet group of a VPC needs: measured use, running deployments and the forecast, against its capacity.

A group is judged once for each set of its subnets that somebody uses: an empty subnet is of no use to a service that
does not list it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from berthmaster.capacity.model.plan import Need, Obstacle, Policy
from berthmaster.capacity.model.shortage import Cause
from berthmaster.capacity.model.tags import IGNORED, MANAGED_TAG
from berthmaster.capacity.model.vpc import PREFIX_SIZE, RESERVED_PER_SUBNET, Occupancy, Subnet, SubnetGroup, VpcSnapshot
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.plan.consumers import MOST_HOLDERS, NODES, Consumer, consumers_of, obstacle_of, why_no_service
from berthmaster.capacity.plan.forecast import Outlook, outlook

LOAD_FACTOR = 0.8
"""Share of its capacity that a group is planned to use at the horizon; a fuller one would be short again at once."""
SHORT_SHARE = 0.05
SHORT_ADDRESSES = 8
"""A reported shortage is confirmed if the subnet has no more free addresses than this number, or than this share. Tasks
start and stop between the failure and the check; AWS needs 8 free addresses to scale a load balancer (ELB guide)."""
SURGES_AHEAD = 2
"""A zone with room for fewer deployments than this is expanded together with one that is short."""


class History(Protocol):
    """Past use, as sums over subnets: `[(minute since the epoch, used), …]`, oldest first, without gaps."""

    def addresses(self, subnet_ids: Sequence[str]) -> list[tuple[int, int]]:
        """Addresses in use."""

    def prefixes(self, subnet_ids: Sequence[str]) -> list[tuple[int, int]]:
        """/28 blocks that cannot be assigned as a prefix any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDemand:
    """Addresses of some subnets of a group that deployments will take.

    committed: running deployments may still take them. surge: the next deployment of the largest service would.
    """

    committed: int = 0
    surge: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Subnets of one group that the same consumers use, and their forecast.

    subnets: as a group. prefixes: None if nobody of them uses prefixes. consumers: who uses exactly these subnets.
    extended: the same with the added subnets that its consumers do not list; None if they list them all.
    """

    subnets: SubnetGroup
    deployments: DeploymentDemand
    addresses: Outlook
    prefixes: Outlook | None
    free_prefixes: int
    consumers: tuple[Consumer, ...] = ()
    extended: "Pool | None" = None

    @property
    def needs_room(self) -> bool:
        """Whether its consumers need more addresses or prefixes now."""
        return self.needs_addresses or self.needs_prefixes

    @property
    def needs_prefixes(self) -> bool:
        """Whether the forecast asks for prefixes."""
        return self.prefixes is not None and self.prefixes.needs_room

    @property
    def needs_addresses(self) -> bool:
        """Whether the forecast asks for addresses, or the next deployment would not find enough."""
        return self.addresses.needs_room or self.missing_for_surge > 0

    @property
    def missing_for_surge(self) -> int:
        """Addresses that the next deployment of the largest service would not find."""
        surge = self.deployments.surge
        return surge - self.left if surge else 0

    @property
    def left(self) -> int:
        """Free addresses that running deployments will not take."""
        return self.subnets.free - self.deployments.committed

    @property
    def hours_pessimistic(self) -> float | None:
        """Hours until addresses or prefixes run out, whichever is sooner; None if neither is expected to."""
        outlooks = [self.addresses, *([self.prefixes] if self.prefixes else [])]
        return min((one.hours_pessimistic for one in outlooks if one.hours_pessimistic is not None), default=None)

    @property
    def reason(self) -> str:
        """Why addresses are needed or not, for people."""
        if self.addresses.needs_room:
            return self.addresses.reason
        if self.missing_for_surge > 0:
            return (
                f"{self.subnets.free} addresses are free, running deployments may take {self.deployments.committed} of"
                f" them, and the next deployment would take {self.deployments.surge}"
            )
        if self.prefixes and self.prefixes.needs_room:
            return f"prefixes: {self.prefixes.reason}"
        return self.addresses.reason

    @property
    def are_given(self) -> bool:
        """Whether Berthmaster can give one of its consumers, that takes addresses, a new subnet."""
        return any(one.is_active and not one.barrier for one in self.consumers)

    @property
    def can_list_more(self) -> bool:
        """Whether Berthmaster can add existing subnets to the list of one of its consumers."""
        return self.extended is not None and any(one.has_list and not one.barrier for one in self.consumers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The state of one group of subnets.

    whole: all its subnets together. pools: by who uses which of them; at least one. holders: addresses by owner.
    """

    group: SubnetGroup
    whole: Pool
    pools: tuple[Pool, ...]
    holders: Mapping[str, int]

    @property
    def needs_room(self) -> bool:
        """Whether somebody needs more addresses or prefixes now."""
        return any(pool.needs_room for pool in self.pools)

    @property
    def can_be_helped(self) -> bool:
        """Whether Berthmaster can give one of those who need more a subnet, a new one or one that exists."""
        return any(pool.needs_room and (pool.are_given or pool.can_list_more) for pool in self.pools)

    @property
    def worst(self) -> Pool:
        """The pool that is short, or will be soonest."""
        return min(self.pools, key=lambda one: (not one.needs_room, _or_never(one.hours_pessimistic), one.left))

    @property
    def hours_pessimistic(self) -> float | None:
        """Hours until addresses or prefixes of a pool run out; None if that is not expected."""
        return min((one.hours_pessimistic for one in self.pools if one.hours_pessimistic is not None), default=None)

    @property
    def in_use(self) -> str:
        """Who uses most of the addresses, for people."""
        held = Counter(self.holders).most_common(MOST_HOLDERS)
        return ", ".join(f"{count} by {holder}" for holder, count in held)


def _or_never(hours: float | None) -> float:
    return math.inf if hours is None else hours


def groups_of(subnets: Sequence[Subnet]) -> tuple[SubnetGroup, ...]:
    """Each subnet with those that Berthmaster added for it; an added one whose origin is gone is its own group."""
    by_id = {subnet.id: subnet for subnet in subnets}
    members: dict[str, list[Subnet]] = {}
    for subnet in sorted(subnets, key=lambda one: (one.id != one.origin, one.id)):
        members.setdefault(subnet.origin if subnet.origin in by_id else subnet.id, []).append(subnet)
    return tuple(SubnetGroup(origin=by_id[origin], members=tuple(group)) for origin, group in members.items())


type Spread = Sequence[tuple[Service, Mapping[str, int]]]
"""Services, each with the number of groups that it uses, by zone."""


def spread_of(groups: Sequence[SubnetGroup], services: Iterable[Service]) -> Spread:
    """The services and the zones of the groups that each uses."""
    group_of = {member.id: group.origin for group in groups for member in group.members}
    found = []
    for service in services:
        used = {group_of[one].id: group_of[one].zone for one in service.subnet_ids if one in group_of}
        found.append((service, Counter(used.values())))
    return found


def deployments_in(ids: frozenset[str], group: SubnetGroup, spread: Spread) -> DeploymentDemand:
    """What deployments take of these subnets of a group.

    ECS spreads the tasks of a service over the zones of its subnets, and does not document the choice within a zone:
    there each group, and each of its subnets, is assumed to get an equal share.
    """
    committed, surge, members = 0, 0, group.ids
    for service, zones in spread:
        listed = members & set(service.subnet_ids)
        share, parts = len(listed & ids), len(listed) * len(zones) * zones.get(group.origin.zone, 0)
        if share:
            committed += math.ceil(service.committed * share / parts)
            surge = max(surge, math.ceil(service.surge * share / parts))
    return DeploymentDemand(committed=committed, surge=surge)


def assess(snapshot: VpcSnapshot, history: History, caller_roles: str = "") -> tuple[Assessment, ...]:
    """Measure and forecast every group of one VPC in which AWS assigns addresses, except those tagged as ignored.

    caller_roles: of the policy.
    """
    groups = groups_of(snapshot.subnets)
    spread = spread_of(groups, snapshot.services)
    return tuple(
        _Assessor(snapshot, group, spread, history).assessment(caller_roles)
        for group in groups
        if group.origin.tags.get(MANAGED_TAG) != IGNORED and group.capacity
    )


class _Assessor:
    """Measures the subnets of one group, each set of them once."""

    def __init__(self, snapshot: VpcSnapshot, group: SubnetGroup, spread: Spread, history: History) -> None:
        self._snapshot = snapshot
        self._group = group
        self._history = history
        members = group.ids
        self._spread = [one for one in spread if not members.isdisjoint(one[0].subnet_ids)]
        self._measured: dict[frozenset[str], Pool] = {}

    def assessment(self, caller_roles: str) -> Assessment:
        whole = self._pool(self._group.ids)
        by_use: dict[frozenset[str], list[Consumer]] = {}
        for consumer in consumers_of(self._snapshot, self._group, caller_roles):
            by_use.setdefault(consumer.uses, []).append(consumer)
        pools = tuple(self._used_pool(ids, consumers) for ids, consumers in by_use.items())
        return Assessment(
            group=self._group,
            whole=whole,
            pools=pools or (whole,),
            holders=sum((Counter(one.holders) for one in self._occupied(self._group.ids)), Counter()),
        )

    def _used_pool(self, ids: frozenset[str], consumers: Sequence[Consumer]) -> Pool:
        extended = ids | {one.id for one in self._group.members if one.is_added and one.state == "available"}
        pool = self._pool(ids)
        return replace(
            pool,
            # A service, rule or schedule takes single addresses.
            prefixes=None if all(one.has_list for one in consumers) else pool.prefixes,
            consumers=tuple(consumers),
            extended=self._pool(extended) if extended != ids else None,
        )

    def _pool(self, ids: frozenset[str]) -> Pool:
        if ids not in self._measured:
            self._measured[ids] = self._measure(ids)
        return self._measured[ids]

    def _measure(self, ids: frozenset[str]) -> Pool:
        subnets = SubnetGroup(
            origin=self._group.origin, members=tuple(one for one in self._group.members if one.id in ids)
        )
        names, occupied = sorted(ids), self._occupied(ids)
        free_prefixes = sum(one.free_prefixes for one in occupied)
        prefixes = None
        if any(one.held_prefixes for one in occupied):
            blocked = subnets.prefix_capacity - free_prefixes
            prefixes = outlook(self._with_now(self._history.prefixes(names), blocked), subnets.prefix_capacity)
        deployments = deployments_in(ids, self._group, self._spread)
        return Pool(
            subnets=subnets,
            deployments=deployments,
            addresses=outlook(
                self._with_now(self._history.addresses(names), subnets.capacity - subnets.free),
                subnets.capacity,
                committed=deployments.committed,
            ),
            prefixes=prefixes,
            free_prefixes=free_prefixes,
        )

    def _occupied(self, ids: frozenset[str]) -> list[Occupancy]:
        return [self._snapshot.occupancy[one] for one in sorted(ids) if one in self._snapshot.occupancy]

    def _with_now(self, samples: list[tuple[int, int]], used: int) -> list[tuple[int, int]]:
        minute = int(self._snapshot.taken_at.timestamp()) // 60
        return [*samples[: -1 if samples and samples[-1][0] >= minute else None], (minute, used)]


def needs(
    assessments: Sequence[Assessment],
    policy: Policy,
    *,
    services: Sequence[Service],
    reported: Mapping[str, Cause],
    requested: Mapping[str, int],
    whoever_uses_it: bool = False,
) -> tuple[Need, ...]:
    """What to add, by group, in the order of the assessments.

    services: of the VPC; those that must list new subnets are deployed again, in all their zones.
    reported: by subnet id, what could not be assigned there, an address or a prefix; confirmed here or dropped.
    requested: by subnet id, how many addresses an operator asks for.
    whoever_uses_it: whether subnets are added also where nobody is known who would use them.
    """
    found: list[Need] = []
    for assessment in assessments:
        ids = assessment.group.ids
        asked = sum(count for subnet, count in requested.items() if subnet in ids)
        if asked:
            reason = f"an operator asked for {asked} addresses"
            found.append(_need(assessment, Cause.ADDRESSES, asked, reason))
        elif short := _short_pools(assessment, reported):
            found.append(_need_of(assessment, short, policy, whoever_uses_it=whoever_uses_it))
    return (*found, *_needs_of_other_zones(found, assessments, services, policy))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    """A pool whose consumers need more. is_listing_enough: whether added subnets that they do not list have it."""

    pool: Pool
    cause: Cause
    reason: str
    is_listing_enough: bool = False

    @property
    def is_built(self) -> bool:
        """Whether a new subnet is needed and used."""
        if self.cause is Cause.PREFIXES:
            # Only pods ask for a prefix, and nodes without pods do not find the new subnet.
            return not any(one.label == NODES for one in self.pool.consumers)
        return not self.is_listing_enough and self.pool.are_given

    @property
    def is_listed(self) -> bool:
        """Whether it is enough to list what exists, and that can be done."""
        return self.is_listing_enough and self.pool.can_list_more


def _short_pools(assessment: Assessment, reported: Mapping[str, Cause]) -> list[_Short]:
    """The pools that are short: measured, forecast, or reported and confirmed."""
    ids = assessment.group.ids
    causes = {cause for subnet, cause in reported.items() if subnet in ids}
    short = [_short(pool) for pool in assessment.pools if pool.needs_room]
    is_known = any(one.cause is Cause.PREFIXES for one in short)
    if not is_known and Cause.PREFIXES in causes and assessment.whole.free_prefixes == 0:
        short.append(_Short(pool=_for_prefixes(assessment), cause=Cause.PREFIXES, reason="no /28 block is free"))
    if not short and Cause.ADDRESSES in causes and (full := _full_members(assessment.group, reported)):
        short = [found for pool in assessment.pools if (found := _short_by_report(pool, full))]
    return short


def _short(pool: Pool) -> _Short:
    cause = Cause.PREFIXES if pool.needs_prefixes else Cause.ADDRESSES
    reason = pool.prefixes.reason if pool.prefixes and pool.needs_prefixes else pool.reason
    is_enough = cause is Cause.ADDRESSES and pool.extended is not None and not pool.extended.needs_addresses
    return _Short(pool=pool, cause=cause, reason=reason, is_listing_enough=is_enough)


def _for_prefixes(assessment: Assessment) -> Pool:
    """The pool of pods; all of the group if none is known."""
    pods = (pool for pool in assessment.pools if any(not one.has_list and one.label for one in pool.consumers))
    return next(pods, assessment.whole)


def _short_by_report(pool: Pool, full: Sequence[Subnet]) -> _Short | None:
    """A pool that lists a full subnet and has few free addresses in others."""
    concerned = [one for one in full if one.id in pool.subnets.ids]
    # Of those that only hold addresses, which subnets they may use is not known; one of them has just failed.
    is_known = any(one.label for one in pool.consumers)
    if not concerned or (is_known and _has_room_beside(pool, concerned)):
        return None
    names = ", ".join(f"{one.id} ({one.free} free)" for one in concerned)
    return _Short(
        pool=pool,
        cause=Cause.ADDRESSES,
        reason=f"{names} ran out of addresses",
        is_listing_enough=pool.extended is not None and _has_room_beside(pool.extended, full),
    )


def _has_room_beside(pool: Pool, full: Sequence[Subnet]) -> bool:
    elsewhere = pool.subnets.free - sum(one.free for one in full if one.id in pool.subnets.ids)
    return elsewhere > max(SHORT_ADDRESSES, pool.deployments.committed)


def _full_members(group: SubnetGroup, reported: Mapping[str, Cause]) -> list[Subnet]:
    return [
        member
        for member in group.members
        if member.id in reported and member.free <= max(SHORT_ADDRESSES, SHORT_SHARE * member.capacity)
    ]


def _need_of(assessment: Assessment, short: Sequence[_Short], policy: Policy, *, whoever_uses_it: bool) -> Need:
    """A new subnet if that is needed and used; else the listing of what exists; else what people must change.

    One for prefixes comes first: the next run adds one for addresses.
    """
    built = [one for one in short if one.is_built or (whoever_uses_it and not one.is_listing_enough)]
    built = [one for one in built if one.cause is Cause.PREFIXES] or built
    if built:
        return max((_sized(assessment, one, policy) for one in built), key=lambda one: one.addresses)
    if listed := next((one for one in short if one.is_listed), None):
        return _need(assessment, listed.cause, 0, f"{listed.reason}; {_room_in_added(listed.pool)}")
    first = short[0]
    stuck = [consumer for one in short for consumer in one.pool.consumers]
    added = _added_with_room(first.pool) if first.is_listing_enough else []
    obstacle = obstacle_of(assessment.group, stuck, assessment.in_use, added)
    return _need(assessment, first.cause, 0, first.reason, obstacle)


def _added_with_room(pool: Pool) -> list[str]:
    """The added subnets that the consumers of a pool do not list and that have free addresses."""
    members = pool.extended.subnets.members if pool.extended else ()
    return [one.id for one in members if one.id not in pool.subnets.ids and one.free > SHORT_ADDRESSES]


def _room_in_added(pool: Pool) -> str:
    unlisted = [one for one in pool.extended.subnets.members if one.id not in pool.subnets.ids] if pool.extended else []
    return "; ".join(f"{one.id}, which was added for it and is not listed, has {one.free} free" for one in unlisted)


def _sized(assessment: Assessment, short: _Short, policy: Policy) -> Need:
    if short.cause is Cause.PREFIXES:
        return _prefix_need(assessment, short.pool, policy, short.reason)
    return _address_need(assessment, short.pool.extended or short.pool, policy, short.reason)


def _needs_of_other_zones(
    found: Sequence[Need], assessments: Sequence[Assessment], services: Sequence[Service], policy: Policy
) -> Iterator[Need]:
    """Needs of groups that are nearly short, and whose services are deployed again for other zones anyway.

    One zone at a time, each expansion would deploy every service again, and each deployment takes addresses in all
    zones.
    """
    groups = {assessment.group.origin.id: assessment.group for assessment in assessments}
    wanting = [groups[need.origin_id].ids for need in found if not need.obstacle]
    deployed_again = [
        set(service.subnet_ids)
        for service in services
        if not why_no_service(service) and any(ids & set(service.subnet_ids) for ids in wanting)
    ]
    concerned = {need.origin_id for need in found}
    for assessment in assessments:
        if assessment.group.origin.id in concerned:
            continue
        for pool in assessment.pools:
            surge = pool.deployments.surge
            is_deployed_again = pool.are_given and any(pool.subnets.ids & listed for listed in deployed_again)
            if is_deployed_again and pool.left < SURGES_AHEAD * surge:
                reason = (
                    f"its services are deployed again for other zones, which takes up to {surge} addresses at a time, "
                    f"and {pool.left} are left"
                )
                if pool.can_list_more and pool.extended and pool.extended.left >= SURGES_AHEAD * surge:
                    yield _need(assessment, Cause.ADDRESSES, 0, f"{reason}; {_room_in_added(pool)}")
                else:
                    yield _address_need(assessment, pool.extended or pool, policy, reason)
                break


def _address_need(assessment: Assessment, pool: Pool, policy: Policy, reason: str) -> Need:
    peak = pool.addresses.projected_peak(policy.horizon_days) + pool.deployments.surge
    missing = math.ceil(peak / LOAD_FACTOR) - pool.subnets.capacity
    return _need(
        assessment,
        Cause.ADDRESSES,
        max(missing, _smallest(policy)),
        f"{reason}; expected peak within {policy.horizon_days} days: {peak} of {pool.subnets.capacity}",
    )


def _prefix_need(assessment: Assessment, pool: Pool, policy: Policy, reason: str) -> Need:
    capacity = pool.subnets.prefix_capacity
    peak = pool.prefixes.projected_peak(policy.horizon_days) if pool.prefixes else capacity + 1
    # An eighth of the new subnet is for the interfaces' single addresses; its last block has a reserved address.
    blocks = math.ceil((max(math.ceil(peak / LOAD_FACTOR) - capacity, 1) + 1) * 8 / 7)
    return _need(
        assessment,
        Cause.PREFIXES,
        max(blocks * PREFIX_SIZE - RESERVED_PER_SUBNET, _smallest(policy)),
        f"{reason}; expected peak within {policy.horizon_days} days: {peak} of {capacity} /28 blocks; "
        "the new subnet is reserved for prefixes, so that single addresses do not fragment it",
    )


def _need(assessment: Assessment, cause: Cause, addresses: int, reason: str, obstacle: Obstacle | None = None) -> Need:
    origin, in_use = assessment.group.origin, assessment.in_use
    return Need(
        origin_id=origin.id,
        zone=origin.zone,
        cause=cause,
        addresses=addresses,
        reason=f"{reason}; in use: {in_use}" if in_use else reason,
        obstacle=obstacle,
    )


def _smallest(policy: Policy) -> int:
    return (1 << (32 - policy.smallest_subnet)) - RESERVED_PER_SUBNET
