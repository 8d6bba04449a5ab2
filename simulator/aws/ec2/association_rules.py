"""Which IPv4 block may join a VPC: AWS's rules, as a table over integer ranges.

Written apart from `berthmaster.capacity.cidr_rules`, so that each checks the other.
Source: Amazon VPC User Guide, "VPC CIDR blocks", IPv4 CIDR block association restrictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

type Span = tuple[int, int]


def span(cidr: str) -> Span:
    """First and last address of a block; host bits are dropped, as AWS drops them."""
    network = IPv4Network(cidr, strict=False)
    return int(network.network_address), int(network.broadcast_address)


def within(inner: Span, outer: Span) -> bool:
    """Whether `outer` holds all of `inner`."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def overlap(left: Span, right: Span) -> bool:
    """Whether two spans share an address."""
    return left[0] <= right[1] and right[0] <= left[1]


TEN = span("10.0.0.0/8")
ONE_SEVEN_TWO = span("172.16.0.0/12")
ONE_NINE_TWO = span("192.168.0.0/16")
ONE_NINE_EIGHT = span("198.19.0.0/16")
RFC_1918 = (TEN, ONE_SEVEN_TWO, ONE_NINE_TWO)
TEN_FIRST_TWO = span("10.0.0.0/15")
TEN_FIRST = span("10.0.0.0/16")
ONE_SEVEN_TWO_LAST = span("172.31.0.0/16")

NEVER = tuple(span(block) for block in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"))

# A VPC that has a block in the first span is refused blocks in the others.
RESTRICTED: tuple[tuple[Span, tuple[Span, ...]], ...] = (
    (TEN, (ONE_SEVEN_TWO, ONE_NINE_TWO, ONE_NINE_EIGHT)),
    (TEN_FIRST_TWO, (TEN_FIRST,)),
    (ONE_SEVEN_TWO, (TEN, ONE_NINE_TWO, ONE_NINE_EIGHT, ONE_SEVEN_TWO_LAST)),
    (ONE_NINE_TWO, (TEN, ONE_SEVEN_TWO, ONE_NINE_EIGHT)),
    (ONE_NINE_EIGHT, RFC_1918),
)
PRIVATE = (*RFC_1918, ONE_NINE_EIGHT)

LARGEST, SMALLEST = 16, 28


@dataclass(frozen=True, kw_only=True)
class VpcNetwork:
    """What the rules need to know of a VPC; every block and destination as a CIDR string.

    `cidrs` starts with the primary block. `destinations` are those of every route in every route table of the VPC,
    prefix lists expanded, `local` routes left out. `peers` are the blocks of the VPCs behind active peering
    connections.
    """

    cidrs: tuple[str, ...]
    destinations: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    requested_peering: bool = False
    quota: int = 5


@dataclass(frozen=True)
class Refusal:
    """Why AWS refuses a block, with the error code of its response.

    `InvalidVpc.Range` for restricted ranges is AWS's own (public transcripts of AssociateVpcCidrBlock);
    `CidrLimitExceeded` is moto's. The other codes were found in no public document and are this simulator's choice.
    """

    code: str
    message: str


def refusal(candidate: str, vpc: VpcNetwork) -> Refusal | None:
    """The first rule that refuses `candidate`, or None if AWS would accept it."""
    block = span(candidate)
    return next(chain(_by_range(candidate, block, vpc), _by_neighbours(candidate, block, vpc)), None)


def _by_range(candidate: str, block: Span, vpc: VpcNetwork) -> Iterator[Refusal]:
    length = int(candidate.split("/")[1])
    if not LARGEST <= length <= SMALLEST:
        yield Refusal("InvalidVpc.Range", f"The CIDR '{candidate}' is invalid.")
    if any(overlap(block, never) for never in NEVER) or _is_restricted(block, vpc.cidrs):
        yield Refusal(
            "InvalidVpc.Range",
            f"The CIDR '{candidate}' is restricted. Use a CIDR from the same private address range as the current VPC "
            "CIDR, or use a publicly-routable CIDR. For additional restrictions, see "
            "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html",
        )


def _by_neighbours(candidate: str, block: Span, vpc: VpcNetwork) -> Iterator[Refusal]:
    for cidr in vpc.cidrs:
        if overlap(block, span(cidr)):
            yield Refusal("CidrConflict", f"The CIDR '{candidate}' conflicts with {cidr} of the VPC.")
    for destination in vpc.destinations:
        if within(span(destination), block):
            yield Refusal("CidrConflict", f"The CIDR '{candidate}' conflicts with the route to {destination}.")
    if vpc.requested_peering:
        yield Refusal("InvalidStateTransition", "The VPC has a peering request that is pending acceptance.")
    for cidr in vpc.peers:
        if overlap(block, span(cidr)):
            yield Refusal("CidrConflict", f"The CIDR '{candidate}' conflicts with {cidr} of a peered VPC.")
    if len(vpc.cidrs) >= vpc.quota:
        yield Refusal("CidrLimitExceeded", f"This network has met its maximum number of allowed CIDRs: {vpc.quota}")


def _is_restricted(block: Span, cidrs: tuple[str, ...]) -> bool:
    existing = [span(cidr) for cidr in cidrs]
    for family, restricted in RESTRICTED:
        if any(within(have, family) for have in existing) and any(within(block, refused) for refused in restricted):
            return True
    if any(not _is_private(have) for have in existing):
        # "You can also associate a CIDR in one of the RFC 1918 ranges, but to do this you have to add that CIDR first
        # when you create the VPC": the primary block's own family stays open.
        return any(within(block, family) and not within(existing[0], family) for family in PRIVATE)
    return False


def _is_private(block: Span) -> bool:
    return any(within(block, family) for family in PRIVATE)
