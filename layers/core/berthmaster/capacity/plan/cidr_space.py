"""Where a block can lie: legal blocks for a VPC, free blocks for its subnets."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, summarize_address_range

from berthmaster.capacity.plan.cidr_rules import (
    LONGEST_PREFIX,
    SHORTEST_PREFIX,
    Cidr,
    closed_ranges,
    ipv4_network,
    ipv4_obstacles,
    standing_refusals,
)

ADDRESS_BITS = 32


def legal_blocks(
    pools: Iterable[Cidr],
    prefix_length: int,
    *,
    vpc_cidrs: Iterable[Cidr],
    route_destinations: Iterable[Cidr],
    peer_cidrs: Iterable[Cidr] = (),
    pending_peering: bool = False,
    quota_left: int | None = None,
    avoid: Iterable[Cidr] = (),
) -> Iterator[IPv4Network]:
    """Yield the blocks of this length that AWS would accept for the VPC and that overlap nothing in `avoid`.

    The blocks lie inside one pool each, come in the order of the pools, lowest address first, and come once, even where
    pools overlap. They are exactly those for which `cidr_rules.violations` is empty: the other arguments are the same.
    avoid: what is in use elsewhere and AWS would not refuse: blocks behind the Direct Connect gateway or the transit
    gateway, the organisation's other networks, `cidr_rules.TO_AVOID`.

    Raises ValueError, naming the argument and the value, for what is not a CIDR block, an IPv6 pool, or a prefix length
    outside 0..32.
    """
    searched = [ipv4_network("pools", pool) for pool in pools]
    length = _prefix_length("prefix_length", prefix_length)
    existing = ipv4_obstacles("vpc_cidrs", vpc_cidrs)
    peers = ipv4_obstacles("peer_cidrs", peer_cidrs)
    destinations = ipv4_obstacles("route_destinations", route_destinations)
    avoided = ipv4_obstacles("avoid", avoid)

    refused = standing_refusals(pending_peering=pending_peering, quota_left=quota_left)
    if refused or not SHORTEST_PREFIX <= length <= LONGEST_PREFIX:
        return iter(())
    closed = [one.network for one in closed_ranges(existing, peers)]
    # A block that overlaps a destination at least as long as itself contains it; a shorter one it can not contain.
    contained = [destination for destination in destinations if destination.prefixlen >= length]
    return _blocks(_gaps(searched, [*closed, *contained, *avoided], length), length)


def largest_free(parents: Iterable[Cidr], taken: Iterable[Cidr]) -> IPv4Network | None:
    """Return the largest block inside one parent that overlaps nothing taken, the lowest of equals; None when full.

    parents: the VPC's CIDR blocks. taken: its subnets.

    Raises ValueError, naming the argument and the value, for what is not a CIDR block or an IPv6 parent.
    """
    return min(_holes(parents, taken), key=_largest_first, default=None)


def pack(lengths: Sequence[int], parents: Iterable[Cidr], taken: Iterable[Cidr]) -> list[IPv4Network] | None:
    """Place blocks of these prefix lengths in the free space without overlap: in the order given, or None.

    Largest first finds a placement whenever there is one. When a block of n addresses has its turn, all placed blocks
    are of n or more, each an aligned power of two, so each has used up exactly its size of the n-address slots of the
    holes, wherever it went: the slots that are left number the same in every placement, and any one of them will do.
    Best fit then keeps the large holes whole.

    Raises ValueError, naming the argument and the value, for a prefix length outside 0..32, and as `largest_free` does.
    """
    wanted = [_prefix_length("lengths", length) for length in lengths]
    holes = _holes(parents, taken)
    placed: dict[int, IPv4Network] = {}
    for index in sorted(range(len(wanted)), key=wanted.__getitem__):
        fitting = (hole for hole in holes if hole.prefixlen <= wanted[index])
        hole = min(fitting, key=_smallest_first, default=None)
        if hole is None:
            return None
        placed[index] = IPv4Network((hole.network_address, wanted[index]))
        holes.remove(hole)
        holes.extend(hole.address_exclude(placed[index]))
    return [placed[index] for index in range(len(wanted))]


def _prefix_length(argument: str, value: int) -> int:
    if not 0 <= value <= ADDRESS_BITS:
        raise ValueError(f"{argument}: {value!r} is not the prefix length of an IPv4 CIDR block")
    return value


def _smallest_first(hole: IPv4Network) -> tuple[int, IPv4Address]:
    return -hole.prefixlen, hole.network_address


def _largest_first(hole: IPv4Network) -> tuple[int, IPv4Address]:
    return hole.prefixlen, hole.network_address


def _holes(parents: Iterable[Cidr], taken: Iterable[Cidr]) -> list[IPv4Network]:
    """List the largest aligned blocks inside one parent each that overlap nothing taken; they do not overlap.

    Two parents that adjoin are not joined: a subnet lies inside one CIDR block of its VPC.
    """
    spaces = sorted((ipv4_network("parents", parent) for parent in parents), key=_largest_first)
    gaps = _gaps(spaces, ipv4_obstacles("taken", taken), ADDRESS_BITS)
    return [hole for gap in gaps for hole in summarize_address_range(IPv4Address(gap[0]), IPv4Address(gap[-1]))]


def _blocks(gaps: Iterable[range], length: int) -> Iterator[IPv4Network]:
    shift = ADDRESS_BITS - length
    return (IPv4Network((slot << shift, length)) for gap in gaps for slot in gap)


def _gaps(spaces: Iterable[IPv4Network], obstacles: Iterable[IPv4Network], length: int) -> Iterator[range]:
    """Yield the runs of slots of this length that lie inside a space and touch no obstacle.

    A slot is the number of an aligned block of the length, counted from 0.0.0.0. Runs come in the order of the spaces;
    a slot that lies in several spaces comes with the first.
    """
    walls = sorted((_slots(obstacle, length) for obstacle in obstacles), key=_first_slot)
    for space in spaces:
        if space.prefixlen <= length:
            inside = _slots(space, length)
            yield from _between(inside, walls)
            insort(walls, inside, key=_first_slot)


def _slots(network: IPv4Network, length: int) -> range:
    """Return the slots of this length that the network touches: one, when it is smaller than a slot."""
    shift = ADDRESS_BITS - length
    first, last = int(network.network_address), int(network.broadcast_address)
    return range(first >> shift, (last >> shift) + 1)


def _first_slot(slots: range) -> int:
    return slots.start


def _between(slots: range, walls: Iterable[range]) -> Iterator[range]:
    """Yield the runs of `slots` that are in no wall; walls come by their first slot and may overlap."""
    free = slots.start
    for wall in (*walls, range(slots.stop, slots.stop)):
        gap = range(free, min(wall.start, slots.stop))
        if gap:
            yield gap
        free = max(free, wall.stop)
