"""What flow logs say was rejected, and what is known by which that is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.model.rules import ALL_PORTS, ANY, Direction, Network, Rule
from berthmaster.security_groups.model.topology import Address, Interface, Vpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Packets that an interface has rejected, alike for every rule.

    direction: as the records say; None if they do not. port: of the destination; 0 if the protocol has none. sources,
    destinations: the address that routing saw, and that of the packet (pkt-srcaddr, pkt-dstaddr) if it is another one.
    first, last: start and end of the records, in seconds since the epoch.
    """

    interface: str
    vpc: str
    direction: Direction | None
    protocol: int
    port: int
    sources: tuple[Address, ...]
    destinations: tuple[Address, ...]
    records: int
    first: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Packets that a rule may have allowed which is being removed, had it been there.

    direction: of the packets, as the rule has it. peers: the addresses of the other side, at least one.
    """

    removal: Removal
    rejected: Rejected
    direction: Direction
    peers: tuple[Address, ...]


class Choice(StrEnum):
    """What follows for a rule from packets that were rejected."""

    RESTORE = "restore"
    PROPOSE = "propose"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What follows, and why, as a sentence without a full stop.

    is_open: whether what was recorded of the past may say more: an interface or a peer is not known.
    """

    suspect: Suspect
    choice: Choice
    why: str
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AclEntry:
    """An entry of a network ACL. protocol: IANA number, or ANY. icmp: type and code, ANY for all of them."""

    number: int
    direction: Direction
    is_allowed: bool
    protocol: int
    network: Network
    ports: tuple[int, int] = ALL_PORTS
    icmp: tuple[int, int] = (ANY, ANY)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAcl:
    """A network ACL: the first entry that matches decides, by number; a packet that none matches is refused."""

    id: str
    entries: tuple[AclEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is there, for some rejected packets.

    interfaces: those that rejected, by id. holders: who has, or had then, the addresses of peers. rules: by group, of
    all groups of those interfaces. acls: by subnet. lists: entries by prefix list; those that may not be read are left
    out. is_recalled: what was recorded of the past is in it.
    """

    account: str
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    holders: Mapping[Address, tuple[Interface, ...]] = field(default_factory=dict)
    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    acls: Mapping[str, NetworkAcl] = field(default_factory=dict)
    lists: Mapping[str, frozenset[Network]] = field(default_factory=dict)
    is_recalled: bool = False
