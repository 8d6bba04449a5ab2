"""The rules of some groups in one direction, compiled: which of them match a port, and which a peer.

Sets of rules are integers with a bit for each rule, so that a flow costs two lookups and an AND.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    GroupReference,
    Network,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import Address
from berthmaster.security_groups.plan.peers import Holders, Peers, is_anywhere


class Matches(NamedTuple):
    """Rules that match, as bits: certainly, and possibly (without those that certainly do)."""

    certain: int
    possible: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule as it was. is_settled: whether it certainly was like that all the time."""

    rule: Rule
    is_settled: bool
    members_vpc: str | None = None
    """Of a reference: the VPC of the group, None if its members are not known."""


class RuleSet:
    """The rules of some groups in one direction, at a time in which they did not change."""

    def __init__(
        self, candidates: Sequence[Candidate], lists: Mapping[str, tuple[frozenset[Network], bool]], peers: Peers
    ) -> None:
        """lists: entries of each prefix list that is known, and whether they certainly were those all the time."""
        self.rules = tuple(one.rule for one in candidates)
        self._peers = peers
        self.settled = _bits(index for index, one in enumerate(candidates) if one.is_settled)
        self.carrying_replies, self.for_anybody = cache(self._carrying_replies), cache(self._for_anybody)
        self._by_port: dict[tuple[int, int, int], int] = {}
        self._by_peer: dict[tuple[Address, Holders], Matches] = {}
        self._by_group: dict[str, int] = defaultdict(int)
        self._by_members_vpc: dict[str, int] = defaultdict(int)
        self._unknown = 0
        blocks: list[tuple[Network, int]] = []
        unsettled_blocks: list[tuple[Network, int]] = []
        for index, one in enumerate(candidates):
            bit, peer = 1 << index, one.rule.peer
            if isinstance(peer, GroupReference):
                self._by_group[peer.group] |= bit
                if one.members_vpc is None:
                    self._unknown |= bit
                else:
                    self._by_members_vpc[one.members_vpc] |= bit
            elif isinstance(peer, PrefixListReference):
                if peer.prefix_list in lists:
                    entries, is_settled = lists[peer.prefix_list]
                    (blocks if is_settled else unsettled_blocks).extend((entry, bit) for entry in entries)
                else:
                    self._unknown |= bit
            else:
                blocks.append((peer, bit))
        self._blocks, self._unsettled_blocks = _Blocks(blocks), _Blocks(unsettled_blocks)

    def of_ports(self, protocol: int, first: int, last: int) -> int:
        """Rules that allow a protocol and ports; of a range, those that allow any of it."""
        key = (protocol, first, last)
        if key not in self._by_port:
            self._by_port[key] = _bits(
                index for index, rule in enumerate(self.rules) if _allows(rule, protocol, first, last)
            )
        return self._by_port[key]

    def of_peer(self, addresses: tuple[Address, ...], since: float, until: float) -> Matches:
        """Rules that allow a peer, by any of its addresses."""
        certain = possible = 0
        for address in addresses:
            holders = self._peers.holders(address, since, until) if self._by_group else ()
            key = (address, holders)
            found = self._by_peer.get(key)
            if found is None:
                found = self._by_peer[key] = self._of_address(address, holders)
            certain |= found.certain
            possible |= found.possible
        return Matches(certain, possible & ~certain)

    def _of_address(self, address: Address, holders: Holders) -> Matches:
        certain = self._blocks.of(address)
        possible = self._unsettled_blocks.of(address) | self._unknown
        for interface, is_certain in holders:
            for group in interface.groups:
                bits = self._by_group.get(group, 0)
                if is_certain:
                    certain |= bits
                else:
                    possible |= bits
        for vpc, bits in self._by_members_vpc.items():
            is_held = any(interface.vpc == vpc and is_certain for interface, is_certain in holders)
            if not is_held and self._peers.may_be_in(address, vpc):
                possible |= bits
        certain &= ~self._unknown
        settled = certain & self.settled
        return Matches(settled, (possible | certain) & ~settled)

    def chosen(self, bits: int) -> frozenset[str]:
        """The ids of the rules of some bits."""
        return frozenset(self.rules[index].id for index in _indexes(bits))

    def _carrying_replies(self, protocol: int, version: int) -> int:
        """Rules by which every reply of a protocol is allowed to anybody: what makes flows untracked."""
        return _bits(
            index
            for index, rule in enumerate(self.rules)
            if rule.protocol in (protocol, ANY) and rule.ports == ALL_PORTS and _is_for_anybody(rule, version)
        )

    def _for_anybody(self, version: int) -> int:
        """Rules whose peer is 0.0.0.0/0 or ::/0."""
        return _bits(index for index, rule in enumerate(self.rules) if _is_for_anybody(rule, version))

    @cached_property
    def of_any_icmp(self) -> int:
        """Rules that allow ICMP whatever its type and code."""
        return _bits(index for index, rule in enumerate(self.rules) if rule.icmp == (ANY, ANY))


def _is_for_anybody(rule: Rule, version: int) -> bool:
    peer = rule.peer
    return not isinstance(peer, GroupReference | PrefixListReference) and is_anywhere(peer) and peer.version == version


def _allows(rule: Rule, protocol: int, first: int, last: int) -> bool:
    if rule.protocol == ANY:
        return True
    if rule.protocol != protocol:
        return False
    return protocol not in (TCP, UDP) or (rule.ports[0] <= last and first <= rule.ports[1])


def is_icmp(protocol: int) -> bool:
    """Whether it is ICMP or ICMPv6, whose records name neither type nor code."""
    return protocol in (ICMP, ICMPV6)


class _Blocks:
    """CIDR blocks with bits: for an address, the bits of all blocks that contain it."""

    def __init__(self, blocks: Iterable[tuple[Network, int]]) -> None:
        events: dict[int, dict[int, list[tuple[int, int]]]] = {4: defaultdict(list), 6: defaultdict(list)}
        for network, bit in blocks:
            first, last = int(network.network_address), int(network.broadcast_address)
            events[network.version][first].append((bit, 1))
            events[network.version][last + 1].append((bit, -1))
        self._found = {version: _swept(at) for version, at in events.items()}

    def of(self, address: Address) -> int:
        starts, bits = self._found[address.version]
        return bits[bisect_right(starts, int(address))]


def _swept(events: Mapping[int, list[tuple[int, int]]]) -> tuple[list[int], list[int]]:
    """Where the bits change, and the bits before the first change and after each."""
    starts, found = sorted(events), [0]
    open_blocks: dict[int, int] = defaultdict(int)
    bits = 0
    for start in starts:
        for bit, change in events[start]:
            open_blocks[bit] += change
            bits = bits | bit if open_blocks[bit] else bits & ~bit
        found.append(bits)
    return starts, found


def _bits(indexes: Iterable[int]) -> int:
    return sum(1 << index for index in indexes)


def _indexes(bits: int) -> Iterable[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
