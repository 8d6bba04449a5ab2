"""Rules in words."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    GroupReference,
    Peer,
    Rule,
)

PROTOCOLS = {ANY: "all traffic", TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}


def text_of(rule: Rule) -> str:
    """As a person would say it: `tcp 443 from 10.0.0.0/16`."""
    towards = "from" if rule.direction is Direction.INGRESS else "to"
    return f"{traffic_of(rule)} {towards} {peer_text(rule.peer)}"


def traffic_of(rule: Rule) -> str:
    """Protocol and ports, or ICMP type and code."""
    name = PROTOCOLS.get(rule.protocol, f"protocol {rule.protocol}")
    if rule.protocol in {TCP, UDP}:
        return f"{name} {ports_text(rule.ports)}"
    if rule.protocol in {ICMP, ICMPV6} and rule.icmp[0] != ANY:
        code = "" if rule.icmp[1] == ANY else f" code {rule.icmp[1]}"
        return f"{name} type {rule.icmp[0]}{code}"
    return name


def ports_text(ports: tuple[int, int]) -> str:
    """`443`, `8000-8080` or `all ports`."""
    if ports == ALL_PORTS:
        return "all ports"
    first, last = ports
    return str(first) if first == last else f"{first}-{last}"


def peer_text(peer: Peer) -> str:
    """A CIDR block, or the id of a group or a prefix list."""
    match peer:
        case IPv4Network() | IPv6Network():
            return str(peer)
        case GroupReference():
            return peer.group
        case _:
            return peer.prefix_list


def listed(texts: Sequence[str], most: int) -> str:
    """At most so many of them, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")
