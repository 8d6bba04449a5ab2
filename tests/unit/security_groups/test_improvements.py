"""What could be simpler or narrower: rules that merge exactly, the same rules twice, and what was never used."""

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.security_groups.model.evidence import Credits, RuleEvidence, Seen, Verdict
from berthmaster.security_groups.model.rules import ALL_PORTS, ANY, GroupReference, Network, Rule
from berthmaster.security_groups.model.topology import Interface
from berthmaster.security_groups.plan.consolidation import consolidations
from berthmaster.security_groups.plan.credits import united
from berthmaster.security_groups.plan.duplicates import duplicates
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.redundancy import redundant
from berthmaster.security_groups.plan.tightening import MOST_RULES, fewest_blocks, fewest_ranges, tightenings
from tests.support.security_groups.small_universe import FOUR, blocks, packets_of, packets_with, rules, tcp, union_of

DAY = 24 * 3600.0


# consolidations


@given(st.lists(rules(), max_size=14, unique_by=lambda rule: rule.id))
def test_a_merged_rule_allows_exactly_what_its_rules_did(some: list[Rule]) -> None:
    by_id = {rule.id: rule for rule in some}
    found = consolidations(some, redundant(some))
    merged = [one for proposal in found for one in proposal.rules]
    assert len(merged) == len(set(merged))
    for proposal in found:
        its = [by_id[one] for one in proposal.rules]
        first = its[0]
        new = Rule(
            id="new",
            group=first.group,
            direction=first.direction,
            protocol=first.protocol,
            ports=proposal.ports,
            icmp=first.icmp,
            peer=proposal.peer,
        )
        assert packets_of(new) == union_of(its)


def test_blocks_and_ports_merge_until_nothing_does() -> None:
    quarters = [
        tcp(f"sgr-{number}", str(block), 80 + part, 80 + part, description=f"part {number}")
        for number, (block, part) in enumerate(
            (block, part) for block in IPv4Network("10.0.0.0/22").subnets(new_prefix=24) for part in (0, 1)
        )
    ]
    far, reference = tcp("sgr-8", "10.0.5.0/24", 80, 81), GroupReference("sg-b")
    named = [tcp("sgr-9", reference, 1, 2), tcp("sgr-A", reference, 3, 3), tcp("sgr-B", reference, 5, 5)]
    found = consolidations([*quarters, far, *named])
    assert {(one.rules, one.peer, one.ports) for one in found} == {
        (tuple(rule.id for rule in quarters), ip_network("10.0.0.0/22"), (80, 81)),
        (("sgr-9", "sgr-A"), reference, (1, 3)),
    }
    assert "with 7 fewer; their descriptions differ" in next(one for one in found if len(one.rules) == 8).why
    assert consolidations([far, *named], redundant([far])) == [one for one in found if len(one.rules) == 2]


# duplicates


def test_the_same_rule_in_two_groups_of_an_interface() -> None:
    some = (
        tcp("sgr-1", "10.0.0.0/8"),
        tcp("sgr-2", "10.0.0.0/8", group="sg-b"),
        tcp("sgr-3", "10.0.0.0/8", group="sg-c"),
        tcp("sgr-4", "10.0.0.0/9", group="sg-b"),
    )
    interfaces = [
        Interface(id=f"eni-{number}", vpc="vpc-1", groups=groups)
        for number, groups in enumerate([("sg-a", "sg-b"), ("sg-b", "sg-a"), ("sg-c",), ("sg-a", "sg-d")])
    ]
    (found,) = duplicates(Present(rules=some, interfaces=tuple(interfaces)))
    assert (found.rules, found.groups, found.interfaces) == (("sgr-1", "sgr-2"), ("sg-a", "sg-b"), 2)
    assert found.why == "tcp 443 from 10.0.0.0/8 is in sg-a, sg-b, and 2 interfaces carry two of them or more"
    assert duplicates(Present(rules=some, interfaces=tuple(interfaces[2:]))) == []


# tightenings


def seen(peers: Sequence[Network | str], ports: Sequence[tuple[int, int]] = ((443, 443),)) -> Seen:
    return Seen(records=1, first=0, last=9, peers=united(map(ip_network, peers)), ports=frozenset(ports))


def used(rule: Rule, **credits_: Seen) -> RuleEvidence:
    return RuleEvidence(rule=rule, verdict=Verdict.USED, why="", credits=Credits(**credits_))


@given(
    st.lists(blocks(), min_size=1, max_size=12), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1)
)
def test_nothing_that_was_seen_is_lost_and_there_are_few_rules(
    peers: list[Network], spans: list[tuple[int, int]]
) -> None:
    inside = [block for block in peers if block.version == 4]
    some = [(first, first + more) for first, more in spans]
    rule = tcp("sgr-1", "10.0.0.0/8", *ALL_PORTS)
    half = len(inside) // 2
    credits_ = {"conversations": seen(inside[half:], some[:1]), "possible": seen(inside[:half], some[1:])}
    found = tightenings([used(rule, **credits_)], seconds=DAY)
    assert len(found) == bool(inside)
    for one in found:
        assert len(one.peers) * len(one.ports) <= MOST_RULES
        allowed = frozenset(
            packet for ports in one.ports for packet in packets_with(tcp("sgr-1", FOUR, *ports), one.peers)
        )
        wanted = frozenset(packet for ports in some for packet in packets_with(tcp("sgr-1", FOUR, *ports), inside))
        assert wanted <= allowed


@given(st.lists(blocks(), min_size=1, max_size=12), st.integers(1, 8))
def test_few_blocks_hold_all_and_nothing_else_if_there_are_enough(networks: list[Network], most: int) -> None:
    alike = [block for block in networks if block.version == networks[0].version]
    found = fewest_blocks(united(alike), most)
    held = {address for block in found for address in block}
    seen_ones = {address for block in alike for address in block}
    assert len(found) <= most
    assert sum(block.num_addresses for block in found) == len(held)
    assert held >= seen_ones
    assert held == seen_ones or len(united(alike)) > most


def test_thousands_of_peers_become_few_blocks() -> None:
    every_other = list(IPv4Network("10.0.0.0/20").subnets(new_prefix=32))[::2]
    assert fewest_blocks([*every_other, IPv4Network("10.9.0.0/30")], 2) == [
        IPv4Network("10.0.0.0/20"),
        IPv4Network("10.9.0.0/30"),
    ]
    assert fewest_ranges(((1, 2), (4, 4), (90, 95), (97, 97)), 2) == ((1, 4), (90, 97))


def test_what_is_proposed_and_what_is_not() -> None:
    wide = tcp("sgr-1", "10.0.0.0/8", 0, 65535)
    (one,) = tightenings([used(wide, conversations=seen(["10.0.0.1", "10.0.0.0", "10.9.0.7"]))], seconds=42 * DAY)
    assert (one.peers, one.ports) == ((ip_network("10.0.0.0/31"), ip_network("10.9.0.7/32")), ((443, 443),))
    assert one.why == (
        "tcp all ports from 10.0.0.0/8: 443 from 10.0.0.0/31, 10.9.0.7/32 would have been enough for all traffic "
        "of 42 days; what happens less often is not in it"
    )
    everything = tcp("sgr-2", "0.0.0.0/0", *ALL_PORTS, protocol=ANY)
    (one,) = tightenings([used(everything, possible=seen(["10.0.0.1"]))], seconds=DAY)
    assert (one.peers, one.ports) == ((ip_network("10.0.0.1/32"),), (ALL_PORTS,))
    assert one.why.endswith("a change interrupts connections that are not tracked")
    reference = tcp("sgr-3", GroupReference("sg-b"), *ALL_PORTS)
    (one,) = tightenings([used(reference, conversations=seen(["10.0.0.1"]))], seconds=DAY)
    assert (one.peers, one.ports) == ((GroupReference("sg-b"),), ((443, 443),))
    nothing = [
        used(wide, knocks=seen(["10.0.0.1"])),
        used(wide, conversations=seen(["10.0.0.1", "192.168.0.1"])),
        used(tcp("sgr-4", "10.0.0.0/31"), conversations=seen(["10.0.0.1"])),
        used(wide),
    ]
    assert tightenings(nothing, seconds=DAY) == []
    assert tightenings([used(wide, conversations=seen(["10.0.0.1"]))], seconds=DAY, unproven={"sgr-1"}) == []
