"""A few addresses, ports and protocols, in which what rules allow can be enumerated."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from hypothesis import strategies as st

from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    Network,
    Peer,
    Rule,
)

GRE = 47
BITS = 4
"""Of the addresses that differ."""
FOUR, SIX = IPv4Network("10.0.0.0/28"), IPv6Network("fd00::/124")
"""All addresses there are."""
type Packet = tuple[str, Direction, int, int, int, int]
"""Group, direction, IP version, protocol, port (or ICMP type and code), last bits of the address."""

PORTS = (0, 1, 2, 65534, 65535)
TYPES = CODES = (0, 1, 255)
BETWEEN = 99
"""Stands for all numbers that no rule names as its first or last."""


def packets_of(rule: Rule) -> frozenset[Packet]:
    """All packets of a small universe that a rule allows. Every other protocol number behaves like 200."""
    if not isinstance(rule.peer, IPv4Network | IPv6Network):
        return frozenset()
    return packets_with(rule, [rule.peer])


def packets_with(rule: Rule, peers: Iterable[Network]) -> frozenset[Packet]:
    """The same, if its peers were these blocks."""
    protocols = (TCP, UDP, ICMP, ICMPV6, GRE, 200) if rule.protocol == ANY else (rule.protocol,)
    addresses = [(block.version, int(address) % 2**BITS) for block in peers for address in block]
    return frozenset(
        (rule.group, rule.direction, version, protocol, number, address)
        for protocol in protocols
        for number in numbers_of(rule, protocol)
        for version, address in addresses
    )


def numbers_of(rule: Rule, protocol: int) -> Iterable[int]:
    """Ports, or ICMP types and codes."""
    if protocol in {TCP, UDP}:
        ports = rule.ports if rule.protocol == protocol else ALL_PORTS
        return [port for port in (*PORTS, BETWEEN) if ports[0] <= port <= ports[1]]
    if protocol in {ICMP, ICMPV6}:
        icmp_type, code = rule.icmp if rule.protocol == protocol else (ANY, ANY)
        return [
            256 * a + b
            for a in (*TYPES, BETWEEN)
            for b in (*CODES, BETWEEN)
            if icmp_type in {ANY, a} and code in {ANY, b}
        ]
    return [0]


@st.composite
def blocks(draw: st.DrawFn) -> Network:
    """Draw a block of up to 16 addresses."""
    kind, base = draw(st.sampled_from([(IPv4Network, FOUR), (IPv6Network, SIX)]))
    length = draw(st.integers(base.max_prefixlen - BITS, base.max_prefixlen))
    address = int(base.network_address) + draw(st.integers(0, 2**BITS - 1))
    return kind((address, length), strict=False)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw a rule whose peer is a block, with any protocol."""
    protocol = draw(st.sampled_from([ANY, TCP, TCP, UDP, ICMP, ICMPV6, GRE]))
    ports, icmp = ALL_PORTS, (ANY, ANY)
    if protocol in {TCP, UDP}:
        first, last = sorted(draw(st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS))))
        ports = first, last
    if protocol in {ICMP, ICMPV6}:
        icmp = draw(st.sampled_from([(ANY, ANY), *((a, b) for a in TYPES for b in (ANY, *CODES))]))
    return Rule(
        id=f"sgr-{draw(st.integers(0, 999)):03d}",
        group=draw(st.sampled_from(["sg-a", "sg-a", "sg-a", "sg-b"])),
        direction=draw(st.sampled_from([Direction.INGRESS, Direction.INGRESS, Direction.EGRESS])),
        protocol=protocol,
        ports=ports,
        icmp=icmp,
        peer=draw(blocks()),
        description=draw(st.sampled_from(["", "why"])),
        tags=draw(st.sampled_from([(), (("team", "a"),)])),
    )


def union_of(some: Iterable[Rule]) -> frozenset[Packet]:
    """What some rules allow together."""
    return frozenset().union(*map(packets_of, some))


def tcp(identifier: str, peer: Peer | str, first: int = 443, last: int = 443, **more: object) -> Rule:
    """Make a rule of sg-a; a peer that is text is a block."""
    fields = {"group": "sg-a", "direction": Direction.INGRESS, "protocol": TCP, "ports": (first, last), **more}
    return Rule(id=identifier, peer=ip_network(peer) if isinstance(peer, str) else peer, **fields)  # type: ignore[arg-type]
