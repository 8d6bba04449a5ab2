"""What of a rule says what it allows: the same for a rule that was revoked and made again."""

from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.rules import GroupReference, Peer, Rule

type Terms = tuple[str, str, int, tuple[int, int], tuple[int, int], str]


def terms_of(rule: Rule) -> Terms:
    """Group, direction, protocol, ports, ICMP type and code, and peer; not its id, description and tags."""
    return rule.group, rule.direction.value, rule.protocol, rule.ports, rule.icmp, peer_text(rule.peer)


def content_key(rule: Rule) -> str:
    """A short hash of the terms of a rule."""
    return sha256(repr(terms_of(rule)).encode()).hexdigest()[:16]


def peer_text(peer: Peer) -> str:
    """A CIDR block, or the id of a group or prefix list. What EC2 says beside of a reference may change by itself."""
    if isinstance(peer, IPv4Network | IPv6Network):
        return str(peer)
    return peer.group if isinstance(peer, GroupReference) else peer.prefix_list
