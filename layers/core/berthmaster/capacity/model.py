"""The nouns of capacity: what a VPC holds, what it needs, and what is planned for it.

Frozen values without behaviour beyond what follows from their own fields. Addresses are counted in IPv4
addresses, prefixes in /28 blocks (what EC2 prefix delegation hands out), times are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network

MANAGED_TAG = "berthmaster:capacity"
MANAGED = "managed"
IGNORED = "ignored"
"""On a subnet of a managed VPC: it is meant to be full, and nothing is ever added beside it."""
EXPANSION_TAG = "berthmaster:expansion"
"""On every subnet Berthmaster made: the id of the expansion it belongs to."""
SIBLING_TAG = "berthmaster:sibling"
"""On every subnet Berthmaster made and proved: the subnet it relieves, whose wiring it borrowed."""

RESERVED_PER_SUBNET = 5
"""AWS keeps the first four addresses of a subnet and the last (VPC User Guide, "Subnet CIDR blocks")."""
PREFIX_SIZE = 16
MAX_SUBNETS_PER_TASK_NETWORK = 16
"""awsvpcConfiguration takes at most 16 subnets (ECS API, AwsVpcConfiguration)."""


class Cause(StrEnum):
    """Why something could not get onto the network. Only the first two are cured by more addresses."""

    ADDRESSES = "addresses"
    PREFIXES = "prefixes"
    ENI_SLOTS = "eni_slots"
    THROTTLING = "throttling"
    QUOTA = "quota"
    PERMISSION = "permission"
    OTHER = "other"

    @property
    def cured_by_room(self) -> bool:
        """Whether adding subnets helps."""
        return self in {Cause.ADDRESSES, Cause.PREFIXES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One IPv4 CIDR of a VPC; usable only in state `associated`."""

    id: str
    cidr: IPv4Network
    state: str

    @property
    def holds_space(self) -> bool:
        """Whether the block counts against overlap and quota."""
        return self.state in {"associating", "associated", "disassociating"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetAttributes:
    """What ModifySubnetAttribute sets and a new subnet borrows from its sibling."""

    map_public_ip_on_launch: bool = False
    enable_dns64: bool = False
    private_dns_hostname_type: str = "ip-name"
    resource_name_dns_a_record: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet as DescribeSubnets shows it."""

    id: str
    vpc_id: str
    zone: str
    cidr: IPv4Network
    free: int
    state: str = "available"
    attributes: SubnetAttributes = SubnetAttributes()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def capacity(self) -> int:
        """Addresses that can ever be handed out."""
        return self.cidr.num_addresses - RESERVED_PER_SUBNET

    @property
    def used(self) -> int:
        """Addresses taken now."""
        return self.capacity - self.free

    @property
    def prefix_capacity(self) -> int:
        """/28 blocks that can ever be handed out: all but the two that hold the reserved addresses."""
        return max(0, self.cidr.num_addresses // PREFIX_SIZE - 2)

    @property
    def origin(self) -> str:
        """The subnet whose load this one shares: itself, unless Berthmaster made it for another."""
        return self.tags.get(SIBLING_TAG, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A subnet CIDR reservation: space that AWS uses for prefixes only, or never by itself (`explicit`)."""

    subnet_id: str
    cidr: IPv4Network
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """Who holds the addresses of one subnet.

    `holders` counts addresses by owner ("ECS tasks", "EKS pods and nodes", "Lambda", …); a prefix counts 16.
    """

    subnet_id: str
    interfaces: int = 0
    held_prefixes: int = 0
    free_prefixes: int = 0
    holders: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: its destination (a prefix list is expanded to one route per entry) and what it leads to."""

    destination: IPv4Network
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route table of the VPC, gateway route tables included; `local` routes are left out."""

    id: str
    main: bool = False
    subnet_ids: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAcl:
    """A network ACL and the subnets it guards."""

    id: str
    subnet_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A place outside the VPC's own CIDR list that names address ranges: a rule, an ACL entry, a route.

    `where` is for people ("security group sg-0a1 inbound", "route table rtb-0b2 of vpc-0c3").
    """

    where: str
    cidr: IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An ECS service that gives its tasks addresses (`awsvpc`)."""

    cluster: str
    name: str
    subnet_ids: tuple[str, ...]
    desired: int
    running: int
    maximum_percent: int = 200
    deploying: bool = False
    managed: bool = False
    controller: str = "ECS"

    @property
    def committed(self) -> int:
        """Addresses it may still take: a deployment may run up to `maximum_percent` of the desired tasks."""
        return max(0, (self.ceiling if self.deploying else self.desired) - self.running)

    @property
    def ceiling(self) -> int:
        """Tasks a deployment may run at once."""
        return self.desired * self.maximum_percent // 100

    @property
    def surge(self) -> int:
        """Addresses the next deployment would take beyond what the service has; 0 while one is under way."""
        return 0 if self.deploying else max(0, self.ceiling - max(self.desired, self.running))


UPDATED_BY_SERVICE = "ECS"
"""The deployment controller whose services UpdateService may give a new network configuration."""


class CallerKind(StrEnum):
    """What starts tasks without a service, with a network configuration of its own."""

    RULE = "EventBridge rule"
    SCHEDULE = "EventBridge schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCaller:
    """One target of an EventBridge rule, or one schedule, that runs ECS tasks.

    `group` is the event bus of a rule, the schedule group of a schedule; `target_id` is empty for a schedule. `role` is
    the path and name of the role that it runs tasks with: to change it is to pass that role on again.
    """

    kind: CallerKind
    group: str
    name: str
    target_id: str
    subnet_ids: tuple[str, ...]
    role: str = ""
    managed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """Limits in force, read from Service Quotas; None where they could not be read."""

    cidrs_per_vpc: int | None = None
    subnets_per_vpc: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamPool:
    """An IPAM pool: what it was given and what it has allocated."""

    id: str
    provisioned: tuple[IPv4Network, ...]
    allocated: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcSnapshot:
    """All a plan may know about one VPC, read at one time. The primary CIDR comes first in `associations`."""

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
    neighbours: tuple[IPv4Network, ...] = ()
    """CIDRs of the account's other VPCs in the Region: AWS lets them overlap, routing between them does not."""
    mentions: tuple[Mention, ...] = ()
    peer_cidrs: tuple[IPv4Network, ...] = ()
    pending_peering: bool = False
    quotas: Quotas = Quotas()
    ipam: IpamPool | None = None

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
    """An origin subnet and those Berthmaster added for it: one zone, one purpose, one pool of addresses."""

    origin: Subnet
    members: tuple[Subnet, ...]

    @property
    def capacity(self) -> int:
        """Addresses of all members that can be handed out."""
        return sum(member.capacity for member in self.members)

    @property
    def prefix_capacity(self) -> int:
        """/28 blocks of all members that can be handed out."""
        return sum(member.prefix_capacity for member in self.members)

    @property
    def free(self) -> int:
        """Addresses of all members that are free."""
        return sum(member.free for member in self.members)

    @property
    def ids(self) -> frozenset[str]:
        """The members' ids."""
        return frozenset(member.id for member in self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one subnet group lacks: `addresses` more than it has, as single addresses or as whole prefixes."""

    origin_id: str
    zone: str
    cause: Cause
    addresses: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator allows an expansion to do."""

    pools: tuple[IPv4Network, ...] = (IPv4Network("100.64.0.0/10"),)
    avoid: tuple[IPv4Network, ...] = ()
    horizon_days: int = 30
    block_prefix_length: int = 20
    """A new CIDR is at least this large where the pools allow it: the quota of five is scarcer than space."""
    smallest_subnet: int = 26
    largest_subnet: int = 18
    expansions_per_day: int = 3
    caller_roles: str = ""
    """Roles of rules and schedules that may be passed on: name or path, * allowed; none of them if empty."""


class BlockSource(StrEnum):
    """Where a secondary CIDR comes from."""

    POOL = "pool"
    IPAM = "IPAM pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBlock:
    """A secondary CIDR to associate."""

    cidr: IPv4Network
    source: BlockSource
    ipam_pool_id: str = ""
    beside: tuple[IPv4Network, ...] = ()
    """The VPC's blocks when this was planned. IPAM chooses the block itself: a new one of this length is it."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubnet:
    """A subnet to create in the zone of its sibling, with the sibling's wiring."""

    cidr: IPv4Network
    zone: str
    sibling_id: str
    route_table_id: str
    network_acl_id: str
    attributes: SubnetAttributes
    tags: Mapping[str, str]
    admission_tags: Mapping[str, str]
    """Tags that let pods and services in: set only when the subnet is wired and proved."""
    prefix_reservations: tuple[IPv4Network, ...] = ()
    """Parts of it to reserve for prefixes, so that single addresses cannot fragment them."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWiring:
    """New subnets to add to an ECS service: planned ones by CIDR, existing ones by id."""

    cluster: str
    service: str
    add_cidrs: tuple[IPv4Network, ...] = ()
    add_ids: tuple[str, ...] = ()
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerWiring:
    """New subnets to add to a rule or a schedule that runs tasks."""

    kind: CallerKind
    group: str
    name: str
    target_id: str
    add_cidrs: tuple[IPv4Network, ...] = ()
    add_ids: tuple[str, ...] = ()
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EniConfig:
    """What an ENIConfig of VPC CNI custom networking needs to use a new subnet; a person applies it."""

    zone: str
    cidr: IPv4Network
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why one class of candidate gives no room: the rule or quota in the way, and what a person could do."""

    candidate: str
    rule: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done for one VPC, in the order it would be done; empty with obstacles when nothing can be."""

    vpc_id: str
    needs: tuple[Need, ...]
    block: NewBlock | None = None
    subnets: tuple[NewSubnet, ...] = ()
    services: tuple[ServiceWiring, ...] = ()
    callers: tuple[CallerWiring, ...] = ()
    eni_configs: tuple[EniConfig, ...] = ()
    warnings: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    cidrs_left: int | None = None
    """CIDRs that the VPC's quota still allows after it; None if the quota is unknown."""

    @property
    def changes_anything(self) -> bool:
        """Whether carrying it out would write."""
        return bool(self.block or self.subnets or self.services or self.callers)

    @property
    def addresses(self) -> int:
        """Addresses it adds."""
        return sum(subnet.cidr.num_addresses - RESERVED_PER_SUBNET for subnet in self.subnets)
