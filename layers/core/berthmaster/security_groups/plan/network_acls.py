"""What a network ACL refuses. Source: "Network ACL rules" of the VPC User Guide.

A subnet's ACL is asked of every packet that enters or leaves the subnet, of answers as well; packets between interfaces
of one subnet never meet it.
"""

from berthmaster.security_groups.model.rejections import AclEntry, NetworkAcl
from berthmaster.security_groups.model.rules import ANY, ICMP, ICMPV6, TCP, UDP, Direction
from berthmaster.security_groups.model.topology import Address


def refuses(
    acl: NetworkAcl,
    direction: Direction,
    protocol: int,
    port: int,
    peer: Address,
    *,
    icmp: tuple[int, int] = (ANY, ANY),
) -> bool:
    """Whether packets are certainly refused.

    direction: into the subnet is ingress. port: of the destination. peer: the address outside of the subnet. icmp: the
    type and code that they have, ANY for what is not known: an entry for some of those is about some of them.
    """
    asked = [one for one in acl.entries if one.direction is direction and _concerns(one, protocol, port, peer)]
    for entry in sorted(asked, key=lambda one: one.number):
        if protocol in (ICMP, ICMPV6) and not _overlaps(entry.icmp, icmp):
            continue
        if entry.is_allowed:
            return False
        if protocol not in (ICMP, ICMPV6) or covers(entry.icmp, icmp):
            return True
    return True


def covers(types: tuple[int, int], asked: tuple[int, int]) -> bool:
    """Whether type and code of ICMP hold for whatever else type and code hold for."""
    return all(one in (ANY, other) for one, other in zip(types, asked, strict=True))


def _overlaps(types: tuple[int, int], asked: tuple[int, int]) -> bool:
    return all(ANY in (one, other) or one == other for one, other in zip(types, asked, strict=True))


def _concerns(entry: AclEntry, protocol: int, port: int, peer: Address) -> bool:
    if entry.network.version != peer.version or peer not in entry.network:
        return False
    if entry.protocol == ANY:
        return True
    if entry.protocol != protocol:
        return False
    return protocol not in (TCP, UDP) or entry.ports[0] <= port <= entry.ports[1]
