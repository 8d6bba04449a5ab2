"""Whether subnets can be emptied before they are deleted: who is in them, what would have to move, and where to."""

import math
from collections.abc import Collection, Mapping, Sequence

from berthmaster.capacity.model.holders import CANARIES, DETACHED
from berthmaster.capacity.model.plan import NewSubnet
from berthmaster.capacity.model.tags import IGNORED, MANAGED_TAG, SIBLING_TAG
from berthmaster.capacity.model.vpc import Subnet, VpcSnapshot
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.plan.consumers import CNI_EXCLUDED, CNI_ROLE
from berthmaster.capacity.plan.demand import SHORT_ADDRESSES
from berthmaster.capacity.plan.updates import reserved, room_in
from berthmaster.interface_services import ECS_TASKS, EKS_PODS_AND_NODES, LAMBDA, LOAD_BALANCERS, RDS

LEAVING = frozenset({ECS_TASKS, EKS_PODS_AND_NODES, CANARIES})
"""Holders of addresses that leave a subnet by and by if nothing places them there any more."""

_HOW_TO_MOVE = {
    ECS_TASKS: "services are deployed without the subnets, which replaces all their tasks; other tasks have to end",
    EKS_PODS_AND_NODES: "replace the nodes that have interfaces there: pods keep their addresses as long as they run",
    LAMBDA: "take the subnets out of the VpcConfig of the functions; AWS deletes the interfaces some time later",
    LOAD_BALANCERS: "take the subnets off the load balancers (SetSubnets)",
    RDS: "take the subnets out of the DB subnet groups, and move the instances in them",
    DETACHED: "delete the interfaces",
}
_IN_GENERAL = "move or delete what has the addresses"
_REPLACED = {MANAGED_TAG: IGNORED, CNI_ROLE: CNI_EXCLUDED}
"""Tags that keep the watch, and VPC CNI, from a subnet (README of VPC CNI, ENABLE_SUBNET_DISCOVERY)."""


def residents(snapshot: VpcSnapshot, subnet_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Addresses in use by holder, for each subnet in which there are any; test interfaces do not count."""
    found = {
        one: {who: count for who, count in snapshot.occupancy[one].holders.items() if who != CANARIES}
        for one in subnet_ids
        if one in snapshot.occupancy
    }
    return {subnet: holders for subnet, holders in found.items() if holders}


def leave_by_themselves(found: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether all residents do once nothing places them there."""
    return all(who in LEAVING for holders in found.values() for who in holders)


def described(snapshot: VpcSnapshot, found: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """One line for each subnet with residents, and one for each kind of them with what has to be done."""
    kinds = sorted({who for holders in found.values() for who in holders})
    return (
        *(f"{subnet}: {counted(holders)}" + _listed_by(snapshot, subnet) for subnet, holders in sorted(found.items())),
        *(f"{who}: {_HOW_TO_MOVE.get(who, _IN_GENERAL)}" for who in kinds),
    )


def counted(holders: Mapping[str, int]) -> str:
    """Holders and how many addresses they have, for people."""
    return ", ".join(f"{count} {'address' if count == 1 else 'addresses'} of {who}" for who, count in holders.items())


def _listed_by(snapshot: VpcSnapshot, subnet: str) -> str:
    names = [
        *(f"ECS service {one.name}" for one in snapshot.services if subnet in one.subnet_ids),
        *(f"{one.kind} {one.name}" for one in snapshot.callers if subnet in one.subnet_ids),
    ]
    return f"; listed by {', '.join(names)}" if names else ""


def why_no_room(snapshot: VpcSnapshot, leaving: Sequence[str]) -> str:
    """Why the tasks in some subnets do not fit into the others that their services list; "" if they do.

    A deployment without the subnets starts new tasks before it stops old ones, and afterwards all are in the other
    subnets: of the same zone, or, if a service lists none there, of the other zones.
    """
    by_id = {subnet.id: subnet for subnet in snapshot.subnets}
    gone = [by_id[one] for one in leaving if one in by_id]
    for service in snapshot.services:
        for zone in sorted({subnet.zone for subnet in gone if subnet.id in service.subnet_ids}):
            beside = _others(service, zone, by_id, leaving)
            moving = sum(_tasks_in(snapshot, subnet) for subnet in gone if subnet.zone == zone)
            zones = {by_id[one].zone for one in service.subnet_ids if one in by_id and one not in leaving}
            surge = math.ceil(service.surge / max(1, len(zones)))
            needed, free = moving + surge, sum(subnet.free for subnet in beside)
            if needed and free < needed + SHORT_ADDRESSES:
                names = ", ".join(subnet.id for subnet in beside) or "no subnet"
                return (
                    f"ECS service {service.name} would need {needed} addresses in {names}, where {free} are free: add "
                    "addresses there first, or scale it in"
                )
    return ""


def deployable(snapshot: VpcSnapshot, leaving: Sequence[str], moved: Collection[str]) -> list[Service]:
    """The services to be deployed now without some subnets, smallest surge first: as many as find room in the others.

    moved: the labels of those that were deployed without them before. If none of those is in progress, the first
    service is deployed in any case: there is nothing to wait for.
    """
    moving = sum(_tasks_in(snapshot, one) for one in snapshot.subnets if one.id in leaving)
    room = room_in(one for one in snapshot.subnets if one.id not in leaving)
    is_busy = False
    for service in snapshot.services:
        if service.deploying:
            room, _ = reserved(room, service.subnet_ids, service.committed + min(moving, service.running))
            is_busy = is_busy or service.label in moved
    found: list[Service] = []
    for service in sorted(snapshot.services, key=lambda one: (one.surge, one.cluster, one.name)):
        if service.deploying or not set(leaving) & set(service.subnet_ids):
            continue
        left, is_enough = reserved(room, service.subnet_ids, service.surge + min(moving, service.running))
        if is_enough or not (is_busy or found):
            found.append(service)
            room = left
    return found


def _others(service: Service, zone: str, by_id: Mapping[str, Subnet], leaving: Sequence[str]) -> list[Subnet]:
    left = [by_id[one] for one in service.subnet_ids if one in by_id and one not in leaving]
    return [subnet for subnet in left if subnet.zone == zone] or left


def _tasks_in(snapshot: VpcSnapshot, subnet: Subnet) -> int:
    occupancy = snapshot.occupancy.get(subnet.id)
    return occupancy.holders.get(ECS_TASKS, 0) if occupancy else 0


def tags_to_withhold(subnet: Subnet, planned: Sequence[NewSubnet]) -> dict[str, str]:
    """The tags of a subnet by which pods, plans and the watch use it, as they are: they are put back if it stays."""
    admitting = {key for one in planned if one.cidr == subnet.cidr for key in one.admission_tags}
    return {key: value for key, value in subnet.tags.items() if key in {*admitting, *_REPLACED, SIBLING_TAG}}


def tags_while_draining(withheld: Mapping[str, str]) -> dict[str, str]:
    """The tags that a subnet has meanwhile: VPC CNI and the watch leave it alone."""
    return {key: value for key, value in _REPLACED.items() if key != CNI_ROLE or CNI_ROLE in withheld}
