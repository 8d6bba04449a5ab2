"""What a new subnet needs to be where its sibling is, and what prevents that.

A Local Zone and a Wavelength Zone are zones with names of their own, which CreateSubnet takes like any other; their
route tables and network ACLs are copied too. Zone names are those of this account, whose VPC it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network

from berthmaster.capacity.model.plan import Obstacle
from berthmaster.capacity.model.vpc import Subnet, VpcSnapshot

_IPV6_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Siblings:
    """Which subnets can get one beside them.

    ipv6: the ranges of new subnets beside dual-stack ones, by the sibling's id. barriers: why others get none, by id.
    """

    ipv6: dict[str, IPv6Network]
    barriers: dict[str, Obstacle]


def siblings(snapshot: VpcSnapshot, asked: Iterable[Subnet]) -> Siblings:
    """Look at the subnets that need addresses, each once."""
    ipv6: dict[str, IPv6Network] = {}
    barriers: dict[str, Obstacle] = {}
    for subnet in asked:
        if barrier := _barrier(snapshot, subnet):
            barriers[subnet.id] = barrier
        elif subnet.ipv6_cidrs:
            free = _free_ipv6(snapshot, subnet, (*snapshot.ipv6_subnets, *ipv6.values()))
            if free:
                ipv6[subnet.id] = free
            else:
                barriers[subnet.id] = Obstacle(
                    candidate=_like(subnet),
                    rule="ipv6: it is dual-stack, and no /64 is free in the IPv6 block of the VPC that it lies in",
                    remedy="free an IPv6 range of the VPC",
                )
    return Siblings(ipv6=ipv6, barriers=barriers)


def _barrier(snapshot: VpcSnapshot, subnet: Subnet) -> Obstacle | None:
    if snapshot.shared_by:
        return Obstacle(
            candidate=_like(subnet),
            rule=f"shared-vpc: account {snapshot.shared_by} owns the VPC, and only it can add subnets and blocks",
            remedy=f"expand the VPC in account {snapshot.shared_by}",
        )
    if subnet.outpost_arn:
        return Obstacle(
            candidate=_like(subnet),
            rule=f"outpost: it is on {subnet.outpost_arn}, where a subnet also needs the routes of a local gateway and "
            "customer-owned addresses",
            remedy="create a subnet on the Outpost, and add it to what runs there",
        )
    return None


def _like(subnet: Subnet) -> str:
    return f"a subnet beside {subnet.id}"


def _free_ipv6(snapshot: VpcSnapshot, subnet: Subnet, taken: Sequence[IPv6Network]) -> IPv6Network | None:
    """The first free /64 in the sibling's block, which is also one of its network border group."""
    for block in snapshot.ipv6_blocks:
        if not any(cidr.subnet_of(block) for cidr in subnet.ipv6_cidrs):
            continue
        first = int(block.network_address)
        while first <= int(block.broadcast_address):
            candidate = IPv6Network((first, _IPV6_LENGTH))
            holder = next((one for one in taken if one.overlaps(candidate)), None)
            if holder is None:
                return candidate
            first = int(max(holder.broadcast_address, candidate.broadcast_address)) + 1
    return None
