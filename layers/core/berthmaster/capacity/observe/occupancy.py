"""Who uses the addresses of a subnet, and how many whole /28 blocks are free in it.

EC2 returns the number of free addresses but not the number of free prefixes, and a subnet with thousands of free
addresses may have no free /28 block. Both are counted here from DescribeNetworkInterfaces, page by page: an account has
tens of thousands of interfaces, so none of them becomes an object.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from socket import inet_aton

from berthmaster.capacity.model import (
    EC2_INSTANCES,
    EKS_PODS_AND_NODES,
    PREFIX_SIZE,
    Occupancy,
    Reservation,
    Subnet,
)
from berthmaster.capacity.observe.holders import Interface, cluster_of, holder_of


class OccupancyCounter:
    """Counts the interfaces of these subnets; those of other subnets are ignored.

    A free prefix is an aligned /28 block that overlaps no private address, no prefix and no `explicit` reservation.
    The first and the last block are never free: they have the addresses that AWS reserves.
    """

    def __init__(self, subnets: Iterable[Subnet]) -> None:
        self._counts = {subnet.id: _SubnetCount.of(subnet) for subnet in subnets}
        self._instances: Counter[tuple[str, str]] = Counter()
        self._nodes: set[str] = set()

    def count(self, interfaces: Iterable[Interface]) -> None:
        """Add entries of DescribeNetworkInterfaces."""
        for interface in interfaces:
            count = self._counts.get(interface.get("SubnetId", ""))
            if count is None:
                continue
            taken = count.add(interface)
            who = holder_of(interface)
            instance = interface.get("Attachment", {}).get("InstanceId", "")
            if who == EC2_INSTANCES:
                self._instances[interface["SubnetId"], instance] += taken
            else:
                count.holders[who] += taken
                if who == EKS_PODS_AND_NODES:
                    self._nodes.add(instance)
                    count.clusters.add(cluster_of(interface))

    def reserve(self, reservations: Iterable[Reservation]) -> None:
        """Close the blocks of `explicit` reservations; those for prefixes can be assigned."""
        for reservation in reservations:
            count = self._counts.get(reservation.subnet_id)
            if count and reservation.kind == "explicit":
                count.reserve(reservation)

    def holding_prefixes(self) -> set[str]:
        """The subnets in which an interface has a prefix."""
        return {subnet_id for subnet_id, count in self._counts.items() if count.prefixes}

    def occupancy(self) -> dict[str, Occupancy]:
        """The result, by subnet."""
        # VPC CNI marks the interfaces it creates; a node's first interface comes with the instance and is not marked.
        owners: dict[str, Counter[str]] = {subnet_id: Counter() for subnet_id in self._counts}
        for (subnet_id, instance), taken in self._instances.items():
            owners[subnet_id][EKS_PODS_AND_NODES if instance in self._nodes else EC2_INSTANCES] += taken
        return {
            subnet_id: Occupancy(
                subnet_id=subnet_id,
                interfaces=count.interfaces,
                held_prefixes=count.prefixes,
                free_prefixes=count.blocks.count(0),
                holders=dict((count.holders + owners[subnet_id]).most_common()),
                clusters=tuple(sorted(count.clusters - {""})),
            )
            for subnet_id, count in self._counts.items()
        }


@dataclass(slots=True)
class _SubnetCount:
    """The count of one subnet; `blocks` has one byte per /28 block, 1 as soon as something overlaps it."""

    first_address: int
    blocks: bytearray
    interfaces: int = 0
    prefixes: int = 0
    holders: Counter[str] = field(default_factory=Counter)
    clusters: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, subnet: Subnet) -> "_SubnetCount":
        count = cls(int(subnet.cidr.network_address), bytearray(subnet.cidr.num_addresses // PREFIX_SIZE))
        count.blocks[0] = count.blocks[-1] = 1
        return count

    def reserve(self, reservation: Reservation) -> None:
        first = int(reservation.cidr.network_address) - self.first_address
        start, end = first // PREFIX_SIZE, (first + reservation.cidr.num_addresses - 1) // PREFIX_SIZE + 1
        self.blocks[start:end] = b"\1" * (end - start)

    def add(self, interface: Interface) -> int:
        """Count the interface; the number of its addresses, 16 for a prefix."""
        self.interfaces += 1
        addresses = interface.get("PrivateIpAddresses", ())
        for address in addresses:
            self._close_block_of(address["PrivateIpAddress"])
        prefixes = interface.get("Ipv4Prefixes", ())
        for prefix in prefixes:
            self._close_block_of(prefix["Ipv4Prefix"].partition("/")[0])
        self.prefixes += len(prefixes)
        return len(addresses) + PREFIX_SIZE * len(prefixes)

    def _close_block_of(self, address: str) -> None:
        block = (int.from_bytes(inet_aton(address)) - self.first_address) // PREFIX_SIZE
        if 0 <= block < len(self.blocks):
            self.blocks[block] = 1
