"""Who uses the addresses of a subnet, and how many whole /28 blocks are free in it.

EC2 returns the number of free addresses but not the number of free prefixes, and a subnet with thousands of free
addresses may have no free /28 block. Both are counted here from DescribeNetworkInterfaces, page by page: an account has
tens of thousands of interfaces, so none of them becomes an object.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from socket import inet_aton

from berthmaster.capacity.model.vpc import PREFIX_SIZE, RESERVED_PER_SUBNET, Occupancy, Reservation, Subnet
from berthmaster.capacity.observe.holders import Interface, cluster_of, holder_of
from berthmaster.interface_services import EC2_INSTANCES, EKS_PODS_AND_NODES

_FIRST_OF_AWS = RESERVED_PER_SUBNET - 1
"""AWS has the first four addresses of a subnet, and the last one."""
_TAKEN, _RESERVED, _OF_AWS = 1, 2, 4
_FREE_PREFIX = bytes(PREFIX_SIZE)


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
        """Mark what is in `explicit` reservations; what is reserved for prefixes can be assigned as such."""
        for reservation in reservations:
            count = self._counts.get(reservation.subnet_id)
            if count and reservation.kind == "explicit":
                count.mark(reservation.cidr.network_address.packed, reservation.cidr.num_addresses, _RESERVED)

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
                free_prefixes=count.free_prefixes,
                reserved=count.reserved,
                assignable=count.addresses.count(0),
                holders=dict((count.holders + owners[subnet_id]).most_common()),
                clusters=tuple(sorted(count.clusters - {""})),
            )
            for subnet_id, count in self._counts.items()
        }


def without_reserved(subnet: Subnet, occupancy: Occupancy) -> Subnet:
    """The subnet with what AWS can assign in it: nothing in an `explicit` reservation.

    Whether AvailableIpAddressCount includes such addresses is not documented. If it does, `assignable` is what is left;
    if it does not, the count is, and it is the smaller one wherever some interfaces are not shown.
    """
    if not occupancy.reserved:
        return subnet
    return replace(subnet, reserved=occupancy.reserved, free=min(subnet.free, occupancy.assignable))


@dataclass(slots=True)
class _SubnetCount:
    """The count of one subnet; `addresses` has one byte per address: what it is kept from, 0 if AWS can assign it."""

    first_address: int
    addresses: bytearray
    interfaces: int = 0
    prefixes: int = 0
    holders: Counter[str] = field(default_factory=Counter)
    clusters: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, subnet: Subnet) -> "_SubnetCount":
        count = cls(int(subnet.cidr.network_address), bytearray(subnet.cidr.num_addresses))
        count.mark(subnet.cidr.network_address.packed, _FIRST_OF_AWS, _OF_AWS)
        count.mark(subnet.cidr.broadcast_address.packed, 1, _OF_AWS)
        return count

    @property
    def reserved(self) -> int:
        """Addresses in reservations, without those that AWS has anyway."""
        return self.addresses.count(_RESERVED) + self.addresses.count(_RESERVED | _TAKEN)

    @property
    def free_prefixes(self) -> int:
        """Aligned /28 blocks of which every address can be assigned."""
        starts = range(0, len(self.addresses), PREFIX_SIZE)
        return sum(self.addresses.startswith(_FREE_PREFIX, start) for start in starts)

    def add(self, interface: Interface) -> int:
        """Count the interface; the number of its addresses, 16 for a prefix."""
        self.interfaces += 1
        addresses = interface.get("PrivateIpAddresses", ())
        for address in addresses:
            self.mark(inet_aton(address["PrivateIpAddress"]), 1, _TAKEN)
        prefixes = interface.get("Ipv4Prefixes", ())
        for prefix in prefixes:
            self.mark(inet_aton(prefix["Ipv4Prefix"].partition("/")[0]), PREFIX_SIZE, _TAKEN)
        self.prefixes += len(prefixes)
        return len(addresses) + PREFIX_SIZE * len(prefixes)

    def mark(self, address: bytes, count: int, why: int) -> None:
        """Mark so many addresses from one on; what is outside the subnet is ignored."""
        start = int.from_bytes(address) - self.first_address
        for index in range(max(0, start), min(start + count, len(self.addresses))):
            self.addresses[index] |= why
