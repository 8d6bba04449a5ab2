"""Rules that are being removed, and packets that were rejected since, for plans that need no account."""

from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from berthmaster.security_groups.model.rejections import Rejected
from berthmaster.security_groups.model.removals import Candidate, Ground, Origin, Removal, RemovalState
from berthmaster.security_groups.model.rules import TCP, Direction, Peer, Rule
from berthmaster.security_groups.model.topology import Interface

INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS
BEGUN = datetime(2026, 11, 27, 12, tzinfo=UTC)
"""When the rules were changed."""


def rule(identifier: str, peer: Peer | str, **more: object) -> Rule:
    """TCP 443 into sg-1."""
    fields = {"group": "sg-1", "direction": INGRESS, "protocol": TCP, "ports": (443, 443), **more}
    return Rule(id=identifier, peer=ip_network(peer) if isinstance(peer, str) else peer, **fields)  # type: ignore[arg-type]


def removal(gone: Rule, *earlier: str, **more: object) -> Removal:
    """Its removal, in quarantine since noon."""
    candidate = Candidate(
        rule=gone,
        vpc="vpc-a",
        ground=Ground.UNUSED,
        why="nothing used it",
        since=0,
        until=1,
        earlier_peers=tuple(map(ip_network, earlier)),
    )
    fields = {"state": RemovalState.QUARANTINED, "intended_at": BEGUN, **more}
    return Removal(
        candidate=candidate,
        origin=Origin.PEOPLE,
        announced_at=BEGUN,
        changed_at=BEGUN,
        due_at=BEGUN,
        **fields,  # type: ignore[arg-type]
    )


def interface(
    identifier: str, *addresses: str, groups: tuple[str, ...] = (), vpc: str = "vpc-a", **more: object
) -> Interface:
    return Interface(
        id=identifier,
        vpc=vpc,
        groups=groups,
        addresses=tuple(map(ip_address, addresses)),
        **{"subnet": "s-1", **more},  # type: ignore[arg-type]
    )


def packets(peer: str, *via: str, direction: Direction | None = INGRESS, **more: object) -> Rejected:
    """SYNs from a peer, or to it, that `eni-db` has rejected."""
    peers, own = (ip_address(peer), *map(ip_address, via)), (ip_address("10.0.0.2"),)
    sources, destinations = (own, peers) if direction is EGRESS else (peers, own)
    fields = {"interface": "eni-db", "protocol": TCP, "port": 443, "last": BEGUN.timestamp() + 300, **more}
    return Rejected(
        vpc="vpc-a",
        direction=direction,
        sources=sources,
        destinations=destinations,
        records=1,
        first=BEGUN.timestamp(),
        **fields,  # type: ignore[arg-type]
    )
