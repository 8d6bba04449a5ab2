"""What a VPC has: its blocks, subnets, connections and quotas, and who uses its addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from berthmaster.capacity.model.tags import SIBLING_TAG
from berthmaster.capacity.model.workloads import Service, TaskCaller

RESERVED_PER_SUBNET = 5
"""AWS reserves the first four addresses of a subnet and the last one (VPC User Guide, "Subnet CIDR blocks")."""
PREFIX_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One IPv4 CIDR of a VPC; usable only in state `associated`."""

    id: str
    cidr: IPv4Network
    state: str

    @property
    def holds_space(self) -> bool:
        """Whether the block counts for overlaps and for the quota."""
        return self.state in {"associating", "associated", "disassociating"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetAttributes:
    """What ModifySubnetAttribute sets; a new subnet gets the values of its sibling."""

    map_public_ip_on_launch: bool = False
    enable_dns64: bool = False
    private_dns_hostname_type: str = "ip-name"
    resource_name_dns_a_record: bool = False
    resource_name_dns_aaaa_record: bool = False
    assign_ipv6_address_on_creation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet as DescribeSubnets returns it."""

    id: str
    vpc_id: str
    zone: str
    cidr: IPv4Network
    free: int
    state: str = "available"
    attributes: SubnetAttributes = SubnetAttributes()
    tags: Mapping[str, str] = field(default_factory=dict)
    reserved: int = 0
    """Addresses in `explicit` reservations, which only people assign; they are not in `free`."""
    outpost_arn: str = ""
    """The Outpost that it is on; "" for a subnet of an Availability Zone, a Local Zone or a Wavelength Zone."""
    ipv6_cidrs: tuple[IPv6Network, ...] = ()

    @property
    def capacity(self) -> int:
        """Addresses that AWS can assign while the subnet is empty."""
        return self.cidr.num_addresses - RESERVED_PER_SUBNET - self.reserved

    @property
    def used(self) -> int:
        """Addresses that are assigned now."""
        return self.capacity - self.free

    @property
    def prefix_capacity(self) -> int:
        """/28 blocks that can be assigned while the subnet is empty: all but the two with reserved addresses."""
        return max(0, self.cidr.num_addresses // PREFIX_SIZE - 2)

    @property
    def origin(self) -> str:
        """The id of the subnet that this one was added for; its own id if it was not added by Berthmaster."""
        return self.tags.get(SIBLING_TAG, self.id)

    @property
    def is_added(self) -> bool:
        """Whether Berthmaster added it, and it is ready for use."""
        return SIBLING_TAG in self.tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A subnet CIDR reservation: addresses that AWS assigns as prefixes only, or never by itself (`explicit`)."""

    subnet_id: str
    cidr: IPv4Network
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """Who uses the addresses of one subnet.

    holders: addresses by owner ("ECS tasks", "EKS pods and nodes", "Lambda", …); a prefix counts as 16. clusters: the
    EKS clusters that the tags of interfaces of pods and nodes name. reserved: addresses in `explicit` reservations.
    assignable: those that no interface has and that are not in one.
    """

    subnet_id: str
    interfaces: int = 0
    held_prefixes: int = 0
    free_prefixes: int = 0
    reserved: int = 0
    assignable: int = 0
    holders: Mapping[str, int] = field(default_factory=dict)
    clusters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: its destination (a prefix list becomes one route per entry) and its target."""

    destination: IPv4Network
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route table of the VPC, also a gateway route table.

    gateway_ids: whose traffic into the VPC it routes. routes: without the `local` ones. unread_lists: prefix lists in
    it whose entries could not be read. size: its IPv4 routes that count for the quota: the `local` ones too, one for
    each entry of a prefix list, and none that are propagated.
    """

    id: str
    main: bool = False
    subnet_ids: tuple[str, ...] = ()
    gateway_ids: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    unread_lists: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAcl:
    """A network ACL and the subnets that it is associated with."""

    id: str
    subnet_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """An address range that a security group rule, an ACL entry, a route or a setting of a cluster names.

    where: for people ("security group sg-0a1 inbound tcp 443", "route table rtb-0b2 of vpc-0c3"). What one place names
    applies together.
    """

    where: str
    cidr: IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """Quotas in force, as Service Quotas returns them; None for one that could not be read."""

    cidrs_per_vpc: int | None = None
    subnets_per_vpc: int | None = None
    routes_per_table: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamPool:
    """An IPAM pool: the CIDRs provisioned to it, those allocated from it, and its allocation rules.

    shortest, longest: the prefix lengths that may be allocated. required_tags: those of a VPC that may take space from
    it. problem: why nobody can, for people; then the rest is empty.
    """

    id: str
    provisioned: tuple[IPv4Network, ...]
    allocated: tuple[IPv4Network, ...]
    shortest: int = 0
    longest: int = 32
    required_tags: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def allows(self, block: IPv4Network) -> bool:
        """Whether its rules let a block of this length be allocated."""
        return self.shortest <= block.prefixlen <= self.longest

    def why_not_for(self, tags: Mapping[str, str]) -> str:
        """Why a VPC with these tags can take no space from it; "" if it can."""
        missing = [f"{key}={value}" for key, value in sorted(self.required_tags.items()) if tags.get(key) != value]
        unmet = f"the pool requires VPCs to be tagged {', '.join(missing)}" if missing else ""
        return self.problem or unmet or ("" if self.provisioned else "the pool has no CIDR provisioned")


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcSnapshot:
    """All that a plan may know about one VPC, read at one time. The primary CIDR comes first in `associations`."""

    vpc_id: str
    taken_at: datetime
    associations: tuple[Association, ...]
    subnets: tuple[Subnet, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    occupancy: Mapping[str, Occupancy] = field(default_factory=dict)
    reservations: tuple[Reservation, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()
    network_acls: tuple[NetworkAcl, ...] = ()
    services: tuple[Service, ...] = ()
    callers: tuple[TaskCaller, ...] = ()
    unread_workloads: tuple[str, ...] = ()
    """Services, rules and schedules that may run tasks in the VPC and could not be read in time, for people."""
    neighbours: tuple[IPv4Network, ...] = ()
    """CIDRs of other VPCs: the account's in the Region, and those that its IPAM knows. AWS lets VPCs overlap, but
    cannot route between them then."""
    cluster_cidrs: tuple[Mention, ...] = ()
    """What the EKS clusters of the VPC use beside it: Kubernetes services, hybrid nodes and their pods."""
    mentions: tuple[Mention, ...] = ()
    unread: tuple[str, ...] = ()
    """What only leads to warnings and could not be read, and why."""
    peer_cidrs: tuple[IPv4Network, ...] = ()
    pending_peering: bool = False
    quotas: Quotas = Quotas()
    ipam: IpamPool | None = None
    shared_by: str = ""
    """The account that owns the VPC and shares its subnets with this one; "" if it is this account's own."""
    ipv6_blocks: tuple[IPv6Network, ...] = ()
    ipv6_subnets: tuple[IPv6Network, ...] = ()
    """IPv6 ranges of all subnets, also of those that have no IPv4 addresses and are not in `subnets`."""

    @property
    def cidrs(self) -> tuple[IPv4Network, ...]:
        """The blocks that count, primary first."""
        return tuple(association.cidr for association in self.associations if association.holds_space)

    @property
    def cidrs_left(self) -> int | None:
        """CIDRs that the quota still allows; None if the quota is unknown."""
        quota = self.quotas.cidrs_per_vpc
        return None if quota is None else quota - len(self.cidrs)

    @property
    def full_tables(self) -> tuple[str, ...]:
        """Route tables without room for the `local` route of another block; none if the quota is unknown."""
        quota = self.quotas.routes_per_table
        return () if quota is None else tuple(table.id for table in self.route_tables if table.size >= quota)

    @property
    def subnets_left(self) -> int | None:
        """Subnets that the quota still allows; None if the quota is unknown."""
        quota = self.quotas.subnets_per_vpc
        return None if quota is None else quota - len(self.subnets)

    def subnet(self, subnet_id: str) -> Subnet:
        """The subnet with that id; KeyError if the VPC has none."""
        for subnet in self.subnets:
            if subnet.id == subnet_id:
                return subnet
        raise KeyError(subnet_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetGroup:
    """A subnet and those that Berthmaster added for it: one zone, one purpose, one pool of addresses."""

    origin: Subnet
    members: tuple[Subnet, ...]

    @property
    def capacity(self) -> int:
        """Addresses that all members can assign."""
        return sum(member.capacity for member in self.members)

    @property
    def prefix_capacity(self) -> int:
        """/28 blocks that all members can assign."""
        return sum(member.prefix_capacity for member in self.members)

    @property
    def free(self) -> int:
        """Addresses of all members that are free."""
        return sum(member.free for member in self.members)

    @property
    def ids(self) -> frozenset[str]:
        """The members' ids."""
        return frozenset(member.id for member in self.members)
