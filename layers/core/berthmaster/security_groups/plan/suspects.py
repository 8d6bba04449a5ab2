"""Rejected packets → those that a rule may have allowed which is being removed.

What is asked here needs nothing but the records, so that EC2 is only asked about a few of them: scanners knock at
whatever is open to everybody, and at what was.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache

from berthmaster.security_groups.model.rejections import Rejected, Suspect
from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.model.rules import (
    ANY,
    TCP,
    UDP,
    Direction,
    GroupReference,
    Network,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import Address

LAG = 60
"""Seconds that a record may be off (AWS's description of its fields `start` and `end`)."""
MOST_ALIKE = 3
"""Suspects of one removal between the same two ends: of a scan of all ports, some are enough."""
MOST_KNOWN = 5_000
"""Those of one removal whose peers may be known."""
MOST_STRANGE = 3
"""Those of one removal and one interface whose peers are strangers: one is enough for a proposal."""
MOST_INTERFACES = 1_000
"""At so many interfaces those of one removal are looked at whose peers are strangers."""


def begun(removal: Removal) -> datetime:
    """When EC2 was asked for the change, at the earliest."""
    if removal.is_direct and removal.revoke_intended_at:
        return removal.revoke_intended_at
    return removal.intended_at or removal.changed_at


def is_about(rule: Rule, protocol: int, port: int) -> bool:
    """Whether a rule is about a protocol and a port; of ICMP, whatever type and code are, which no record says."""
    if rule.protocol == ANY:
        return True
    if rule.protocol != protocol:
        return False
    return protocol not in (TCP, UDP) or rule.ports[0] <= port <= rule.ports[1]


def is_foreign(named: GroupReference, account: str) -> bool:
    """Whether a group is another account's, whose members are not known."""
    return named.owner not in ("", account)


def may_be_elsewhere(peer: Address) -> bool:
    """Whether an address may be one of another account's VPC: IPv6 addresses of VPCs are public."""
    return peer.version == 6 or not peer.is_global  # noqa: PLR2004 - IPv6


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    """Whether an address is in any of some blocks."""
    return any(address in one for one in networks)


class Suspects:
    """Finds the suspects of a file. blocks: of the account's VPCs."""

    def __init__(self, removals: Collection[Removal], blocks: Collection[Network], account: str) -> None:
        self._removals = removals
        self._account = account
        self._begun = {one.sort_key: begun(one).timestamp() - LAG for one in removals}
        self._about = cache(self._removals_about)
        self._is_own = cache(lambda address: is_in(address, blocks))
        self._counts: Counter[tuple[str, ...]] = Counter()

    def among(self, rejected: Iterable[Rejected]) -> list[Suspect]:
        """All suspects whose peers may be known, and some of those whose peers are strangers."""
        return [
            suspect
            for one in rejected
            for removal in self._about(one.direction, one.protocol, one.port)
            if one.last >= self._begun[removal.sort_key]
            for suspect in [_suspect(one, removal)]
            if any(self._may_name(removal.rule, peer) for peer in suspect.peers) and self._is_needed(suspect)
        ]

    def _removals_about(self, direction: Direction | None, protocol: int, port: int) -> list[Removal]:
        return [
            one
            for one in self._removals
            if direction in (None, one.rule.direction) and is_about(one.rule, protocol, port)
        ]

    def _may_name(self, rule: Rule, peer: Address) -> bool:
        """Whether a peer may be one that a rule names."""
        if isinstance(rule.peer, PrefixListReference):
            return True
        if isinstance(rule.peer, GroupReference):
            return self._is_own(peer) or (is_foreign(rule.peer, self._account) and may_be_elsewhere(peer))
        return peer in rule.peer

    def _is_needed(self, suspect: Suspect) -> bool:
        removal, interface = suspect.removal, suspect.rejected.interface
        if all(self._is_own(peer) or is_in(peer, removal.candidate.earlier_peers) for peer in suspect.peers):
            return self._is_within(MOST_ALIKE, removal.sort_key, interface, *map(str, suspect.peers)) and (
                self._is_within(MOST_KNOWN, removal.sort_key)
            )
        is_new = not self._counts[removal.sort_key, interface]
        if is_new and not self._is_within(MOST_INTERFACES, removal.sort_key, "interfaces"):
            return False
        return self._is_within(MOST_STRANGE, removal.sort_key, interface)

    def _is_within(self, most: int, *key: str) -> bool:
        """Count one more, unless there are as many as there may be."""
        if self._counts[key] >= most:
            return False
        self._counts[key] += 1
        return True


def _suspect(one: Rejected, removal: Removal) -> Suspect:
    is_inbound = removal.rule.direction is Direction.INGRESS
    peers = one.sources if is_inbound else one.destinations
    return Suspect(removal=removal, rejected=one, direction=removal.rule.direction, peers=peers)
