"""Rules that others cover as things are now: compared with what each interface lets through, address by address."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.security_groups.model.rules import (
    Direction,
    Group,
    GroupReference,
    Network,
    PrefixList,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import Interface, Vpc
from berthmaster.security_groups.plan.conditional_cover import conditional
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.redundancy import redundant
from tests.support.security_groups.small_universe import FOUR, SIX, Packet, blocks, packets_with, rules, tcp

GROUPS = ("sg-a", "sg-b", "sg-c")
ADDRESSES = [*(FOUR[number] for number in range(0, 16, 3)), *(SIX[number] for number in range(0, 16, 5))]


@st.composite
def rules_with_any_peer(draw: st.DrawFn) -> Rule:
    references = [GroupReference(group) for group in (*GROUPS, "sg-elsewhere")]
    lists = [PrefixListReference("pl-1"), PrefixListReference("pl-unknown")]
    rule = draw(rules())
    peer = draw(st.sampled_from([rule.peer, rule.peer, *references, *lists]))
    return replace(rule, group=draw(st.sampled_from(GROUPS)), peer=peer)


@st.composite
def presents(draw: st.DrawFn) -> Present:
    carried = st.lists(st.sampled_from(GROUPS), min_size=1, unique=True).map(tuple)
    held = st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2, unique=True).map(tuple)
    interfaces = st.builds(Interface, id=st.uuids().map(str), vpc=st.just("vpc-1"), groups=carried, addresses=held)
    cidrs = draw(st.sampled_from([(), (FOUR,), (FOUR, SIX)]))
    return Present(
        rules=tuple(draw(st.lists(rules_with_any_peer(), max_size=12, unique_by=lambda rule: rule.id))),
        interfaces=tuple(draw(st.lists(interfaces, max_size=3))),
        prefix_lists={"pl-1": PrefixList(id="pl-1", entries=frozenset(draw(st.lists(blocks(), max_size=3))))},
        groups={group: Group(id=group, vpc="vpc-1") for group in GROUPS},
        vpcs={"vpc-1": Vpc(id="vpc-1", cidrs=cidrs)} if cidrs else {},
    )


def peers_now(now: Present, rule: Rule) -> list[Network]:
    match rule.peer:
        case GroupReference(group):
            members = [one for one in now.interfaces if group in one.groups]
            return [ip_network(address) for one in members for address in one.addresses]
        case PrefixListReference(name):
            return list(now.prefix_lists[name].entries) if name in now.prefix_lists else []
        case block:
            return [block]


def let_through(now: Present, some: Iterable[Rule]) -> frozenset[Packet]:
    """Whatever the group."""
    return frozenset(packet for rule in some for packet in packets_with(replace(rule, group=""), peers_now(now, rule)))


def carried_with(now: Present, group: str) -> set[str]:
    return set.intersection(*(set(one.groups) for one in now.interfaces if group in one.groups), set(GROUPS))


@given(presents())
def test_interfaces_let_the_same_through_without_all_that_are_covered(now: Present) -> None:
    safe = redundant(now.rules)
    found = conditional(now, safe)
    gone = {cover.rule for cover in (*safe, *found)}
    by_id = {rule.id: rule for rule in now.rules}
    assert len(gone) == len(safe) + len(found)
    for interface in now.interfaces:
        before = [rule for rule in now.rules if rule.group in interface.groups]
        assert let_through(now, before) == let_through(now, [rule for rule in before if rule.id not in gone])
    for cover in found:
        rule, coverers = by_id[cover.rule], [by_id[one] for one in cover.covered_by]
        assert not gone & set(cover.covered_by)
        assert let_through(now, [rule]) <= let_through(now, coverers)
        assert {one.direction for one in coverers} == {rule.direction}
        is_carried = any(rule.group in one.groups for one in now.interfaces)
        assert {one.group for one in coverers} <= (carried_with(now, rule.group) if is_carried else {rule.group})


@given(presents())
def test_no_rule_that_blocks_or_lists_cover_is_missed(now: Present) -> None:
    gone = {cover.rule for cover in redundant(now.rules)}
    gone |= {cover.rule for cover in conditional(now, redundant(now.rules))}
    staying = [rule for rule in now.rules if rule.id not in gone]
    for rule in staying:
        is_carried = any(rule.group in one.groups for one in now.interfaces)
        groups = carried_with(now, rule.group) if is_carried else {rule.group}
        others = [
            one
            for one in staying
            if one is not rule
            and one.group in groups
            and one.direction is rule.direction
            and not isinstance(one.peer, GroupReference)
        ]
        packets = let_through(now, [rule])
        assert not packets or not packets <= let_through(now, others)


VPC = Vpc(id="vpc-1", cidrs=(ip_network("10.1.0.0/16"),))
IN_VPC = {group: Group(id=group, vpc="vpc-1") for group in GROUPS}


def on(identifier: str, address: str, *groups: str) -> Interface:
    kind = IPv6Address if ":" in address else IPv4Address
    return Interface(id=identifier, vpc="vpc-1", groups=groups, addresses=(kind(address),))


def whys(now: Present) -> dict[str, str]:
    return {cover.rule: cover.why for cover in conditional(now, redundant(now.rules))}


def test_a_reference_is_covered_by_a_block_around_the_vpc_of_its_members() -> None:
    some = (tcp("sgr-1", "10.0.0.0/8"), tcp("sgr-2", GroupReference("sg-b")))
    now = Present(rules=some, groups=IN_VPC, vpcs={"vpc-1": VPC})
    assert whys(now) == {
        "sgr-2": "tcp 443 from sg-b: sgr-1 (tcp 443 from 10.0.0.0/8) allows all of it; "
        "as long as all members of sg-b are in vpc-1 (10.1.0.0/16)"
    }
    assert whys(replace(now, rules=(some[0], tcp("sgr-2", GroupReference("sg-b", owner="999"))))) == {}


def test_a_reference_is_covered_by_a_block_around_its_members_as_they_are() -> None:
    some = (tcp("sgr-1", "10.1.2.0/24"), tcp("sgr-2", GroupReference("sg-b")))
    now = Present(rules=some, groups=IN_VPC, vpcs={"vpc-1": VPC}, interfaces=(on("eni-1", "10.1.2.3", "sg-b"),))
    assert whys(now) == {
        "sgr-2": "tcp 443 from sg-b: sgr-1 (tcp 443 from 10.1.2.0/24) allows all of it; "
        "as long as the members of sg-b have the addresses that they have now (10.1.2.3/32)"
    }
    assert whys(replace(now, interfaces=(*now.interfaces, on("eni-2", "fd00::1", "sg-b")))) == {}


def test_references_to_one_group_cover_each_other_by_their_ports() -> None:
    peer = GroupReference("sg-elsewhere", owner="999")
    some = (tcp("sgr-1", peer, 400, 450), tcp("sgr-2", peer, 451, 500), tcp("sgr-3", peer, 440, 460))
    assert whys(Present(rules=some)) == {
        "sgr-3": "tcp 440-460 from sg-elsewhere: sgr-1 (tcp 400-450 from sg-elsewhere) and "
        "sgr-2 (tcp 451-500 from sg-elsewhere) together allow all of it; whoever the peers are"
    }


def test_a_block_is_covered_by_a_list_and_a_group_that_is_always_there() -> None:
    entries = frozenset({ip_network("10.9.0.0/25")})
    some = (
        tcp("sgr-1", "10.9.0.0/24"),
        tcp("sgr-2", PrefixListReference("pl-1"), group="sg-b"),
        tcp("sgr-3", "10.9.0.128/25", group="sg-b"),
        tcp("sgr-4", "10.9.0.0/24", direction=Direction.EGRESS, group="sg-b"),
    )
    now = Present(
        rules=some,
        prefix_lists={"pl-1": PrefixList(id="pl-1", version=7, entries=entries)},
        interfaces=(on("eni-1", "10.1.2.3", "sg-a", "sg-b"), on("eni-2", "10.1.2.4", "sg-b", "sg-a")),
    )
    apart = (on("eni-3", "10.1.2.5", "sg-a"), on("eni-4", "10.1.2.6", "sg-b"))
    assert whys(replace(now, interfaces=(*now.interfaces, *apart))) == {}
    assert {cover.rule: cover.covered_by for cover in conditional(now, [])} == {
        "sgr-2": ("sgr-1",),
        "sgr-3": ("sgr-1",),
    }
    now = replace(now, interfaces=(*now.interfaces, apart[1]))
    assert whys(now) == {
        "sgr-1": "tcp 443 from 10.9.0.0/24: sgr-3 of sg-b (tcp 443 from 10.9.0.128/25) and sgr-2 of sg-b "
        "(tcp 443 from pl-1) together allow all of it; as long as each of the 2 interfaces of sg-a "
        "carries sg-b too and pl-1 has the entries of version 7"
    }
