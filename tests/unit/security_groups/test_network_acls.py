"""What network ACLs refuse, beside a reading that goes through every type and code of ICMP."""

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.security_groups.model.rejections import AclEntry, NetworkAcl
from berthmaster.security_groups.model.rules import ALL_PORTS, ANY, ICMP, TCP, UDP, Direction
from berthmaster.security_groups.plan.network_acls import refuses

INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS
PEER = ip_address("10.0.0.5")
PEERS = ("10.0.0.5", "10.0.0.9", "fd00::5")
NETWORKS = ("0.0.0.0/0", "10.0.0.0/29", "10.0.0.5/32", "::/0")
TYPES = CODES = (0, 3, 8)


def entry(number: int, action: str, network: str = "0.0.0.0/0", protocol: int = TCP, **more: object) -> AclEntry:
    """An entry for what comes in."""
    fields = {"direction": INGRESS, "is_allowed": action == "allow", "network": ip_network(network), **more}
    return AclEntry(number=number, protocol=protocol, **fields)  # type: ignore[arg-type]


def acl(*entries: AclEntry) -> NetworkAcl:
    return NetworkAcl(id="acl-1", entries=entries)


def test_entries_are_asked_by_their_numbers_whatever_their_order() -> None:
    allow, deny = entry(200, "allow"), entry(100, "deny", "10.0.0.0/29", ports=(443, 443))
    for both in (acl(allow, deny), acl(deny, allow)):
        assert refuses(both, INGRESS, TCP, 443, PEER)
        assert not refuses(both, INGRESS, TCP, 444, PEER)
        assert not refuses(both, INGRESS, TCP, 443, ip_address("10.0.0.9"))


def test_what_no_entry_names_is_refused() -> None:
    tcp_in = acl(entry(100, "allow"))
    assert refuses(tcp_in, INGRESS, UDP, 443, PEER)
    assert refuses(tcp_in, EGRESS, TCP, 443, PEER)
    assert refuses(tcp_in, INGRESS, TCP, 443, ip_address("fd00::5"))
    assert refuses(acl(), INGRESS, TCP, 443, PEER)
    assert not refuses(acl(entry(100, "allow", protocol=ANY)), INGRESS, 47, 0, PEER)


@st.composite
def entries(draw: st.DrawFn) -> AclEntry:
    protocol = draw(st.sampled_from([ANY, TCP, UDP, ICMP, ICMP]))
    ports, icmp = ALL_PORTS, (ANY, ANY)
    if protocol in (TCP, UDP):
        ports = draw(st.sampled_from([ALL_PORTS, (443, 443), (0, 442), (444, 65535)]))
    if protocol == ICMP:
        icmp = draw(st.sampled_from([(ANY, ANY), (8, ANY), (8, 0), (3, ANY), (3, 3)]))
    return AclEntry(
        number=draw(st.integers(1, 9)),
        direction=draw(st.sampled_from(Direction)),
        is_allowed=draw(st.booleans()),
        protocol=protocol,
        network=ip_network(draw(st.sampled_from(NETWORKS))),
        ports=ports,
        icmp=icmp,
    )


@dataclass(frozen=True)
class Packet:
    """As nothing but a record is."""

    direction: Direction
    protocol: int
    port: int
    peer: str
    icmp: tuple[int, int]


PACKETS = st.builds(
    Packet,
    st.sampled_from(Direction),
    st.sampled_from([TCP, UDP, ICMP, 47]),
    st.sampled_from([443, 444]),
    st.sampled_from(PEERS),
    st.sampled_from([(ANY, ANY), (8, ANY), (8, 0)]),
)


def is_refused(found: NetworkAcl, packet: Packet) -> bool:
    """Whether a packet is refused whose type and code are known."""
    for one in sorted(found.entries, key=lambda one: one.number):
        is_about = one.direction is packet.direction and ip_address(packet.peer) in one.network
        if is_about and packet.protocol in (TCP, UDP) and one.protocol == packet.protocol:
            is_about = packet.port in range(one.ports[0], one.ports[1] + 1)
        if is_about and one.protocol == ICMP == packet.protocol:
            is_about = one.icmp[0] in (ANY, packet.icmp[0]) and one.icmp[1] in (ANY, packet.icmp[1])
        if is_about and one.protocol in (ANY, packet.protocol):
            return not one.is_allowed
    return True


@given(st.lists(entries(), max_size=5, unique_by=lambda one: (one.number, one.direction)), PACKETS)
def test_packets_are_said_to_be_refused_if_all_are_that_they_may_be(found: list[AclEntry], packet: Packet) -> None:
    some = [
        replace(packet, icmp=(a, b))
        for a, b in product(TYPES, CODES)
        if packet.icmp[0] in (ANY, a) and packet.icmp[1] in (ANY, b)
    ]
    each = [is_refused(acl(*found), one) for one in some]
    peer = ip_address(packet.peer)
    said = refuses(acl(*found), packet.direction, packet.protocol, packet.port, peer, icmp=packet.icmp)
    if said:
        assert all(each)
    elif packet.protocol != ICMP:
        assert not any(each)


def test_of_icmp_some_types_may_be_let_through_that_others_are_not() -> None:
    echo = acl(entry(50, "allow", protocol=ICMP, icmp=(8, ANY)), entry(60, "deny", protocol=ICMP))
    assert not refuses(echo, INGRESS, ICMP, 0, PEER)
    assert refuses(echo, INGRESS, ICMP, 0, PEER, icmp=(3, ANY))
    no_echo = acl(entry(50, "deny", protocol=ICMP, icmp=(8, ANY)), entry(60, "allow", protocol=ICMP))
    assert not refuses(no_echo, INGRESS, ICMP, 0, PEER)
    assert refuses(no_echo, INGRESS, ICMP, 0, PEER, icmp=(8, 0))
