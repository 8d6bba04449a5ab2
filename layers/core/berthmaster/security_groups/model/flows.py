"""What flow records say, as far as rules are concerned."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from berthmaster.security_groups.model.topology import Address


class Quality(StrEnum):
    """What is known of a flow between an interface and a peer."""

    CONVERSATION = "conversation"
    """Who opened it is known, and it was answered."""
    KNOCK = "knock"
    """A SYN that met nothing, or RST."""
    BOTH_WAYS = "both ways"
    """Traffic in both directions; who opened it is not known."""
    ONE_WAY = "one way"
    """Traffic in one direction; who opened it is not known."""


class Flow(NamedTuple):
    """All connections of an interface that are alike for every rule; all were accepted.

    log: id of the flow log. vpc: as the records name it, or "". is_inbound: whether the peer opened it; None if that is
    not known. ports: of the side that did not open it, first and last; if that is not known, those of the interface,
    and `peer_ports` those of the peer. via: another address of the same peer (pkt-srcaddr, pkt-dstaddr). records: how
    many. first, last: seconds since the epoch.
    """

    log: str
    interface: str
    vpc: str
    protocol: int
    is_inbound: bool | None
    quality: Quality
    peer: Address
    vias: tuple[Address, ...]
    ports: tuple[int, int]
    peer_ports: tuple[int, int]
    records: int
    first: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was logged, of one flow log. Slots are five minutes, numbered from the epoch.

    longest: seconds of the longest record. interfaces: first start and last end of each one's records, lost ones
    included. skipped: by interface, the minutes (numbered from the epoch) in which records were lost. actions: ACCEPT,
    REJECT. fields: of all records, with hyphens.
    """

    log: str
    first: float
    last: float
    longest: float = 0
    slots: frozenset[int] = frozenset()
    interfaces: dict[str, tuple[float, float]] = field(default_factory=dict)
    vpcs: frozenset[str] = frozenset()
    skipped: dict[str, frozenset[int]] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()
    fields: tuple[str, ...] = ()
