"""The nouns of capacity: what a VPC has, what it needs, and what is planned for it.

Frozen values; their properties follow from their own fields. Addresses are IPv4 addresses, prefixes are the /28 blocks
that EC2 prefix delegation assigns, times are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

AUTOMATION = "capacity"
MANAGED_TAG = "berthmaster:capacity"
MANAGED = "managed"
IGNORED = "ignored"
"""On a subnet of a managed VPC: it may be full, and no subnet is added for it."""
EXPANSION_TAG = "berthmaster:expansion"
"""On every added subnet: the id of its expansion."""
CIDR_TAG = "berthmaster:cidr"
"""On every added subnet: its own CIDR. Where that is another one, a person has copied the tags to their own subnet."""
BLOCK_TAG = "berthmaster:block"
"""On every added subnet in a block that Berthmaster has associated: the id of the association, which has no tags."""
SIBLING_TAG = "berthmaster:sibling"
"""On every added subnet that is ready for use: the id of its sibling, the subnet that it was added for."""

RESERVED_PER_SUBNET = 5
"""AWS reserves the first four addresses of a subnet and the last one (VPC User Guide, "Subnet CIDR blocks")."""
PREFIX_SIZE = 16
MAX_SUBNETS_PER_TASK_NETWORK = 16
"""awsvpcConfiguration takes at most 16 subnets (ECS API, AwsVpcConfiguration)."""


ECS_TASKS = "ECS tasks"
EKS_PODS_AND_NODES = "EKS pods and nodes"
EKS_CONTROL_PLANE = "EKS control plane"
EC2_INSTANCES = "EC2 instances"
LAMBDA = "Lambda"
LOAD_BALANCERS = "load balancers"
VPC_ENDPOINTS = "VPC endpoints"
RDS = "RDS"
ELASTICACHE = "ElastiCache"
DETACHED = "detached interfaces"
CANARIES = "Berthmaster's canaries"
"""Who uses addresses, as `Occupancy.holders` names them: those that a plan treats differently."""


class Cause(StrEnum):
    """Why something could not get a network interface or an address."""

    ADDRESSES = "addresses"
    PREFIXES = "prefixes"
    ENI_SLOTS = "eni_slots"
    THROTTLING = "throttling"
    QUOTA = "quota"
    PERMISSION = "permission"
    OTHER = "other"

    @property
    def is_shortage(self) -> bool:
        """Whether more subnets help."""
        return self in {Cause.ADDRESSES, Cause.PREFIXES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A sign that a VPC, some of its subnets, or the subnet of an interface may be short of addresses.

    source: where the sign comes from, for people. cluster, service: of the ECS task that could not start, ARN and name;
    a task may have no service. text: AWS's own error message.
    """

    source: str
    time: datetime
    cause: Cause
    vpc_id: str = ""
    subnet_ids: tuple[str, ...] = ()
    interface_id: str = ""
    cluster: str = ""
    service: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortages:
    """Several signs in one event, such as an alarm over the metrics of several subnets; not all need be of one VPC."""

    each: tuple[Shortage, ...]


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
class Service:
    """An ECS service whose tasks have addresses of their own (network mode `awsvpc`)."""

    cluster: str
    name: str
    subnet_ids: tuple[str, ...]
    desired: int
    running: int
    maximum_percent: int = 200
    deploying: bool = False
    managed: bool = False
    controller: str = "ECS"
    tag: str | None = None
    """The value of its tag berthmaster:capacity, if it has one."""
    strategy: str = "ROLLING"
    """The strategy of its deployments; of significance with the controller ECS only."""
    unended: str = ""
    """The id of its primary deployment, if that is in progress or has failed."""

    @property
    def label(self) -> str:
        """Its cluster and its name, as the ledger has them."""
        return f"{self.cluster} {self.name}"

    @property
    def committed(self) -> int:
        """Addresses that it may still take: a deployment in progress may run as many tasks as `ceiling` says."""
        return max(0, (self.ceiling if self.deploying else self.desired) - self.running)

    @property
    def ceiling(self) -> int:
        """Tasks that a deployment may run at once.

        `maximum_percent` is for rolling deployments. Where traffic shifts from one set of tasks to another, the whole
        second set runs beside the first (ECS guide, blue/green deployments).
        """
        shifts_traffic = self.controller == "CODE_DEPLOY" or self.strategy != "ROLLING"
        return self.desired * (max(self.maximum_percent, 200) if shifts_traffic else self.maximum_percent) // 100

    @property
    def surge(self) -> int:
        """Addresses that the next deployment would take beyond those in use; 0 while one is in progress."""
        return 0 if self.deploying else max(0, self.ceiling - max(self.desired, self.running))


ROLLING_UPDATE = "ECS"
"""The only deployment controller with which UpdateService takes a new network configuration (ECS API)."""


class CallerKind(StrEnum):
    """What runs tasks without a service, with its own network configuration."""

    RULE = "EventBridge rule"
    SCHEDULE = "EventBridge schedule"


DEFAULT_BUS = "default"


def rule_resource(bus: str, name: str) -> str:
    """The resource in the ARN of a rule (Service Authorization Reference, "Amazon EventBridge")."""
    return f"rule/{name}" if bus == DEFAULT_BUS else f"rule/{bus}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCaller:
    """One target of an EventBridge rule, or one schedule, that runs ECS tasks.

    group: the event bus of a rule, the schedule group of a schedule. target_id: empty for a schedule. role: path and
    name of the role that it runs tasks with; whoever changes the caller needs iam:PassRole for it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why one kind of candidate gives no addresses: the rule or quota that blocks it, and what a person can do."""

    candidate: str
    rule: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many more addresses one subnet group needs, as single addresses or as whole prefixes.

    addresses: 0 if it is enough that services, rules and schedules list subnets which exist. obstacle: why neither
    would be used, so that people have to change something; None if it would.
    """

    origin_id: str
    zone: str
    cause: Cause
    addresses: int
    reason: str
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an expansion may do, as configured."""

    pools: tuple[IPv4Network, ...] = (IPv4Network("100.64.0.0/10"),)
    avoid: tuple[IPv4Network, ...] = ()
    horizon_days: int = 30
    block_prefix_length: int = 20
    """A new CIDR is at least this large if the pools allow it: by default a VPC can have only five."""
    smallest_subnet: int = 26
    largest_subnet: int = 18
    expansions_per_day: int = 3
    caller_roles: str = ""
    """Roles of rules and schedules that may be passed: name or path, * allowed; empty for none."""


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
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubnet:
    """A subnet to create in the zone of its sibling, with the same routing, ACL and attributes."""

    cidr: IPv4Network
    zone: str
    sibling_id: str
    route_table_id: str
    network_acl_id: str
    attributes: SubnetAttributes
    tags: Mapping[str, str]
    admission_tags: Mapping[str, str]
    """Tags by which pods and services use the subnet: set only when it is tested."""
    prefix_reservations: tuple[IPv4Network, ...] = ()
    """Parts of it to reserve for prefixes, so that single addresses do not fragment them."""
    ipv6_cidr: str = ""
    """A /64 if its sibling is dual-stack."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWiring:
    """Subnets to add to an ECS service: planned ones by CIDR, existing ones by id."""

    cluster: str
    service: str
    add_cidrs: tuple[IPv4Network, ...] = ()
    add_ids: tuple[str, ...] = ()
    reason: str


class UpdateState(StrEnum):
    """What became of the update that gives a service its subnets.

    pending → called → deploying → wired
       │        │          └→ rolled back | failed | reset | does not end | unknown
       │        └→ left out | unknown
       └→ wired | left out | gone
    """

    PENDING = "pending"
    """UpdateService was not called."""
    CALLED = "called"
    """UpdateService may have been called."""
    DEPLOYING = "deploying"
    """It was called, and the service deploys."""
    WIRED = "wired"
    """The service lists the subnets, and no deployment of it is in progress."""
    LEFT_OUT = "left out"
    """It was not called, or AWS refused it."""
    GONE = "gone"
    """The service does not exist any more, or its tasks have no addresses of their own."""
    ROLLED_BACK = "rolled back"
    """ECS rolled the deployment back, and the list is as before."""
    FAILED = "failed"
    """The deployment failed, and the service lists the subnets."""
    RESET = "reset"
    """Somebody else has set another list during the deployment."""
    ENDLESS = "does not end"
    """The service lists the subnets, and its deployment was still in progress when it was looked at last."""
    UNKNOWN = "unknown"
    """It was called, or may have been, and the list is without the subnets for an unknown reason."""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be seen what becomes of it."""
        return self in {UpdateState.PENDING, UpdateState.CALLED, UpdateState.DEPLOYING}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUpdate:
    """The account of the one update by which an expansion gives a service its subnets.

    asked: whether a person asked for it. since: when what it waits for was seen first. called_at: when
    UpdateService was called, or may have been. deployment_before: the primary deployment then. deployment: the one
    that it started; of an update that was left out, the one that was in the way. reason: why it is in this state.
    """

    cluster: str
    service: str
    subnet_ids: tuple[str, ...]
    state: UpdateState = UpdateState.PENDING
    asked: bool = False
    since: datetime | None = None
    called_at: datetime | None = None
    deployment_before: str = ""
    deployment: str = ""
    reason: str = ""

    @property
    def name(self) -> tuple[str, str]:
        """The cluster and the service."""
        return self.cluster, self.service

    @property
    def label(self) -> str:
        """The service, for people."""
        return f"{self.cluster} {self.service}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerWiring:
    """Subnets to add to a rule or a schedule that runs tasks."""

    kind: CallerKind
    group: str
    name: str
    target_id: str
    add_cidrs: tuple[IPv4Network, ...] = ()
    add_ids: tuple[str, ...] = ()
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EniConfig:
    """An ENIConfig that VPC CNI custom networking needs to use a new subnet; a person applies it."""

    zone: str
    cidr: IPv4Network
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a resource that a person should know and that Berthmaster cannot change.

    resource: its id or ARN. name: its tag Name. code: a short name of the problem. text: the problem, for people.
    """

    resource: str
    name: str
    code: str
    text: str


def named(resource_id: str, name: str) -> str:
    """A resource as people know it: its id, and its tag Name if it has one."""
    return f"{resource_id} ({name})" if name else resource_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done for one VPC, in this order; without steps but with obstacles if nothing can be done."""

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
    """CIDRs that the VPC's quota still allows afterwards; None if the quota is unknown."""
    vpc_name: str = ""
    """Its tag Name, for people."""

    @property
    def vpc(self) -> str:
        """The VPC as people know it: its id, and its name if it has one."""
        return named(self.vpc_id, self.vpc_name)

    @property
    def changes_anything(self) -> bool:
        """Whether it has a step that writes."""
        return bool(self.block or self.subnets or self.services or self.callers)

    @property
    def is_for_people(self) -> bool:
        """Whether nobody would use new subnets, so that people have to change something."""
        return bool(self.needs) and all(need.obstacle for need in self.needs)

    @property
    def addresses(self) -> int:
        """Addresses that it adds."""
        return sum(subnet.cidr.num_addresses - RESERVED_PER_SUBNET for subnet in self.subnets)
