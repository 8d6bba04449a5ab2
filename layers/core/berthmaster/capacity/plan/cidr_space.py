"""Where CIDR blocks are free: legal blocks for a VPC, free blocks for its subnets."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, summarize_address_range

from berthmaster.capacity.plan.cidr_rules import (
    LONGEST_PREFIX,
    SHORTEST_PREFIX,
    Constraints,
    closed_ranges,
    standing_refusals,
)

ADDRESS_BITS = 32


def legal_blocks(
    pools: Iterable[IPv4Network], length: int, constraints: Constraints, *, avoid: Iterable[IPv4Network] = ()
) -> Iterator[IPv4Network]:
    """The blocks of this prefix length that AWS would accept for the VPC and that overlap nothing in `avoid`.

    Each lies inside one pool. They come in the order of the pools, lowest address first, and each once, even where
    pools overlap. They are exactly those for which `cidr_rules.violations` is empty.
    avoid: what is in use elsewhere and AWS would not refuse: blocks behind the Direct Connect gateway or the transit
    gateway, other networks of the organisation, `cidr_rules.TO_AVOID`.
    """
    if standing_refusals(constraints) or not SHORTEST_PREFIX <= length <= LONGEST_PREFIX:
        return iter(())
    closed = [one.network for one in closed_ranges(constraints)]
    # A block that overlaps a destination at least as long as itself contains it; it cannot contain a shorter one.
    contained = [destination for destination in constraints.route_destinations if destination.prefixlen >= length]
    return _blocks(_gaps(pools, [*closed, *contained, *avoid], length), length)


def largest_free(parents: Iterable[IPv4Network], taken: Iterable[IPv4Network]) -> IPv4Network | None:
    """The largest block inside one parent that overlaps nothing taken, the lowest of equals; None if all is taken.

    parents: the VPC's CIDR blocks. taken: its subnets.
    """
    return min(_free_blocks(parents, taken), key=_largest_first, default=None)


def pack(
    lengths: Sequence[int], parents: Iterable[IPv4Network], taken: Iterable[IPv4Network]
) -> list[IPv4Network] | None:
    """Free blocks of these prefix lengths that do not overlap, in the order given; None if they do not all fit.

    Placing the largest first finds a solution whenever there is one. When a block of n addresses is placed, all blocks
    before it are of n or more, each an aligned power of two. So each of them uses up exactly its size in n-address
    slots, wherever it was placed: the number of slots left is the same in every solution, and any of them will do.
    Taking the smallest free block that fits keeps the large ones whole.
    """
    free = _free_blocks(parents, taken)
    placed: dict[int, IPv4Network] = {}
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        fitting = (block for block in free if block.prefixlen <= lengths[index])
        block = min(fitting, key=_smallest_first, default=None)
        if block is None:
            return None
        placed[index] = IPv4Network((block.network_address, lengths[index]))
        free.remove(block)
        free.extend(block.address_exclude(placed[index]))
    return [placed[index] for index in range(len(lengths))]


def _smallest_first(block: IPv4Network) -> tuple[int, IPv4Address]:
    return -block.prefixlen, block.network_address


def _largest_first(block: IPv4Network) -> tuple[int, IPv4Address]:
    return block.prefixlen, block.network_address


def _free_blocks(parents: Iterable[IPv4Network], taken: Iterable[IPv4Network]) -> list[IPv4Network]:
    """The largest aligned blocks inside one parent each that overlap nothing taken; they do not overlap each other.

    Adjacent parents are not joined: a subnet lies inside one CIDR block of its VPC.
    """
    gaps = _gaps(sorted(parents, key=_largest_first), taken, ADDRESS_BITS)
    return [block for gap in gaps for block in summarize_address_range(IPv4Address(gap[0]), IPv4Address(gap[-1]))]


def _blocks(gaps: Iterable[range], length: int) -> Iterator[IPv4Network]:
    shift = ADDRESS_BITS - length
    return (IPv4Network((slot << shift, length)) for gap in gaps for slot in gap)


def _gaps(spaces: Iterable[IPv4Network], taken: Iterable[IPv4Network], length: int) -> Iterator[range]:
    """The runs of slots of this length that lie inside a space and overlap nothing taken.

    A slot is the number of an aligned block of the length, counted from 0.0.0.0. Runs come in the order of the spaces;
    a slot that lies in several spaces comes with the first.
    """
    closed = sorted((_slots(network, length) for network in taken), key=_first_slot)
    for space in spaces:
        if space.prefixlen <= length:
            inside = _slots(space, length)
            yield from _between(inside, closed)
            insort(closed, inside, key=_first_slot)


def _slots(network: IPv4Network, length: int) -> range:
    """The slots of this length that the network overlaps: one, if it is smaller than a slot."""
    shift = ADDRESS_BITS - length
    first, last = int(network.network_address), int(network.broadcast_address)
    return range(first >> shift, (last >> shift) + 1)


def _first_slot(slots: range) -> int:
    return slots.start


def _between(slots: range, closed: Iterable[range]) -> Iterator[range]:
    """The runs of `slots` that are in nothing closed; what is closed is sorted by its first slot and may overlap."""
    free = slots.start
    for one in (*closed, range(slots.stop, slots.stop)):
        gap = range(free, min(one.start, slots.stop))
        if gap:
            yield gap
        free = max(free, one.stop)
