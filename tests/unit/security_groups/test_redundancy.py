"""Which rules others make redundant: compared with brute force over a few addresses, ports and protocols."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from hypothesis import example, given
from hypothesis import strategies as st

from berthmaster.security_groups.model.evidence import Cover
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    GroupReference,
    Network,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.plan.redundancy import redundant

GRE = 47
BITS = 4
"""Of the addresses that differ."""
type Packet = tuple[str, Direction, int, int, int, int]
"""Group, direction, IP version, protocol, port (or ICMP type and code), last bits of the address."""

PORTS = (0, 1, 2, 65534, 65535)
TYPES = CODES = (0, 1, 255)
BETWEEN = 99
"""Stands for all numbers that no rule names as its first or last."""


def packets_of(rule: Rule) -> frozenset[Packet]:
    """All packets of a small universe that a rule allows. Every other protocol number behaves like 200."""
    if not isinstance(rule.peer, IPv4Network | IPv6Network):
        return frozenset()
    protocols = (TCP, UDP, ICMP, ICMPV6, GRE, 200) if rule.protocol == ANY else (rule.protocol,)
    last_bits = [int(address) % 2**BITS for address in rule.peer]
    return frozenset(
        (rule.group, rule.direction, rule.peer.version, protocol, number, address)
        for protocol in protocols
        for number in numbers_of(rule, protocol)
        for address in last_bits
    )


def numbers_of(rule: Rule, protocol: int) -> Iterable[int]:
    if protocol in {TCP, UDP}:
        ports = rule.ports if rule.protocol == protocol else ALL_PORTS
        return [port for port in (*PORTS, BETWEEN) if ports[0] <= port <= ports[1]]
    if protocol in {ICMP, ICMPV6}:
        icmp_type, code = rule.icmp if rule.protocol == protocol else (ANY, ANY)
        return [
            256 * a + b
            for a in (*TYPES, BETWEEN)
            for b in (*CODES, BETWEEN)
            if icmp_type in {ANY, a} and code in {ANY, b}
        ]
    return [0]


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    protocol = draw(st.sampled_from([ANY, TCP, TCP, UDP, ICMP, ICMPV6, GRE]))
    base, bits = draw(st.sampled_from([("10.0.0.0", 32), ("fd00::", 128)]))
    length = draw(st.integers(bits - BITS, bits))
    network: Network = IPv4Network((base, bits)) if bits == 32 else IPv6Network((base, bits))
    address = int(network.network_address) + draw(st.integers(0, 2**BITS - 1))
    kind = type(network)
    ports, icmp = ALL_PORTS, (ANY, ANY)
    if protocol in {TCP, UDP}:
        first, last = sorted(draw(st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS))))
        ports = first, last
    if protocol in {ICMP, ICMPV6}:
        icmp = draw(st.sampled_from([(ANY, ANY), *((a, b) for a in TYPES for b in (ANY, *CODES))]))
    return Rule(
        id=f"sgr-{draw(st.integers(0, 999)):03d}",
        group=draw(st.sampled_from(["sg-a", "sg-a", "sg-a", "sg-b"])),
        direction=draw(st.sampled_from([Direction.INGRESS, Direction.INGRESS, Direction.EGRESS])),
        protocol=protocol,
        ports=ports,
        icmp=icmp,
        peer=kind((address, length), strict=False),
        description=draw(st.sampled_from(["", "why"])),
        tags=draw(st.sampled_from([(), (("team", "a"),)])),
    )


def union_of(some: Iterable[Rule]) -> frozenset[Packet]:
    return frozenset().union(*map(packets_of, some))


def of_id(some: Iterable[Rule]) -> dict[str, Rule]:
    return {rule.id: rule for rule in some}


def tcp(identifier: str, cidr: str, first: int = 443, last: int = 443, **more: object) -> Rule:
    fields = {"group": "sg-a", "direction": Direction.INGRESS, "protocol": TCP, "ports": (first, last), **more}
    return Rule(id=identifier, peer=IPv4Network(cidr), **fields)  # type: ignore[arg-type]


@given(st.lists(rules(), max_size=14, unique_by=lambda rule: rule.id))
@example([tcp("sgr-1", "10.0.0.0/30", 1, 1), tcp("sgr-2", "10.0.0.0/31", 1, 2), tcp("sgr-3", "10.0.0.2/31", 0, 1)])
def test_all_at_once_can_be_removed_and_nothing_else(some: list[Rule]) -> None:
    covers = redundant(some)
    gone = {cover.rule for cover in covers}
    staying = [rule for rule in some if rule.id not in gone]
    assert union_of(staying) == union_of(some)
    for rule in staying:
        assert not packets_of(rule) <= union_of(one for one in staying if one is not rule)
    assert [cover.rule for cover in covers] == [rule.id for rule in some if rule.id in gone]
    for cover in covers:
        check_cover(of_id(some), cover, gone)


def check_cover(some: dict[str, Rule], cover: Cover, gone: set[str]) -> None:
    """The rules that are named stay, cover the rule, and are all needed for that."""
    packets = packets_of(some[cover.rule])
    coverers = [some[one] for one in cover.covered_by]
    assert not gone & set(cover.covered_by)
    assert packets <= union_of(coverers)
    for one in coverers:
        assert not packets <= union_of(other for other in coverers if other is not one)
    assert all(one in cover.why for one in cover.covered_by[:4])


def test_of_equal_rules_the_one_with_tags_stays_then_the_one_with_a_description_then_the_lower_id() -> None:
    plain, later = tcp("sgr-1", "10.0.0.0/8"), tcp("sgr-2", "10.0.0.0/8")
    described = tcp("sgr-3", "10.0.0.0/8", description="office")
    tagged = tcp("sgr-4", "10.0.0.0/8", tags=(("team", "a"),))
    assert {cover.rule: cover.covered_by for cover in redundant([plain, later, described, tagged])} == {
        one.id: ("sgr-4",) for one in (plain, later, described)
    }
    assert [cover.rule for cover in redundant([plain, later, described])] == ["sgr-1", "sgr-2"]
    assert [cover.rule for cover in redundant([later, plain])] == ["sgr-2"]


def test_what_an_engineer_reads() -> None:
    some = [
        tcp("sgr-1", "10.0.0.0/8", 0, 65535),
        tcp("sgr-2", "10.1.0.0/16"),
        tcp("sgr-3", "192.168.0.0/25", 1, 443),
        tcp("sgr-4", "192.168.0.128/25", 443, 500),
        tcp("sgr-5", "192.168.0.0/24"),
    ]
    one, several = redundant(some)
    assert one.why == "tcp 443 from 10.1.0.0/16: sgr-1 (tcp all ports from 10.0.0.0/8) allows all of it"
    assert several.why == (
        "tcp 443 from 192.168.0.0/24: sgr-3 (tcp 1-443 from 192.168.0.0/25) and "
        "sgr-4 (tcp 443-500 from 192.168.0.128/25) together allow all of it"
    )


def test_all_protocols_one_by_one_cover_a_rule_for_all() -> None:
    each = [tcp(f"sgr-{number:03d}", "10.0.0.0/8", *ALL_PORTS, protocol=number) for number in range(256)]
    everything = tcp("sgr-any", "10.0.0.0/9", protocol=ANY, ports=ALL_PORTS)
    (cover,) = redundant([*each, everything])
    assert (cover.rule, sorted(cover.covered_by)) == ("sgr-any", [rule.id for rule in each])
    assert redundant([*each[1:], everything]) == []


def test_references_neither_cover_nor_are_covered() -> None:
    everywhere = tcp("sgr-1", "0.0.0.0/0", protocol=ANY, ports=ALL_PORTS)
    peers = (GroupReference("sg-b"), GroupReference("sg-b"), PrefixListReference("pl-1"))
    named = [
        Rule(id=f"sgr-{number}", group="sg-a", direction=Direction.INGRESS, protocol=TCP, peer=peer)
        for number, peer in enumerate(peers, 2)
    ]
    assert redundant([everywhere, *named]) == []
