"""What rejected packets bring back, beside a reading that goes through everything that may have been the case.

A small world: a VPC of eight addresses, another of the same and four more, and four addresses that are nobody's.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.security_groups.model.rejections import (
    AclEntry,
    Choice,
    Judged,
    NetworkAcl,
    Rejected,
    Scene,
)
from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    TCP,
    UDP,
    Direction,
    GroupReference,
    Network,
    Peer,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import Address, Interface, Vpc
from berthmaster.security_groups.plan.rejections import decided, judge
from berthmaster.security_groups.plan.suspects import MOST_ALIKE, MOST_INTERFACES, MOST_STRANGE, Suspects
from tests.support.security_groups.rejections import BEGUN, EGRESS, INGRESS, interface, packets, removal, rule

OWN, OTHER = "123456789012", "210987654321"
HOME, NEXT_DOOR = ip_network("10.0.0.0/29"), ip_network("10.0.0.8/30")
VPCS = {"vpc-a": Vpc(id="vpc-a", cidrs=(HOME,)), "vpc-b": Vpc(id="vpc-b", cidrs=(NEXT_DOOR, HOME))}
ADDRESSES = [ip_address(f"10.0.0.{number}") for number in range(16)]
LISTS = {"pl-1": frozenset[Network]({ip_network("10.0.0.4/30")})}
"""pl-2 may not be read."""
ICMP_TYPES = [(a, b) for a in (0, 8) for b in (0, 1)]


def a_scene(*peers: Interface, rules: Iterable[Rule] = (), **more: object) -> Scene:
    """`eni-db` with sg-1, and interfaces that may be peers."""
    holders: dict[Address, tuple[Interface, ...]] = {}
    for one in peers:
        for address in one.addresses:
            holders[address] = (*holders.get(address, ()), one)
    by_group: dict[str, tuple[Rule, ...]] = {}
    for one_rule in rules:
        by_group[one_rule.group] = (*by_group.get(one_rule.group, ()), one_rule)
    fields = {
        "interfaces": {"eni-db": interface("eni-db", "10.0.0.2", groups=("sg-1", "sg-2"))},
        "vpcs": VPCS,
        "lists": LISTS,
        **more,
    }
    return Scene(account=OWN, holders=holders, rules=by_group, **fields)  # type: ignore[arg-type]


def judged(of: Removal, rejected: Rejected, scene: Scene) -> Judged:
    """What follows from packets that are suspected."""
    blocks = [block for vpc in VPCS.values() for block in vpc.cidrs]
    [suspect] = Suspects([of], blocks, OWN).among([rejected])
    return judge(suspect, scene)


WEB = interface("eni-web", "10.0.0.3", groups=("sg-web",))
GONE = rule("sgr-1", "10.0.0.0/28")


def test_a_recorded_interface_brings_a_rule_back_and_the_reason_says_all() -> None:
    found = judged(removal(GONE), packets("10.0.0.3"), a_scene(WEB))
    assert found.choice is Choice.RESTORE
    assert found.why == (
        "tcp 443 from 10.0.0.3 was rejected at eni-db, 2026-11-27 12:05:00 UTC; no other rule allows it, and 10.0.0.3 "
        "is eni-web of this account"
    )


def test_anybody_else_is_asked_about_unless_there_was_a_conversation_before() -> None:
    assert judged(removal(GONE), packets("10.0.0.13"), a_scene(WEB)).choice is Choice.PROPOSE
    again = judged(removal(GONE, "10.0.0.12/30"), packets("10.0.0.13"), a_scene(WEB))
    assert again.choice is Choice.RESTORE
    assert again.why.endswith("10.0.0.13 had a conversation under this rule before")


def test_who_has_the_address_in_another_vpc_only_counts_if_it_is_none_of_the_own() -> None:
    double = interface("eni-double", "10.0.0.3", "10.0.0.9", vpc="vpc-b", groups=("sg-web",))
    assert judged(removal(GONE), packets("10.0.0.3"), a_scene(double)).choice is Choice.PROPOSE
    assert judged(removal(GONE), packets("10.0.0.9"), a_scene(double)).choice is Choice.RESTORE


def test_every_address_of_a_peer_has_to_be_known() -> None:
    found = judged(removal(GONE), packets("10.0.0.3", "10.0.0.13"), a_scene(WEB))
    assert found.choice is Choice.PROPOSE
    pod = interface("eni-node", "10.0.0.3", prefixes=(ip_network("10.0.0.4/30"),))
    scene = replace(a_scene(pod), holders={ip_address("10.0.0.3"): (pod,), ip_address("10.0.0.5"): (pod,)})
    assert judged(removal(GONE), packets("10.0.0.3", "10.0.0.5"), scene).choice is Choice.RESTORE


def test_nothing_follows_if_another_rule_allows_it_now_or_the_rule_is_as_it_was() -> None:
    for allowing in (rule("sgr-2", "10.0.0.3/32", group="sg-2"), GONE, rule("sgr-3", "10.0.0.0/8", protocol=ANY)):
        found = judged(removal(GONE), packets("10.0.0.3"), a_scene(WEB, rules=[allowing]))
        assert (found.choice, found.why) == (Choice.IGNORE, f"{allowing.id} of {allowing.group} allows it now")
    inert = replace(GONE, peer=ip_network("192.0.2.7/32"))
    elsewhere = [inert, rule("sgr-4", "10.0.0.4/32"), rule("sgr-5", "10.0.0.3/32", group="sg-9")]
    assert judged(removal(GONE), packets("10.0.0.3"), a_scene(WEB, rules=elsewhere)).choice is Choice.RESTORE


def test_a_member_of_long_ago_does_not_let_a_rule_allow_what_comes_now() -> None:
    reference = rule("sgr-2", GroupReference("sg-old"))
    before = interface("eni-before", "10.0.0.3", groups=("sg-old",))
    scene = a_scene(WEB, before, rules=[reference], is_recalled=True)
    assert judged(removal(GONE), packets("10.0.0.3"), scene).choice is Choice.RESTORE
    # A removed rule that named the members of then may have been about them.
    without = replace(scene, rules={})
    assert judged(removal(reference), packets("10.0.0.3"), without).choice is Choice.RESTORE


def test_what_a_network_acl_refuses_follows_nobody_unless_it_comes_from_the_same_subnet() -> None:
    deny = AclEntry(number=1, direction=INGRESS, is_allowed=False, protocol=ANY, network=ip_network("10.0.0.0/8"))
    acls = {"s-1": NetworkAcl(id="acl-1", entries=(deny,))}
    far = replace(WEB, subnet="s-2")
    found = judged(removal(GONE), packets("10.0.0.3"), a_scene(far, acls=acls))
    assert (found.choice, found.why) == (Choice.IGNORE, "the network ACL of s-1 refuses it")
    assert judged(removal(GONE), packets("10.0.0.3"), a_scene(WEB, acls=acls)).choice is Choice.RESTORE


def test_the_interface_has_to_carry_the_group_and_people_are_asked_if_that_is_not_known() -> None:
    without = {"interfaces": {"eni-db": interface("eni-db", "10.0.0.2", groups=("sg-2",))}}
    assert judged(removal(GONE), packets("10.0.0.3"), a_scene(WEB, **without)).choice is Choice.IGNORE
    unknown = judged(removal(GONE), packets("10.0.0.3"), a_scene(WEB, interfaces={}))
    assert (unknown.choice, unknown.is_open) == (Choice.PROPOSE, True)


def test_members_of_another_accounts_group_are_asked_about() -> None:
    gone = removal(rule("sgr-1", GroupReference("sg-theirs", owner=OTHER)))
    assert judged(gone, packets("172.16.0.9"), a_scene(WEB)).choice is Choice.PROPOSE
    blocks = [block for vpc in VPCS.values() for block in vpc.cidrs]
    assert Suspects([gone], blocks, OWN).among([packets("93.184.216.34")]) == []


def test_without_a_direction_the_addresses_of_the_interface_say_it() -> None:
    incoming = packets("10.0.0.3", direction=None)
    assert judged(removal(GONE), incoming, a_scene(WEB)).choice is Choice.RESTORE
    outgoing = removal(rule("sgr-1", "10.0.0.0/28", direction=EGRESS))
    assert judged(outgoing, incoming, a_scene(WEB)).choice is Choice.IGNORE


def test_what_ended_before_the_change_began_is_not_suspected() -> None:
    suspects = Suspects([removal(GONE)], [HOME], OWN)
    assert suspects.among([packets("10.0.0.3", last=BEGUN.timestamp() - 61)]) == []
    assert len(suspects.among([packets("10.0.0.3", last=BEGUN.timestamp() - 60)])) == 1
    later = removal(GONE, is_direct=True, revoke_intended_at=BEGUN + timedelta(hours=1))
    assert Suspects([later], [HOME], OWN).among([packets("10.0.0.3")]) == []


def test_scanners_do_not_hide_whom_the_account_knows() -> None:
    gone = removal(rule("sgr-1", "0.0.0.0/0"))
    scans = [
        replace(packets(f"93.184.{peer}.{number % 250}"), interface=f"eni-{number}")
        for number in range(2 * MOST_INTERFACES)
        for peer in range(10)
    ]
    found = Suspects([gone], [HOME], OWN).among([*scans, packets("10.0.0.3")])
    assert [one for one in found if one.peers == (ip_address("10.0.0.3"),)]
    assert len(found) == 1 + MOST_INTERFACES * MOST_STRANGE


def test_a_scan_of_all_ports_from_within_does_not_hide_anybody_either() -> None:
    gone = removal(rule("sgr-1", "10.0.0.0/8", ports=(0, 65_535)))
    scan = [packets("10.0.0.3", port=port) for port in range(6_000)]
    found = Suspects([gone], [HOME], OWN).among([*scan, packets("10.0.0.4")])
    assert {one.peers for one in found} == {(ip_address("10.0.0.3"),), (ip_address("10.0.0.4"),)}
    assert len(found) == 1 + MOST_ALIKE


def test_most_follows_from_the_packets_from_which_most_follows() -> None:
    gone = removal(GONE)
    scene = a_scene(WEB)
    each = [judged(gone, packets(peer), scene) for peer in ("10.0.0.13", "10.0.0.3", "10.0.0.14")]
    assert [one.choice for one in decided(each).values()] == [Choice.RESTORE]
    assert [one.choice for one in decided(each[::2]).values()] == [Choice.PROPOSE]


# The small world


@dataclass(frozen=True)
class World:
    """What records do not say: which address the packets had, who had it, and their type and code of ICMP."""

    address: Address
    holder: Interface | None
    icmp: tuple[int, int]


@st.composite
def small_rules(draw: st.DrawFn, identifier: str, protocol: int, direction: Direction) -> Rule:
    """A rule of a protocol and direction, or of any, now and then."""
    protocol = draw(st.sampled_from([protocol, protocol, protocol, ANY, TCP, ICMP]))
    ports, icmp = ALL_PORTS, (ANY, ANY)
    if protocol in (TCP, UDP):
        ports = draw(st.sampled_from([ALL_PORTS, (443, 443), (443, 444), (80, 80)]))
    if protocol == ICMP:
        icmp = draw(st.sampled_from([(ANY, ANY), (8, ANY), (8, 0), (0, 0)]))
    length = draw(st.sampled_from([28, 28, 29, 30, 31, 32]))
    block = IPv4Network((int(draw(st.sampled_from(ADDRESSES))), length), strict=False)
    references: list[Peer] = [GroupReference("sg-x"), GroupReference("sg-y")]
    references += [PrefixListReference("pl-1"), PrefixListReference("pl-2")]
    return Rule(
        id=identifier,
        group=draw(st.sampled_from(["sg-1", "sg-2"])),
        direction=draw(st.sampled_from([direction, direction, direction, direction.opposite])),
        protocol=protocol,
        ports=ports,
        icmp=icmp,
        peer=draw(st.sampled_from([block, block, block, *references])),
    )


@st.composite
def small_interfaces(draw: st.DrawFn, identifier: str, peers: list[IPv4Address]) -> Interface:
    """Who has an address of a VPC's, one of these peers most of the time."""
    vpc = draw(st.sampled_from(["vpc-a", "vpc-a", "vpc-b"]))
    own = [one for one in (*peers, *peers, *ADDRESSES) if any(one in block for block in VPCS[vpc].cidrs)]
    return interface(
        identifier,
        str(draw(st.sampled_from(own))),
        vpc=vpc,
        groups=draw(st.sampled_from([(), ("sg-x",), ("sg-y",), ("sg-x", "sg-y")])),
        subnet=draw(st.sampled_from(["s-1", "s-2"])),
    )


@st.composite
def small_acls(draw: st.DrawFn) -> Mapping[str, NetworkAcl]:
    """None, or one that refuses something."""
    deny = AclEntry(
        number=1,
        direction=draw(st.sampled_from(Direction)),
        is_allowed=False,
        protocol=draw(st.sampled_from([ANY, TCP])),
        network=ip_network(draw(st.sampled_from(["10.0.0.0/29", "10.0.0.4/32", "10.0.0.8/29"]))),
    )
    allow = [
        AclEntry(number=2, direction=one, is_allowed=True, protocol=ANY, network=ip_network("0.0.0.0/0"))
        for one in Direction
    ]
    return draw(st.sampled_from([{}, {"s-1": NetworkAcl(id="acl-1", entries=(deny, *allow))}]))


@st.composite
def small_scenes(draw: st.DrawFn) -> tuple[Removal, Rejected, Scene]:
    protocol, direction = draw(st.sampled_from([TCP, TCP, UDP, ICMP])), draw(st.sampled_from(Direction))
    peers = draw(st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2, unique=True))
    earlier = draw(st.sampled_from([(), ("10.0.0.12/31",), ("10.0.0.0/30", "10.0.0.13/32")]))
    some = [draw(small_interfaces(f"eni-{number}", peers)) for number in range(draw(st.integers(0, 4)))]
    gone = draw(small_rules("sgr-gone", protocol, direction))
    others = [draw(small_rules(f"sgr-{number}", protocol, direction)) for number in range(draw(st.integers(0, 2)))]
    port = draw(st.sampled_from([443, 443, 80]))
    rejected = replace(packets(*map(str, peers), direction=direction), protocol=protocol, port=port)
    return removal(gone, *earlier), rejected, a_scene(*some, rules=others, acls=draw(small_acls()))


def worlds(rejected: Rejected, peers: Iterable[Address], scene: Scene) -> Iterator[World]:
    for address in peers:
        for holder in seen(address, scene.holders) or [None]:
            for icmp in ICMP_TYPES if rejected.protocol == ICMP else [(0, 0)]:
                yield World(address, holder, icmp)


def seen(address: Address, holders: Mapping[Address, tuple[Interface, ...]]) -> list[Interface]:
    """Who may have an address, for `eni-db` in vpc-a."""
    wanted = "vpc-a" if address in HOME else "vpc-b"
    return [one for one in holders.get(address, ()) if one.vpc == wanted]


def lets_through(one: Rule, rejected: Rejected, world: World) -> bool | None:
    """Whether a rule allows a packet; None if its prefix list is not known."""
    if one.protocol not in (ANY, rejected.protocol):
        return False
    if one.protocol in (TCP, UDP) and not one.ports[0] <= rejected.port <= one.ports[1]:
        return False
    if one.protocol == ICMP and not all(a in (ANY, b) for a, b in zip(one.icmp, world.icmp, strict=True)):
        return False
    match one.peer:
        case GroupReference():
            return world.holder is not None and one.peer.group in world.holder.groups
        case PrefixListReference():
            entries = LISTS.get(one.peer.prefix_list)
            return None if entries is None else any(world.address in entry for entry in entries)
        case _:
            return world.address in one.peer


def is_denied_by_us(gone: Rule, rejected: Rejected, scene: Scene, world: World, *, surely: bool) -> bool:
    """Whether the packet would have passed if the rule were there, and does not; `surely`: as far as it is known."""
    passed = {True} if surely else {True, None}
    blocked = {False} if surely else {False, None}
    if gone.direction is not rejected.direction or lets_through(gone, rejected, world) not in passed:
        return False
    rules = [one for group in ("sg-1", "sg-2") for one in scene.rules.get(group, ())]
    if any(lets_through(one, rejected, world) not in blocked for one in rules if one.direction is gone.direction):
        return False
    if "s-1" not in scene.acls or (world.holder and world.holder.subnet == "s-1"):
        return True
    entries = [
        one
        for one in scene.acls["s-1"].entries
        if one.direction is gone.direction and world.address in one.network and one.protocol in (ANY, rejected.protocol)
    ]
    return entries[0].is_allowed


def choice_of(of: Removal, rejected: Rejected, scene: Scene) -> Choice:
    """What follows from packets; nothing if they are not suspected."""
    blocks = [block for vpc in VPCS.values() for block in vpc.cidrs]
    found = [judge(one, scene).choice for one in Suspects([of], blocks, OWN).among([rejected])]
    return found[0] if found else Choice.IGNORE


@settings(max_examples=700)
@given(small_scenes())
def test_nothing_is_ignored_that_our_change_may_have_denied_and_strangers_restore_nothing(
    drawn: tuple[Removal, Rejected, Scene],
) -> None:
    of, rejected, scene = drawn
    choice = choice_of(of, rejected, scene)
    peers = rejected.sources if rejected.direction is INGRESS else rejected.destinations
    every = list(worlds(rejected, peers, scene))
    earlier = of.candidate.earlier_peers
    has_talked = [any(one in block for block in earlier) for one in peers]
    is_known = all(talked or seen(one, scene.holders) for one, talked in zip(peers, has_talked, strict=True))
    possible = [one for one in every if is_denied_by_us(of.rule, rejected, scene, one, surely=False)]
    if possible:
        assert choice is not Choice.IGNORE
    elif len(every) == 1:
        assert choice is Choice.IGNORE
    if choice is Choice.RESTORE:
        assert is_known
        assert all(has_talked) or any(lets_through(of.rule, rejected, one) for one in every)
    if all(is_denied_by_us(of.rule, rejected, scene, one, surely=True) for one in every):
        assert choice is (Choice.RESTORE if is_known else Choice.PROPOSE)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_asked_about_once_it_is_none_of_those_that_are_known(address: IPv4Address) -> None:
    scene = a_scene(WEB, interface("eni-next", "10.0.0.9", vpc="vpc-b"))
    found = judged(removal(GONE, "10.0.0.12/31"), packets(str(address)), scene)
    is_known = str(address) in {"10.0.0.3", "10.0.0.9", "10.0.0.12", "10.0.0.13"}
    assert found.choice is (Choice.RESTORE if is_known else Choice.PROPOSE)
