"""Which rules of an interface's security groups allow a packet that opens a connection.

Source: "Security group rules" of the VPC User Guide. Moto keeps the rules and applies them to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.addresses import prefixes_of
from simulator.aws.ec2.flow_logs.packets import ICMP, TCP, UDP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simulator.account import Account

ANY = "-1"
ICMPV6 = 58
NUMBERS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}
ANYWHERE = ("0.0.0.0/0", "::/0")
ALL_PORTS = (0, 65535)
ANY_TYPE = -1


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection: an address, and the interface (moto's) that holds it, if it is one of the account's."""

    address: str
    eni: Any = None


@dataclass(frozen=True, slots=True)
class Opening:
    """What a packet that opens a connection asks for. port: of the destination; of ICMP, type and code."""

    protocol: int
    port: int
    icmp: tuple[int, int] = (ANY_TYPE, ANY_TYPE)


@lru_cache(maxsize=1 << 16)
def _contains(cidr: str, address: str) -> bool:
    network, found = ip_network(cidr, strict=False), ip_address(address)
    return network.version == found.version and found in network


def rules_of(eni: Any, *, is_ingress: bool) -> Iterator[Any]:
    """The rules (moto's) of all groups of an interface, in one direction."""
    for group in eni.group_set:
        yield from group.ingress_rules if is_ingress else group.egress_rules


def allowing(account: Account, eni: Any, opening: Opening, peer: Party, *, is_ingress: bool) -> frozenset[str]:
    """The ids of the rules that allow an interface to open, or to be opened, a connection with a peer."""
    rules = rules_of(eni, is_ingress=is_ingress)
    return frozenset(one.id for one in rules if admits(one, opening) and matches(account, one, peer))


def admits(rule: Any, opening: Opening) -> bool:
    """Whether protocol and port are those of a rule (moto's)."""
    if rule.ip_protocol == ANY:
        return True
    number = NUMBERS.get(rule.ip_protocol) or int(rule.ip_protocol)
    if number != opening.protocol:
        return False
    if number in (TCP, UDP):
        return bool(rule.from_port <= opening.port <= rule.to_port)
    if number in (ICMP, ICMPV6):
        asked = zip((rule.from_port, rule.to_port), opening.icmp, strict=True)
        return all(wanted in (ANY_TYPE, had) for wanted, had in asked)
    return True


def matches(account: Account, rule: Any, peer: Party) -> bool:
    """Whether a peer is one that a rule (moto's) names: by its address, its groups, or a prefix list."""
    if rule.source_group:
        # A reference means the private addresses of the members, never a public one.
        return peer.eni is not None and any(group.id == rule.source_group["GroupId"] for group in peer.eni.group_set)
    if rule.prefix_list_id:
        prefix_list = account.backend("ec2").managed_prefix_lists[rule.prefix_list_id]
        entries = prefix_list.entries.get(prefix_list.version, [])
        return is_within(peer.address, (entry["Cidr"] for entry in entries))
    return _contains(rule.cidr_ipv4 or rule.cidr_ipv6, peer.address)


def is_of_everything(rule: Any, protocol: int, address: str) -> bool:
    """Whether a rule (moto's) admits all ports of a protocol from or to anywhere, as seen from an address."""
    return is_anywhere(rule, address) and (
        rule.ip_protocol == ANY
        or (NUMBERS.get(rule.ip_protocol) == protocol and (rule.from_port, rule.to_port) == ALL_PORTS)
    )


def is_anywhere(rule: Any, address: str) -> bool:
    """Whether a rule's (moto's) peers are all addresses of the family of an address."""
    return (rule.cidr_ipv6 if ":" in address else rule.cidr_ipv4) in ANYWHERE


def addresses_of(eni: Any) -> Iterator[str]:
    """All single addresses of an interface (moto's), the primary one first."""
    yield eni.private_ip_address
    yield from (one["PrivateIpAddress"] for one in eni.private_ip_addresses if not one.get("Primary"))
    yield from eni.ipv6_addresses


def holds(eni: Any, address: str) -> bool:
    """Whether an address is one of an interface (moto's), or in a prefix delegated to it."""
    prefixes: list[str] = [*prefixes_of(eni), *getattr(eni, "ipv6_prefixes", [])]
    return address in addresses_of(eni) or is_within(address, prefixes)


def is_within(address: str, cidrs: Iterable[str]) -> bool:
    """Whether an address is in one of some blocks."""
    return any(_contains(cidr, address) for cidr in cidrs)
