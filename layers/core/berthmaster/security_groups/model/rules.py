"""Security groups and their rules, as EC2 describes them."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

type Network = IPv4Network | IPv6Network

ANY = -1
"""A rule's protocol, ICMP type or ICMP code: all of them."""
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
ALL_PORTS = (0, 65535)


class Direction(StrEnum):
    """Which side a rule lets open a conversation."""

    INGRESS = "ingress"
    EGRESS = "egress"

    @property
    def opposite(self) -> "Direction":
        """The other one."""
        return Direction.EGRESS if self is Direction.INGRESS else Direction.INGRESS


@dataclass(frozen=True, slots=True)
class GroupReference:
    """The members of a group are a rule's peers. `vpc` and `peering` are empty for a group of the rule's own VPC."""

    group: str
    owner: str = ""
    vpc: str = ""
    peering: str = ""
    peering_status: str = ""


@dataclass(frozen=True, slots=True)
class PrefixListReference:
    """The entries of a prefix list are a rule's peers."""

    prefix_list: str


type Peer = Network | GroupReference | PrefixListReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a group, with one peer.

    protocol: IANA number, or ANY. ports: first and last, of TCP and UDP; ALL_PORTS where EC2 ignores them. icmp: type
    and code, ANY for all of them; of ICMP and ICMPv6 only.
    """

    id: str
    group: str
    direction: Direction
    protocol: int
    ports: tuple[int, int] = ALL_PORTS
    icmp: tuple[int, int] = (ANY, ANY)
    peer: Peer
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A security group, without its rules."""

    id: str
    name: str = ""
    vpc: str = ""
    owner: str = ""
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixList:
    """One version of a managed prefix list."""

    id: str
    name: str = ""
    version: int = 0
    entries: frozenset[Network] = field(default_factory=frozenset)
