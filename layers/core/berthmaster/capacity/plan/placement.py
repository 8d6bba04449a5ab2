"""Where the new subnets can lie: inside the VPC first, else in a new block; or what prevents it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

from berthmaster.capacity.model.plan import BlockSource, NewBlock, Obstacle, Policy
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.plan.cidr_rules import (
    LONGEST_PREFIX,
    SHORTEST_PREFIX,
    TO_AVOID,
    Constraints,
    is_ambiguous,
    violations,
)
from berthmaster.capacity.plan.cidr_space import largest_free, legal_blocks, pack

_SAMPLED_BLOCKS = 64
_REMEDIES = {
    "quota": "ask for a higher quota of IPv4 CIDR blocks per VPC (L-83CA0A9D, up to 50)",
    "route-quota": "ask for a higher quota of routes per route table (L-93826ACB), or delete routes",
    "pending-peering": "have the peering request accepted, or delete it",
    "rfc1918-range": "configure a pool in 100.64.0.0/10 or in the VPC's own RFC 1918 range",
    "range-198.19.0.0/16": "configure a pool in 100.64.0.0/10",
}
_IPAM_REMEDY = "fix that, or set CapacityIpamPool to another pool that this account may use"
_ANOTHER_IPAM_POOL = "change the pool's allocation rules, or set CapacityIpamPool to another pool"
_ANOTHER_POOL = "configure another pool (CapacityPools), or free a part of this one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """CIDRs for the new subnets, in the order they were asked for, and the block to add for them, if any.

    shrunk: whether the subnets are smaller than asked for.
    """

    cidrs: tuple[IPv4Network, ...]
    block: NewBlock | None = None
    shrunk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    """What the search starts from, taken from the snapshot once.

    usable: blocks of the VPC that can hold subnets now. taken: what of them subnets have or is in use elsewhere. pools:
    where a new block may come from. avoid: what is in use elsewhere. refused: blocks that AWS has refused before.
    """

    snapshot: VpcSnapshot
    constraints: Constraints
    usable: tuple[IPv4Network, ...]
    taken: tuple[IPv4Network, ...]
    pools: tuple[IPv4Network, ...]
    avoid: tuple[IPv4Network, ...]
    refused: tuple[IPv4Network, ...]

    @classmethod
    def of(cls, snapshot: VpcSnapshot, policy: Policy, refused: Sequence[IPv4Network]) -> "_Space":
        elsewhere = (*policy.avoid, *(one.cidr for one in snapshot.cluster_cidrs))
        return cls(
            snapshot=snapshot,
            constraints=Constraints.of(snapshot),
            usable=tuple(one.cidr for one in snapshot.associations if one.state == "associated"),
            taken=(*(subnet.cidr for subnet in snapshot.subnets), *elsewhere),
            pools=_pools(snapshot, policy),
            avoid=(*elsewhere, *TO_AVOID),
            refused=tuple(refused),
        )


def place(
    snapshot: VpcSnapshot, lengths: Sequence[int], policy: Policy, refused: Sequence[IPv4Network]
) -> Placement | tuple[Obstacle, ...]:
    """Find free blocks for subnets of these prefix lengths, cheapest and least irreversible first.

    1. free addresses inside the VPC's blocks; 2. a secondary block from the pools or the IPAM pool; then the same with
    all subnets half as large, down to the smallest that the policy allows, since few addresses are better than none.
    The obstacles are those of the sizes that were asked for.
    refused: blocks that AWS has refused before, for a reason that the rules do not know.
    """
    space = _Space.of(snapshot, policy, refused)
    if quota := _subnet_quota(snapshot, len(lengths)):
        return (quota,)
    wanted = list(lengths)
    first_obstacles: tuple[Obstacle, ...] = ()
    while True:
        shrunk = wanted != list(lengths)
        inside = pack(wanted, space.usable, space.taken)
        if inside is not None:
            return Placement(cidrs=tuple(inside), shrunk=shrunk)
        block = _new_block(space, wanted, policy.block_prefix_length)
        if block is not None:
            cidrs = pack(wanted, [block.cidr], ())
            if cidrs is None:
                raise AssertionError(f"{block.cidr} was chosen to hold {wanted}")
            return Placement(cidrs=tuple(cidrs), block=block, shrunk=shrunk)
        first_obstacles = first_obstacles or _obstacles(space, wanted)
        smaller = [min(length + 1, max(length, policy.smallest_subnet)) for length in wanted]
        if smaller == wanted:
            return first_obstacles
        wanted = smaller


def _new_block(space: _Space, lengths: Sequence[int], preferred: int) -> NewBlock | None:
    exact, ipam = _exact_length(lengths), space.snapshot.ipam
    shortest, longest = (ipam.shortest, ipam.longest) if ipam else (0, exact)
    for length in range(max(shortest, min(exact, preferred, longest)), min(exact, longest) + 1):
        found = _first_legal(space, length)
        if found is None:
            continue
        where = f"IPAM pool {ipam.id}" if ipam else "the configured pools"
        return NewBlock(
            cidr=found,
            source=BlockSource.IPAM if ipam else BlockSource.POOL,
            ipam_pool_id=ipam.id if ipam else "",
            reason=f"{_inside_obstacle(space, lengths).rule}; {found} is the first /{length} of {where} that breaks no "
            f"rule{_why_larger(length, exact)}",
        )
    return None


def _first_legal(space: _Space, length: int) -> IPv4Network | None:
    """The first block that no other VPC of the account has; if there is none, one that another VPC has too.

    Blocks for which AWS's documentation is not clear come last.
    """
    ipam = space.snapshot.ipam
    avoid = [*space.avoid, *space.refused, *(ipam.allocated if ipam else ())]
    for elsewhere in (space.snapshot.neighbours, ()):
        firsts = [
            block
            for pool in space.pools
            for block in islice(legal_blocks([pool], length, space.constraints, avoid=[*avoid, *elsewhere]), 1)
        ]
        if firsts:
            return min(firsts, key=lambda block: is_ambiguous(block, space.constraints))
    return None


def _pools(snapshot: VpcSnapshot, policy: Policy) -> tuple[IPv4Network, ...]:
    """The ranges that a new block may come from."""
    if snapshot.ipam is None:
        return policy.pools
    return () if snapshot.ipam.why_not_for(snapshot.tags) else snapshot.ipam.provisioned


def _exact_length(lengths: Sequence[int]) -> int:
    """The prefix length of the smallest block that holds subnets of these lengths."""
    addresses = sum(1 << (32 - length) for length in lengths)
    return 32 - (addresses - 1).bit_length()


def _why_larger(length: int, exact: int) -> str:
    return f"; larger than the /{exact} needed, as a VPC may have few blocks" if length < exact else ""


def _subnet_quota(snapshot: VpcSnapshot, wanted: int) -> Obstacle | None:
    if snapshot.subnets_left is None or wanted <= snapshot.subnets_left:
        return None
    return Obstacle(
        candidate=f"{wanted} new subnets",
        rule=f"quota: {len(snapshot.subnets)} of {snapshot.quotas.subnets_per_vpc} subnets per VPC are in use",
        remedy="ask for a higher quota of subnets per VPC (L-407747CB), or delete unused subnets",
    )


def _obstacles(space: _Space, lengths: Sequence[int]) -> tuple[Obstacle, ...]:
    ipam, exact = space.snapshot.ipam, _exact_length(lengths)
    outside = [_pool_obstacle(space, pool, exact) for pool in space.pools]
    if not space.pools:
        outside = [
            Obstacle(
                candidate="IPAM pool" if ipam else "secondary CIDR",
                rule=ipam.why_not_for(space.snapshot.tags) if ipam else "no pool is configured",
                remedy=_IPAM_REMEDY if ipam else "configure CapacityPools",
            )
        ]
    return (_inside_obstacle(space, lengths), *outside)


def _inside_obstacle(space: _Space, lengths: Sequence[int]) -> Obstacle:
    largest = largest_free(space.usable, space.taken)
    sizes = ", ".join(f"/{length}" for length in lengths)
    return Obstacle(
        candidate="free addresses inside the VPC",
        rule=f"no room for {sizes} inside {', '.join(map(str, space.usable))}: "
        + (f"the largest free block is {largest}" if largest else "subnets and ranges to avoid take all of it"),
        remedy="delete unused subnets",
    )


def _pool_obstacle(space: _Space, pool: IPv4Network, length: int) -> Obstacle:
    ipam = space.snapshot.ipam
    if ipam and length < ipam.shortest:
        rule = f"netmask: the pool allocates no block larger than a /{ipam.shortest}"
        return Obstacle(candidate=f"a /{length} from {pool}", rule=rule, remedy=_ANOTHER_IPAM_POOL)
    length = min(length, ipam.longest) if ipam else length
    candidate = f"a /{length} from {pool}"
    if length < SHORTEST_PREFIX:
        rule = "block-size: AWS takes no block larger than a /16"
        return Obstacle(candidate=candidate, rule=rule, remedy="configure fewer CapacityHorizonDays")
    if not pool.prefixlen <= length <= LONGEST_PREFIX:
        return Obstacle(candidate=candidate, rule="block-size: the pool is smaller", remedy=_ANOTHER_POOL)
    sampled = list(islice(pool.subnets(new_prefix=length), _SAMPLED_BLOCKS))
    broken: Counter[str] = Counter()
    example: dict[str, str] = {}
    for block in sampled:
        for rule, sentence in _problems(space, block).items():
            broken[rule] += 1
            example.setdefault(rule, sentence)
    rule = "; ".join(f"{example[name]} ({count} of {len(sampled)} blocks)" for name, count in broken.most_common())
    remedies = [_REMEDIES[name] for name, _ in broken.most_common() if name in _REMEDIES]
    return Obstacle(candidate=candidate, rule=rule, remedy="; ".join(remedies) or _ANOTHER_POOL)


def _problems(space: _Space, block: IPv4Network) -> dict[str, str]:
    """Why a block cannot be used: by rule, in words."""
    problems: dict[str, str] = {}
    for violation in violations(block, space.constraints):
        problems.setdefault(violation.rule, str(violation))
    used = next((one for one in space.snapshot.cluster_cidrs if block.overlaps(one.cidr)), None)
    if used:
        problems["avoid"] = f"avoid: in use for {used.where}"
    elif any(block.overlaps(one) for one in space.avoid):
        problems["avoid"] = "avoid: in use elsewhere"
    if space.snapshot.ipam and any(block.overlaps(one) for one in space.snapshot.ipam.allocated):
        problems["allocated"] = "allocated: the IPAM pool has allocated it"
    if any(block.overlaps(one) for one in space.refused):
        problems["refused"] = "refused: AWS refused it before"
    return problems
