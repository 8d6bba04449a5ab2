"""Rules, peers, ports and times as text."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from math import isfinite

from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    GroupReference,
    Network,
    Peer,
    PrefixListReference,
    Rule,
)

CLASSES = {verdict: verdict.value.replace(" ", "-") for verdict in Verdict}
"""What HTML has in place of a verdict."""
ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})
PROTOCOLS = {ANY: "all", TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6"}


def time(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, to the second; None if it is not known."""
    if seconds is None or not isfinite(seconds):
        return None
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def short_time(seconds: float) -> str:
    """To the minute, in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M")


def number(count: int) -> str:
    """With a comma between thousands."""
    return f"{count:,}"


def counted(count: int, what: str) -> str:
    """1 interface, 2 interfaces."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def networks(found: Iterable[Network]) -> list[str]:
    """The fewest CIDRs that hold these and nothing else, IPv4 first."""
    four, six = [], []
    for network in found:
        if isinstance(network, IPv4Network):
            four.append(network)
        else:
            six.append(network)
    merged: list[IPv4Network | IPv6Network] = [*collapse_addresses(four), *collapse_addresses(six)]
    return [str(network) for network in merged]


def port_ranges(found: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The fewest ranges that hold these and nothing else."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def ports(first_and_last: tuple[int, int]) -> str:
    """One port, a range, or all."""
    first, last = first_and_last
    if (first, last) == ALL_PORTS:
        return "all ports"
    return f"{first}" if first == last else f"{first}-{last}"


def traffic(protocol: int, first_and_last: tuple[int, int]) -> str:
    """Protocol, and ports where it has them."""
    name = PROTOCOLS.get(protocol, f"protocol {protocol}")
    return f"{name} {ports(first_and_last)}" if protocol in {TCP, UDP} else name


def rule_traffic(rule: Rule) -> str:
    """What a rule lets through."""
    if rule.protocol == ANY:
        return "all traffic"
    if rule.protocol in {ICMP, ICMPV6} and rule.icmp[0] != ANY:
        type_, code = rule.icmp
        return f"{PROTOCOLS[rule.protocol]} type {type_}" + (f" code {code}" if code != ANY else "")
    return traffic(rule.protocol, rule.ports)


def peer(of: Peer) -> str:
    """A CIDR, or the id of a group or prefix list."""
    match of:
        case GroupReference(group, owner, vpc):
            return group + "".join(f" ({where})" for where in (vpc or owner,) if where)
        case PrefixListReference(prefix_list):
            return prefix_list
    return str(of)


def is_open(rule: Rule) -> bool:
    """Whether it lets in any address."""
    return rule.direction is Direction.INGRESS and str(rule.peer) in ANYWHERE


def listed(texts: Sequence[str], most: int) -> str:
    """At most so many of them, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")
