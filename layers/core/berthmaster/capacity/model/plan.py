"""What a VPC needs, what may be done about it, and what is planned."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network

from berthmaster.capacity.model.findings import named
from berthmaster.capacity.model.shortage import Cause
from berthmaster.capacity.model.vpc import RESERVED_PER_SUBNET, SubnetAttributes
from berthmaster.capacity.model.workloads import CallerKind


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
