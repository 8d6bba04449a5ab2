"""Rules as JSON has them: what topology and ledger keep of them is read for a year, so new fields need defaults."""

from ipaddress import ip_network
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    Direction,
    GroupReference,
    PrefixListReference,
    Rule,
)

if TYPE_CHECKING:
    from berthmaster.security_groups.model.rules import Peer

type KeptPeer = str | dict[str, str]
"""A CIDR, or the fields of a reference."""


class KeptRule(Struct, frozen=True):
    """A rule."""

    id: str
    group: str
    direction: Direction
    protocol: int
    peer: KeptPeer
    ports: tuple[int, int] = ALL_PORTS
    icmp: tuple[int, int] = (ANY, ANY)
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    def rule(self) -> Rule:
        """As it was kept."""
        return Rule(**msgspec.structs.asdict(self) | {"peer": peer_of(self.peer)})


def peer_of(kept: KeptPeer) -> "Peer":
    """As it was kept; ValueError for what is no peer."""
    if isinstance(kept, str):
        return ip_network(kept)
    return PrefixListReference(**kept) if "prefix_list" in kept else GroupReference(**kept)


def kept_peer(peer: "Peer") -> KeptPeer:
    """As it is to be kept."""
    return msgspec.to_builtins(peer, enc_hook=str)  # type: ignore[no-any-return]


def kept_rule(rule: Rule) -> KeptRule:
    """As it is to be kept."""
    return msgspec.convert(msgspec.to_builtins(rule, enc_hook=str), KeptRule)
