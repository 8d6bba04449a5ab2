"""What each subnet group of a VPC needs: measured use, running deployments and the forecast, against its capacity."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from berthmaster.capacity.model import (
    IGNORED,
    MANAGED_TAG,
    PREFIX_SIZE,
    RESERVED_PER_SUBNET,
    Cause,
    Need,
    Policy,
    Service,
    Subnet,
    SubnetGroup,
    VpcSnapshot,
)
from berthmaster.capacity.plan.forecast import Outlook, outlook

LOAD_FACTOR = 0.8
"""Share of its capacity that a group is planned to use at the horizon; a fuller one would be short again at once."""
SHORT_SHARE = 0.05
SHORT_ADDRESSES = 8
"""A reported shortage is confirmed if the subnet has no more free addresses than this number, or than this share. Tasks
start and stop between the failure and the check; AWS needs 8 free addresses to scale a load balancer (ELB guide)."""
SURGES_AHEAD = 2
"""A zone with room for fewer deployments than this is expanded together with one that is short."""
MOST_HOLDERS = 4


class History(Protocol):
    """Past use, as sums over subnets: `[(minute since the epoch, used), …]`, oldest first, without gaps."""

    def addresses(self, subnet_ids: Sequence[str]) -> list[tuple[int, int]]:
        """Addresses in use."""

    def prefixes(self, subnet_ids: Sequence[str]) -> list[tuple[int, int]]:
        """/28 blocks that cannot be assigned as a prefix any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDemand:
    """Addresses of one group that deployments will take.

    committed: running deployments may still take them. surge: the next deployment of the largest service would.
    """

    committed: int = 0
    surge: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The state of one group of subnets, and its forecast."""

    group: SubnetGroup
    deployments: DeploymentDemand
    addresses: Outlook
    prefixes: Outlook | None
    """None if nothing uses prefixes."""
    free_prefixes: int
    holders: Mapping[str, int]
    """Addresses by owner."""

    @property
    def needs_room(self) -> bool:
        """Whether addresses or prefixes must be added now."""
        return self.needs_addresses or (self.prefixes is not None and self.prefixes.needs_room)

    @property
    def needs_addresses(self) -> bool:
        """Whether the forecast asks for addresses, or the next deployment would not find enough."""
        return self.addresses.needs_room or self.missing_for_surge > 0

    @property
    def missing_for_surge(self) -> int:
        """Addresses that the next deployment of the largest service would not find."""
        surge = self.deployments.surge
        return surge - (self.group.free - self.deployments.committed) if surge else 0

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
                f"{self.group.free} addresses are free, running deployments may take {self.deployments.committed} of"
                f" them, and the next deployment would take {self.deployments.surge}"
            )
        if self.prefixes and self.prefixes.needs_room:
            return f"prefixes: {self.prefixes.reason}"
        return self.addresses.reason


def groups_of(subnets: Sequence[Subnet]) -> tuple[SubnetGroup, ...]:
    """Each subnet with those that Berthmaster added for it; an added one whose origin is gone is its own group."""
    by_id = {subnet.id: subnet for subnet in subnets}
    members: dict[str, list[Subnet]] = {}
    for subnet in sorted(subnets, key=lambda one: (one.id != one.origin, one.id)):
        members.setdefault(subnet.origin if subnet.origin in by_id else subnet.id, []).append(subnet)
    return tuple(SubnetGroup(origin=by_id[origin], members=tuple(group)) for origin, group in members.items())


def deployments_by_group(groups: Sequence[SubnetGroup], services: Sequence[Service]) -> Mapping[str, DeploymentDemand]:
    """What deployments take, by origin.

    ECS spreads the tasks of a service over the zones of its subnets, and does not document the choice within a zone:
    there each group is assumed to get an equal share.
    """
    demand = {group.origin.id: DeploymentDemand() for group in groups}
    for service in services:
        touched = [group for group in groups if group.ids & set(service.subnet_ids)]
        zones = Counter(group.origin.zone for group in touched)
        for group in touched:
            parts = len(zones) * zones[group.origin.zone]
            before = demand[group.origin.id]
            demand[group.origin.id] = DeploymentDemand(
                committed=before.committed + math.ceil(service.committed / parts),
                surge=max(before.surge, math.ceil(service.surge / parts)),
            )
    return demand


def assess(snapshot: VpcSnapshot, history: History) -> tuple[Assessment, ...]:
    """Measure and forecast every group of one VPC, except those that an operator has tagged as ignored."""
    groups = groups_of(snapshot.subnets)
    deployments = deployments_by_group(groups, snapshot.services)
    return tuple(
        _assess_group(snapshot, group, deployments[group.origin.id], history)
        for group in groups
        if group.origin.tags.get(MANAGED_TAG) != IGNORED
    )


def _assess_group(
    snapshot: VpcSnapshot, group: SubnetGroup, deployments: DeploymentDemand, history: History
) -> Assessment:
    ids = sorted(group.ids)
    occupied = [snapshot.occupancy[one] for one in ids if one in snapshot.occupancy]
    free_prefixes = sum(one.free_prefixes for one in occupied)
    prefixes = None
    if any(one.held_prefixes for one in occupied):
        blocked = group.prefix_capacity - free_prefixes
        prefixes = outlook(_with_now(history.prefixes(ids), snapshot, blocked), group.prefix_capacity)
    used = group.capacity - group.free
    return Assessment(
        group=group,
        deployments=deployments,
        addresses=outlook(
            _with_now(history.addresses(ids), snapshot, used), group.capacity, committed=deployments.committed
        ),
        prefixes=prefixes,
        free_prefixes=free_prefixes,
        holders=sum((Counter(one.holders) for one in occupied), Counter()),
    )


def _with_now(samples: list[tuple[int, int]], snapshot: VpcSnapshot, used: int) -> list[tuple[int, int]]:
    minute = int(snapshot.taken_at.timestamp()) // 60
    return [*samples[: -1 if samples and samples[-1][0] >= minute else None], (minute, used)]


def needs(
    assessments: Sequence[Assessment],
    policy: Policy,
    *,
    services: Sequence[Service],
    reported: Mapping[str, Cause],
    requested: Mapping[str, int],
) -> tuple[Need, ...]:
    """What to add, by group, in the order of the assessments.

    services: of the VPC; those that must list new subnets are deployed again, in all their zones.
    reported: by subnet id, what could not be assigned there, an address or a prefix; confirmed here or dropped.
    requested: by subnet id, how many addresses an operator asks for.
    """
    found: list[Need] = []
    for assessment in assessments:
        ids = assessment.group.ids
        asked = sum(count for subnet, count in requested.items() if subnet in ids)
        causes = {cause for subnet, cause in reported.items() if subnet in ids}
        if asked:
            found.append(_need(assessment, Cause.ADDRESSES, asked, f"an operator asked for {asked} addresses"))
        elif assessment.prefixes and assessment.prefixes.needs_room:
            found.append(_prefix_need(assessment, policy, assessment.prefixes.reason))
        elif Cause.PREFIXES in causes and assessment.free_prefixes == 0:
            found.append(_prefix_need(assessment, policy, "no /28 block is free"))
        elif assessment.needs_addresses:
            found.append(_address_need(assessment, policy, assessment.reason))
        elif Cause.ADDRESSES in causes and (full := _full_members(assessment.group, reported)):
            found.append(_need_of_full_members(assessment, policy, full))
    return (*found, *_needs_of_other_zones(found, assessments, services, policy))


def _needs_of_other_zones(
    found: Sequence[Need], assessments: Sequence[Assessment], services: Sequence[Service], policy: Policy
) -> Iterator[Need]:
    """Needs of groups that are nearly short, and whose services are deployed again for other zones anyway.

    One zone at a time, each expansion would deploy every service again, and each deployment takes addresses in all
    zones.
    """
    by_origin = {assessment.group.origin.id: assessment for assessment in assessments}
    wanting = {need.origin_id for need in found if need.addresses}
    deployed_again = [
        set(service.subnet_ids)
        for service in services
        if service.managed and any(by_origin[origin].group.ids & set(service.subnet_ids) for origin in wanting)
    ]
    concerned = {need.origin_id for need in found}
    for origin, assessment in by_origin.items():
        left = assessment.group.free - assessment.deployments.committed
        if (
            origin not in concerned
            and left < SURGES_AHEAD * assessment.deployments.surge
            and any(assessment.group.ids & subnets for subnets in deployed_again)
        ):
            reason = (
                f"its services are deployed again for other zones, which takes up to {assessment.deployments.surge}"
                f" addresses at a time, and {left} are left"
            )
            yield _address_need(assessment, policy, reason)


def _full_members(group: SubnetGroup, reported: Mapping[str, Cause]) -> list[Subnet]:
    return [
        member
        for member in group.members
        if member.id in reported and member.free <= max(SHORT_ADDRESSES, SHORT_SHARE * member.capacity)
    ]


def _address_need(assessment: Assessment, policy: Policy, reason: str) -> Need:
    peak = assessment.addresses.projected_peak(policy.horizon_days) + assessment.deployments.surge
    missing = math.ceil(peak / LOAD_FACTOR) - assessment.group.capacity
    return _need(
        assessment,
        Cause.ADDRESSES,
        max(missing, _smallest(policy)),
        f"{reason}; expected peak within {policy.horizon_days} days: {peak} of {assessment.group.capacity}",
    )


def _prefix_need(assessment: Assessment, policy: Policy, reason: str) -> Need:
    capacity = assessment.group.prefix_capacity
    peak = assessment.prefixes.projected_peak(policy.horizon_days) if assessment.prefixes else capacity + 1
    # An eighth of the new subnet is for the interfaces' single addresses; its last block has a reserved address.
    blocks = math.ceil((max(math.ceil(peak / LOAD_FACTOR) - capacity, 1) + 1) * 8 / 7)
    return _need(
        assessment,
        Cause.PREFIXES,
        max(blocks * PREFIX_SIZE - RESERVED_PER_SUBNET, _smallest(policy)),
        f"{reason}; expected peak within {policy.horizon_days} days: {peak} of {capacity} /28 blocks; "
        "the new subnet is reserved for prefixes, so that single addresses do not fragment it",
    )


def _need_of_full_members(assessment: Assessment, policy: Policy, full: Sequence[Subnet]) -> Need:
    """Addresses, or, if subnets added before have enough, none: then it is enough to list those."""
    names = ", ".join(f"{member.id} ({member.free} free)" for member in full)
    elsewhere = assessment.group.free - sum(member.free for member in full)
    if elsewhere > max(SHORT_ADDRESSES, assessment.deployments.committed):
        reason = f"{names} is full; the subnets added for it have {elsewhere} free"
        return _need(assessment, Cause.ADDRESSES, 0, reason)
    return _address_need(assessment, policy, f"{names} ran out of addresses")


def _need(assessment: Assessment, cause: Cause, addresses: int, reason: str) -> Need:
    origin = assessment.group.origin
    held = Counter(assessment.holders).most_common(MOST_HOLDERS)
    in_use = ", ".join(f"{count} by {holder}" for holder, count in held)
    return Need(
        origin_id=origin.id,
        zone=origin.zone,
        cause=cause,
        addresses=addresses,
        reason=f"{reason}; in use: {in_use}" if in_use else reason,
    )


def _smallest(policy: Policy) -> int:
    return (1 << (32 - policy.smallest_subnet)) - RESERVED_PER_SUBNET
