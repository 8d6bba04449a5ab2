"""What a rule in quarantine has for a peer: nobody, of the kind that it had before.

EC2 has no rule twice: of rules with the same direction, protocol and ports each has a peer of its own, and so an inert
one, too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.rules import Group, GroupReference, Network, Peer, PrefixList, Rule
from berthmaster.security_groups.model.tags import PLACE, PLACE_NAME, TAG
from berthmaster.security_groups.plan.terms import peer_text, terms_of

IPV4_BLOCKS = tuple(map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
"""For documentation: no host has an address of these (RFC 5737)."""
IPV6_BLOCK = IPv6Network("2001:db8::/32")
"""Likewise (RFC 3849)."""


def inert_network(rule: Rule, others: Iterable[Rule]) -> Network | None:
    """A documentation address that no other rule like this one has; None if they have them all.

    It depends on the rule's id, so that whoever decides again decides the same. others: all rules of the group, and
    what others that are about to be changed will be.
    """
    taken = _taken(rule, others)
    number = int.from_bytes(sha256(rule.id.encode()).digest()[:12])
    addresses = _ipv6(number) if isinstance(rule.peer, IPv6Network) else _ipv4(number)
    return next((one for one in addresses if str(one) not in taken), None)


def free_place[Place: Peer](rule: Rule, others: Iterable[Rule], places: Sequence[Place]) -> Place | None:
    """The first of our empty groups or prefix lists that no other rule like this one names; None if one is missing."""
    taken = _taken(rule, others)
    return next((one for one in places if peer_text(one) not in taken), None)


def is_inert(peer: Peer, groups: Mapping[str, Group], prefix_lists: Mapping[str, PrefixList]) -> bool:
    """Whether a peer is one that only a rule in quarantine has. groups, prefix_lists: all of the account."""
    match peer:
        case IPv4Network():
            return peer.prefixlen == IPv4Network(0).prefixlen and any(peer.subnet_of(one) for one in IPV4_BLOCKS)
        case IPv6Network():
            return peer.prefixlen == IPv6Network(0).prefixlen and peer.subnet_of(IPV6_BLOCK)
        case GroupReference():
            group = groups.get(peer.group)
            return group is not None and (TAG, PLACE) in group.tags
        case _:
            known = prefix_lists.get(peer.prefix_list)
            return known is not None and known.name.startswith(PLACE_NAME)


def _taken(rule: Rule, others: Iterable[Rule]) -> set[str]:
    """The peers of the other rules with this rule's direction, protocol and ports."""
    *traffic, _ = terms_of(rule)
    found = set()
    for other in others:
        *its_traffic, peer = terms_of(other)
        if other.id != rule.id and its_traffic == traffic:
            found.add(peer)
    return found


def _ipv4(number: int) -> Iterator[IPv4Network]:
    """From one on in the first block, then in the others: what is seen most is easily known again."""
    for block in IPV4_BLOCKS:
        for step in range(block.num_addresses):
            yield IPv4Network((int(block.network_address) + (number + step) % block.num_addresses, 32))


def _ipv6(number: int) -> Iterator[IPv6Network]:
    for step in range(IPV6_BLOCK.num_addresses):
        yield IPv6Network((int(IPV6_BLOCK.network_address) + (number + step) % IPV6_BLOCK.num_addresses, 128))
