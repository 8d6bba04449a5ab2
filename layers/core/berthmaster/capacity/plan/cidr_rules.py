"""AWS's rules for associating another IPv4 CIDR block with a VPC.

`AssociateVpcCidrBlock` has no dry run, so a block is checked here first. A rule whose docstring names no other source
is on the page "VPC CIDR blocks" of the Amazon VPC User Guide:
https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html

Two conditions of that page do not make AWS refuse a block, and are not checked here: VPCs behind one Direct Connect
gateway must not overlap; and while a VPC is the accepter of a pending peering request, a block that overlaps the
requester makes that request fail.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Self

from berthmaster.capacity.model.vpc import VpcSnapshot

SHORTEST_PREFIX = 16
LONGEST_PREFIX = 28

# Docker's bridge, AWS Cloud9 and Amazon SageMaker AI use it: AWS accepts the block and advises against it.
TO_AVOID = (IPv4Network("172.17.0.0/16"),)

RESERVED = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/4"),
)

PRIVATE_10 = IPv4Network("10.0.0.0/8")
PRIVATE_172 = IPv4Network("172.16.0.0/12")
PRIVATE_192 = IPv4Network("192.168.0.0/16")
RFC1918 = (PRIVATE_10, PRIVATE_172, PRIVATE_192)
BENCHMARK = IPv4Network("198.19.0.0/16")


class Rule(StrEnum):
    """The rules by which AWS refuses a block."""

    BLOCK_SIZE = "block-size"
    RESERVED_RANGE = "reserved-range"
    VPC_OVERLAP = "vpc-overlap"
    RFC1918_RANGE = "rfc1918-range"
    RANGE_10_0 = "range-10.0.0.0/16"
    RANGE_172_31 = "range-172.31.0.0/16"
    RANGE_198_19 = "range-198.19.0.0/16"
    PEER_OVERLAP = "peer-overlap"
    ROUTE_DESTINATION = "route-destination"
    PENDING_PEERING = "pending-peering"
    QUOTA = "quota"
    ROUTE_QUOTA = "route-quota"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What the rules check a block against.

    vpc_cidrs: the VPC's blocks, primary first, also those that are being associated or disassociated.
    route_destinations: of every route in every route table of the VPC: gateway route tables, propagated routes and the
        entries of prefix lists too. `local` routes may be left out.
    peer_cidrs: of the VPCs in active peering connections.
    pending_peering: the VPC is the requester of a peering connection in `pending-acceptance`.
    quota_left: how many blocks "IPv4 CIDR blocks per VPC" still allows. None if unknown.
    full_tables: route tables to which no local route of another block can be added ("Routes per route table").
    """

    vpc_cidrs: tuple[IPv4Network, ...]
    route_destinations: tuple[IPv4Network, ...] = ()
    peer_cidrs: tuple[IPv4Network, ...] = ()
    pending_peering: bool = False
    quota_left: int | None = None
    full_tables: tuple[str, ...] = ()

    @classmethod
    def of(cls, snapshot: VpcSnapshot) -> Self:
        """The constraints of a VPC; each destination once, however many route tables have it."""
        destinations = (route.destination for table in snapshot.route_tables for route in table.routes)
        return cls(
            vpc_cidrs=snapshot.cidrs,
            route_destinations=tuple(dict.fromkeys(destinations)),
            peer_cidrs=snapshot.peer_cidrs,
            pending_peering=snapshot.pending_peering,
            quota_left=snapshot.cidrs_left,
            full_tables=snapshot.full_tables,
        )


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a block breaks, and what it conflicts with."""

    rule: Rule
    detail: str

    def __str__(self) -> str:
        """Read as `rule: detail`."""
        return f"{self.rule}: {self.detail}"


@dataclass(frozen=True, slots=True)
class ClosedRange:
    """A range that no new block of the VPC may overlap, the rule that says so, and why."""

    network: IPv4Network
    rule: Rule
    reason: str


# "IPv4 CIDR block association restrictions", by row: an existing CIDR block in the first range closes the second ones.
RESTRICTED_BY_EXISTING = (
    (PRIVATE_10, (PRIVATE_172, PRIVATE_192), Rule.RFC1918_RANGE),
    (IPv4Network("10.0.0.0/15"), (IPv4Network("10.0.0.0/16"),), Rule.RANGE_10_0),
    (PRIVATE_10, (BENCHMARK,), Rule.RANGE_198_19),
    (PRIVATE_172, (PRIVATE_10, PRIVATE_192), Rule.RFC1918_RANGE),
    (PRIVATE_172, (IPv4Network("172.31.0.0/16"),), Rule.RANGE_172_31),
    (PRIVATE_172, (BENCHMARK,), Rule.RANGE_198_19),
    (PRIVATE_192, (PRIVATE_10, PRIVATE_172), Rule.RFC1918_RANGE),
    (PRIVATE_192, (BENCHMARK,), Rule.RANGE_198_19),
    (BENCHMARK, RFC1918, Rule.RFC1918_RANGE),
)

# The last row: what is closed to a VPC whose blocks are all publicly routable or from 100.64.0.0/10.
RESTRICTED_BY_PUBLIC = (
    (RFC1918, Rule.RFC1918_RANGE),
    ((BENCHMARK,), Rule.RANGE_198_19),
)


def violations(block: IPv4Network, constraints: Constraints) -> list[Violation]:
    """Every rule by which AWS would refuse to associate the block; empty if it would accept it."""
    return [
        *_size(block),
        *_overlaps(block, closed_ranges(constraints)),
        *_routes(block, constraints.route_destinations),
        *standing_refusals(constraints),
    ]


def is_ambiguous(block: IPv4Network, constraints: Constraints) -> bool:
    """Whether AWS's table contradicts itself, or says nothing, about a block that breaks no rule.

    An RFC 1918 block for a VPC with both RFC 1918 and other blocks is permitted by one row and restricted by another.
    A further block from 198.19.0.0/16 for a VPC that has one is in neither column. Only an attempt shows it, so prefer
    another block, such as one from 100.64.0.0/10.
    """
    if block.overlaps(BENCHMARK):
        return any(cidr.overlaps(BENCHMARK) for cidr in constraints.vpc_cidrs)
    private = [_is_rfc1918(cidr) for cidr in constraints.vpc_cidrs]
    return _is_rfc1918(block) and any(private) and not all(private)


def closed_ranges(constraints: Constraints) -> list[ClosedRange]:
    """Every range that a new block of this VPC must not overlap."""
    vpc_cidrs, peer_cidrs = constraints.vpc_cidrs, constraints.peer_cidrs
    return [
        *(ClosedRange(network, Rule.RESERVED_RANGE, "which no VPC can have") for network in RESERVED),
        *(ClosedRange(network, Rule.VPC_OVERLAP, "which the VPC has already") for network in vpc_cidrs),
        *_restricted_associations(vpc_cidrs),
        *(ClosedRange(network, Rule.PEER_OVERLAP, "which a peered VPC has") for network in peer_cidrs),
    ]


def standing_refusals(constraints: Constraints) -> list[Violation]:
    """The rules by which AWS refuses any block for now, whatever its range.

    The requester of a pending peering connection cannot add a block, and no block may exceed a quota ("Amazon VPC
    quotas": IPv4 CIDR blocks per VPC, routes per route table).
    """
    refusals = []
    if constraints.pending_peering:
        reason = "a peering connection that the VPC requested is pending acceptance"
        refusals.append(Violation(Rule.PENDING_PEERING, reason))
    if constraints.quota_left is not None and constraints.quota_left <= 0:
        refusals.append(Violation(Rule.QUOTA, "the quota of IPv4 CIDR blocks allows no further block"))
    if constraints.full_tables:
        full = ", ".join(constraints.full_tables)
        reason = f"each block adds a local route to every route table, and there is no room for it in {full}"
        refusals.append(Violation(Rule.ROUTE_QUOTA, reason))
    return refusals


def _size(block: IPv4Network) -> Iterator[Violation]:
    """The rule on sizes: between a /16 and a /28 netmask."""
    if not SHORTEST_PREFIX <= block.prefixlen <= LONGEST_PREFIX:
        detail = f"{block} is not between /{SHORTEST_PREFIX} and /{LONGEST_PREFIX}"
        yield Violation(Rule.BLOCK_SIZE, detail)


def _overlaps(block: IPv4Network, closed: Iterable[ClosedRange]) -> Iterator[Violation]:
    for one in closed:
        if block.overlaps(one.network):
            yield Violation(one.rule, f"{block} overlaps {one.network}, {one.reason}")


def _routes(block: IPv4Network, destinations: Iterable[IPv4Network]) -> Iterator[Violation]:
    """The rule on routes: a block must not be the same as, or larger than, the destination of a route."""
    for destination in destinations:
        if destination.subnet_of(block):
            yield Violation(Rule.ROUTE_DESTINATION, f"{block} contains {destination}, the destination of a route")


def _restricted_associations(existing: Sequence[IPv4Network]) -> Iterator[ClosedRange]:
    """The ranges that AWS's table of association restrictions closes to a VPC with these blocks.

    The row of publicly routable and 100.64.0.0/10 blocks closes RFC 1918 only to a VPC without such a block: "add that
    CIDR first when you create the VPC and then add the non-RFC 1918 CIDR".
    """
    for held, closed, rule in RESTRICTED_BY_EXISTING:
        holder = next((cidr for cidr in existing if cidr.overlaps(held)), None)
        if holder is not None:
            reason = f"closed to a VPC that has a block from {held}: {holder}"
            yield from (ClosedRange(network, rule, reason) for network in closed)
    if existing and not any(_is_rfc1918(cidr) or cidr.overlaps(BENCHMARK) for cidr in existing):
        reason = f"closed to a VPC that has only publicly routable or 100.64.0.0/10 blocks: {existing[0]}"
        for closed, rule in RESTRICTED_BY_PUBLIC:
            yield from (ClosedRange(network, rule, reason) for network in closed)


def _is_rfc1918(network: IPv4Network) -> bool:
    return any(network.overlaps(private) for private in RFC1918)
