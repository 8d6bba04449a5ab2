"""Where the wanted subnets can lie: inside the VPC first, then in a new block; or what stands in the way."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

from berthmaster.capacity.model import BlockSource, NewBlock, Obstacle, Policy, VpcSnapshot
from berthmaster.capacity.plan.cidr_rules import (
    LONGEST_PREFIX,
    SHORTEST_PREFIX,
    TO_AVOID,
    Violation,
    is_ambiguous,
    violations,
)
from berthmaster.capacity.plan.cidr_space import largest_free, legal_blocks, pack

_SAMPLED_BLOCKS = 64
_REMEDIES = {
    "quota": "ask for a higher quota of IPv4 CIDR blocks per VPC (L-83CA0A9D, up to 50)",
    "pending-peering": "have the peering request accepted, or delete it",
    "rfc1918-range": "configure a pool in 100.64.0.0/10 or in the VPC's own RFC 1918 range",
    "range-198.19.0.0/16": "configure a pool in 100.64.0.0/10",
}
_ANOTHER_POOL = "configure another pool (CapacityPools), or free a part of this one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """CIDRs for the wanted subnets, in the order they were wanted, and the block to add for them, if any."""

    cidrs: tuple[IPv4Network, ...]
    block: NewBlock | None = None
    shrunk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    """What bounds the search, taken from the snapshot once."""

    vpc_cidrs: tuple[IPv4Network, ...]
    usable: tuple[IPv4Network, ...]
    subnets: tuple[IPv4Network, ...]
    destinations: tuple[IPv4Network, ...]
    peer_cidrs: tuple[IPv4Network, ...]
    pending_peering: bool
    quota_left: int | None

    @classmethod
    def of(cls, snapshot: VpcSnapshot) -> "_Space":
        return cls(
            vpc_cidrs=snapshot.cidrs,
            usable=tuple(one.cidr for one in snapshot.associations if one.state == "associated"),
            subnets=tuple(subnet.cidr for subnet in snapshot.subnets),
            destinations=tuple({route.destination for table in snapshot.route_tables for route in table.routes}),
            peer_cidrs=snapshot.peer_cidrs,
            pending_peering=snapshot.pending_peering,
            quota_left=snapshot.cidrs_left,
        )

    def blocks(self, pool: IPv4Network, length: int, avoid: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
        return legal_blocks(
            [pool],
            length,
            vpc_cidrs=self.vpc_cidrs,
            route_destinations=self.destinations,
            peer_cidrs=self.peer_cidrs,
            pending_peering=self.pending_peering,
            quota_left=self.quota_left,
            avoid=avoid,
        )

    def violations(self, block: IPv4Network) -> list[Violation]:
        return violations(
            block,
            vpc_cidrs=self.vpc_cidrs,
            route_destinations=self.destinations,
            peer_cidrs=self.peer_cidrs,
            pending_peering=self.pending_peering,
            quota_left=self.quota_left,
        )


def place(
    snapshot: VpcSnapshot, lengths: Sequence[int], policy: Policy, refused: Sequence[IPv4Network] = ()
) -> Placement | tuple[Obstacle, ...]:
    """Find room for subnets of these prefix lengths, cheapest and least irreversible first.

    1. free space inside the VPC's blocks; 2. a secondary block from the pools or the IPAM pool; then the same with all
    subnets half as large, down to the smallest the policy allows, since little room is better than none. The obstacles
    are those of the sizes wanted at first.
    refused: blocks AWS has already refused, for a reason that the rules do not know.
    """
    space = _Space.of(snapshot)
    short = _subnet_quota(snapshot, len(lengths))
    if short:
        return (short,)
    wanted = list(lengths)
    first_obstacles: tuple[Obstacle, ...] = ()
    while True:
        shrunk = wanted != list(lengths)
        inside = pack(wanted, space.usable, space.subnets)
        if inside is not None:
            return Placement(cidrs=tuple(inside), shrunk=shrunk)
        block = _new_block(snapshot, space, wanted, policy, refused)
        if block is not None:
            cidrs = pack(wanted, [block.cidr], ())
            if cidrs is None:
                raise AssertionError(f"{block.cidr} was chosen to hold {wanted}")
            return Placement(cidrs=tuple(cidrs), block=block, shrunk=shrunk)
        first_obstacles = first_obstacles or _obstacles(snapshot, space, wanted, policy, refused)
        smaller = [min(length + 1, max(length, policy.smallest_subnet)) for length in wanted]
        if smaller == wanted:
            return first_obstacles
        wanted = smaller


def _new_block(
    snapshot: VpcSnapshot, space: _Space, lengths: Sequence[int], policy: Policy, refused: Sequence[IPv4Network]
) -> NewBlock | None:
    exact = _exact_length(lengths)
    for length in range(min(exact, policy.block_prefix_length), exact + 1):
        found = _first_legal(snapshot, space, length, policy, refused)
        if found is None:
            continue
        ipam = snapshot.ipam
        where = f"IPAM pool {ipam.id}" if ipam else "the configured pools"
        return NewBlock(
            cidr=found,
            source=BlockSource.IPAM if ipam else BlockSource.POOL,
            ipam_pool_id=ipam.id if ipam else "",
            beside=space.vpc_cidrs,
            reason=f"{_inside_obstacle(space, lengths).rule}; {found} is the first /{length} of {where} that breaks no "
            f"rule{_spare(length, exact)}",
        )
    return None


def _first_legal(
    snapshot: VpcSnapshot, space: _Space, length: int, policy: Policy, refused: Sequence[IPv4Network]
) -> IPv4Network | None:
    """The first block that no other VPC of the account has; if the pools have none, one that another has too.

    AWS's text is clear about some blocks and not about others: those come last.
    """
    avoid = [*policy.avoid, *TO_AVOID, *refused, *(snapshot.ipam.allocated if snapshot.ipam else ())]
    for elsewhere in (snapshot.neighbours, ()):
        firsts = [
            block
            for pool in _pools(snapshot, policy)
            for block in islice(space.blocks(pool, length, [*avoid, *elsewhere]), 1)
        ]
        if firsts:
            return min(firsts, key=lambda block: is_ambiguous(block, vpc_cidrs=space.vpc_cidrs))
    return None


def _pools(snapshot: VpcSnapshot, policy: Policy) -> tuple[IPv4Network, ...]:
    return snapshot.ipam.provisioned if snapshot.ipam else policy.pools


def _exact_length(lengths: Sequence[int]) -> int:
    """The prefix length of the smallest block that holds subnets of these lengths."""
    addresses = sum(1 << (32 - length) for length in lengths)
    return 32 - (addresses - 1).bit_length()


def _spare(length: int, exact: int) -> str:
    return f"; larger than the /{exact} needed, as a VPC may have few blocks" if length < exact else ""


def _subnet_quota(snapshot: VpcSnapshot, wanted: int) -> Obstacle | None:
    if snapshot.subnets_left is None or wanted <= snapshot.subnets_left:
        return None
    return Obstacle(
        candidate=f"{wanted} new subnets",
        rule=f"quota: {len(snapshot.subnets)} of {snapshot.quotas.subnets_per_vpc} subnets per VPC are taken",
        remedy="ask for a higher quota of subnets per VPC (L-407747CB), or delete subnets nobody uses",
    )


def _obstacles(
    snapshot: VpcSnapshot, space: _Space, lengths: Sequence[int], policy: Policy, refused: Sequence[IPv4Network]
) -> tuple[Obstacle, ...]:
    exact = _exact_length(lengths)
    pools = _pools(snapshot, policy)
    outside = [_pool_obstacle(space, pool, exact, [*policy.avoid, *TO_AVOID], refused) for pool in pools]
    if not pools:
        outside = [
            Obstacle(
                candidate="IPAM pool" if snapshot.ipam else "secondary CIDR",
                rule="the pool has no CIDR provisioned" if snapshot.ipam else "no pool is configured",
                remedy="provision a CIDR to the pool" if snapshot.ipam else "configure CapacityPools",
            )
        ]
    return (_inside_obstacle(space, lengths), *outside)


def _inside_obstacle(space: _Space, lengths: Sequence[int]) -> Obstacle:
    largest = largest_free(space.usable, space.subnets)
    sizes = ", ".join(f"/{length}" for length in lengths)
    return Obstacle(
        candidate="free space inside the VPC",
        rule=f"no room for {sizes} inside {', '.join(map(str, space.usable))}: "
        + (f"the largest free block is {largest}" if largest else "all of it is subnets"),
        remedy="delete subnets nobody uses",
    )


def _pool_obstacle(
    space: _Space, pool: IPv4Network, length: int, avoid: Sequence[IPv4Network], refused: Sequence[IPv4Network]
) -> Obstacle:
    candidate = f"a /{length} from {pool}"
    if length < SHORTEST_PREFIX:
        return Obstacle(candidate=candidate, rule="block-size: AWS takes none above /16", remedy="shorten the horizon")
    if not pool.prefixlen <= length <= LONGEST_PREFIX:
        return Obstacle(candidate=candidate, rule="block-size: the pool is smaller", remedy=_ANOTHER_POOL)
    sampled = list(islice(pool.subnets(new_prefix=length), _SAMPLED_BLOCKS))
    broken: Counter[str] = Counter()
    example: dict[str, str] = {}
    for block in sampled:
        for violation in space.violations(block):
            broken[violation.rule] += 1
            example.setdefault(violation.rule, str(violation))
        for reason, taken in (("avoid: in use elsewhere", avoid), ("refused: AWS refused it before", refused)):
            if any(block.overlaps(one) for one in taken):
                broken[reason] += 1
                example.setdefault(reason, reason)
    rule = "; ".join(f"{example[name]} ({count} of {len(sampled)} blocks)" for name, count in broken.most_common())
    remedies = [_REMEDIES[name] for name, _ in broken.most_common() if name in _REMEDIES]
    return Obstacle(candidate=candidate, rule=rule, remedy="; ".join(remedies) or _ANOTHER_POOL)
