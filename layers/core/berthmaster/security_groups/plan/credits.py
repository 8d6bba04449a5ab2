"""What rules were credited with, summed up."""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import TYPE_CHECKING, Any

from berthmaster.security_groups.model.evidence import Credits, Seen
from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import TCP, UDP, Network
from berthmaster.security_groups.plan.cover import union

if TYPE_CHECKING:
    from berthmaster.security_groups.model.topology import Address

MOST_PEERS = 4096
"""Addresses of one rule that are kept one by one; beyond that, blocks of COARSE."""
COARSE = {4: 24, 6: 64}

KIND = {
    Quality.CONVERSATION: "conversations",
    Quality.KNOCK: "knocks",
    Quality.BOTH_WAYS: "possible",
    Quality.ONE_WAY: "possible",
}


class Account:
    """Credits of rules, while flows come in."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Sum] = {}
        self._exclusive: dict[str, int] = defaultdict(int)

    def add(self, rule: str, quality: Quality, flow: Flow, peers: Iterable["Address"], ports: tuple[int, int]) -> None:
        """A rule allowed a flow. peers: those of the peer's addresses that it allows."""
        key = (rule, KIND[quality])
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = _Sum()
        found.add(flow, peers, ports)

    def add_exclusive(self, rule: str, records: int) -> None:
        """A rule was the only one that allowed some records."""
        self._exclusive[rule] += records

    def credits(self) -> dict[str, Credits]:
        """By rule."""
        found: dict[str, dict[str, Seen]] = defaultdict(dict)
        for (rule, kind), sums in self._seen.items():
            found[rule][kind] = sums.seen()
        return {rule: Credits(**seen, exclusive=self._exclusive.get(rule, 0)) for rule, seen in found.items()}


class _Sum:
    def __init__(self) -> None:
        self.records = 0
        self.first, self.last = float("inf"), float("-inf")
        self.addresses: set[Address] = set()
        self.blocks: set[Network] = set()
        self.ports: set[tuple[int, int]] = set()

    def add(self, flow: Flow, peers: Iterable["Address"], ports: tuple[int, int]) -> None:
        self.records += flow.records
        self.first = min(self.first, flow.first)
        self.last = max(self.last, flow.last)
        if flow.protocol in (TCP, UDP):
            self.ports.add(ports)
        self.addresses.update(peers)
        if len(self.addresses) > MOST_PEERS:
            self.blocks.update(ip_network((one, COARSE[one.version]), strict=False) for one in self.addresses)
            self.addresses.clear()

    def seen(self) -> Seen:
        by_version: dict[int, list[Any]] = {4: [], 6: []}  # typeshed does not know that addresses can be collapsed
        for address in self.addresses:
            by_version[address.version].append(address)
        blocks: set[Network] = {block for same in by_version.values() for block in collapse_addresses(same)}
        peers = united(self.blocks | blocks)
        return Seen(records=self.records, first=self.first, last=self.last, peers=peers, ports=joined(self.ports))


def united(networks: Iterable[Network]) -> frozenset[Network]:
    """The fewest blocks of the same addresses."""
    found = set(networks)
    fours = collapse_addresses(one for one in found if isinstance(one, IPv4Network))
    sixes = collapse_addresses(one for one in found if isinstance(one, IPv6Network))
    return frozenset({*fours, *sixes})


def joined(ranges: Iterable[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """The fewest ranges of the same ports."""
    return frozenset(union(ranges))


def merged_seen(one: Seen | None, other: Seen | None) -> Seen | None:
    """Of two sources of records."""
    if one is None or other is None:
        return one or other
    return Seen(
        records=one.records + other.records,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        peers=united({*one.peers, *other.peers}),
        ports=joined({*one.ports, *other.ports}),
    )


def merged(one: Credits, other: Credits) -> Credits:
    """Of two sources of records, such as two files."""
    return Credits(
        conversations=merged_seen(one.conversations, other.conversations),
        possible=merged_seen(one.possible, other.possible),
        knocks=merged_seen(one.knocks, other.knocks),
        exclusive=one.exclusive + other.exclusive,
    )
