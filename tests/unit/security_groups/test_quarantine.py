"""The peer of a rule in quarantine: nobody, of the same kind, and no other rule's."""

from dataclasses import replace
from ipaddress import IPv6Network, ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.security_groups.model.rules import (
    ANY,
    ICMP,
    TCP,
    UDP,
    Direction,
    Group,
    GroupReference,
    PrefixList,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.plan.quarantine import IPV4_BLOCKS, IPV6_BLOCK, free_place, inert_network, is_inert
from berthmaster.security_groups.plan.terms import terms_of

if TYPE_CHECKING:
    from berthmaster.security_groups.model.rules import Network, Peer

NETWORKS = tuple(map(ip_network, ("10.0.0.0/8", "0.0.0.0/0", "192.0.2.7/32", "2a05:d018::/32", "::/0", "10.1.2.3/32")))


@st.composite
def groups_of_rules(draw: st.DrawFn) -> list[Rule]:
    """Rules of one group with CIDRs, of few kinds of traffic."""
    count = draw(st.integers(1, 40))
    return [
        Rule(
            id=f"sgr-{number}",
            group="sg-1",
            direction=draw(st.sampled_from(Direction)),
            protocol=draw(st.sampled_from((TCP, UDP, ANY, ICMP))),
            ports=draw(st.sampled_from(((443, 443), (0, 65535)))),
            icmp=draw(st.sampled_from(((8, 0), (ANY, ANY)))),
            peer=draw(st.sampled_from(NETWORKS)),
        )
        for number in range(count)
    ]


def quarantined(rules: list[Rule]) -> list[Rule]:
    """All of them, one after the other."""
    now = list(rules)
    for number, rule in enumerate(now):
        peer = inert_network(rule, now)
        assert peer is not None
        now[number] = replace(rule, peer=peer)
    return now


def is_for_documentation(network: "Network") -> bool:
    if isinstance(network, IPv6Network):
        return network.prefixlen == 128 and network.subnet_of(IPV6_BLOCK)
    return network.prefixlen == 32 and any(network.subnet_of(block) for block in IPV4_BLOCKS)


@given(groups_of_rules())
def test_rules_in_quarantine_have_documentation_addresses_of_their_own(rules: list[Rule]) -> None:
    after = quarantined(rules)
    assert len({terms_of(one) for one in after}) == len(after)
    for before, now in zip(rules, after, strict=True):
        assert is_for_documentation(now.peer)  # type: ignore[arg-type]
        assert type(now.peer) is type(before.peer)


@given(groups_of_rules())
def test_who_chooses_again_chooses_the_same(rules: list[Rule]) -> None:
    assert quarantined(rules) == quarantined(rules)
    [*others, last] = quarantined(rules)
    assert inert_network(rules[-1], [*others, last]) == last.peer


def test_the_first_block_is_used_before_the_others_and_none_is_left_after_the_last() -> None:
    rules = [tcp(number, ip_network(f"10.0.{number // 256}.{number % 256}/32")) for number in range(769)]
    now: list[Rule] = []
    for rule in rules[:768]:
        peer = inert_network(rule, now)
        assert peer is not None
        assert peer.subnet_of(IPV4_BLOCKS[len(now) // 256])  # type: ignore[arg-type]
        now.append(replace(rule, peer=peer))
    assert inert_network(rules[768], now) is None


def test_an_empty_group_or_list_serves_rules_that_differ_in_their_traffic() -> None:
    web, api = tcp(1, GroupReference("sg-2")), replace(tcp(2, GroupReference("sg-2")), ports=(8443, 8443))
    places = [GroupReference("sg-e1"), GroupReference("sg-e2")]
    now = [replace(web, peer=places[0]), api]
    assert free_place(api, now, places) == places[0]
    assert free_place(tcp(3, GroupReference("sg-3")), now, places) == places[1]
    assert free_place(tcp(3, GroupReference("sg-3")), now, places[:1]) is None
    lists = [PrefixListReference("pl-e")]
    assert free_place(tcp(3, PrefixListReference("pl-1")), now, lists) == lists[0]


def tcp(number: int, peer: "Network | GroupReference | PrefixListReference") -> Rule:
    return Rule(
        id=f"sgr-{number}", group="sg-1", direction=Direction.INGRESS, protocol=TCP, ports=(443, 443), peer=peer
    )


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        pytest.param(ip_network("192.0.2.7/32"), True, id="a documentation address"),
        pytest.param(ip_network("203.0.113.7/32"), True, id="one of another block"),
        pytest.param(ip_network("2001:db8::7/128"), True, id="one of IPv6"),
        pytest.param(ip_network("192.0.2.0/24"), False, id="a block that people wrote"),
        pytest.param(ip_network("10.0.0.7/32"), False, id="an address"),
        pytest.param(GroupReference("sg-ours"), True, id="our group"),
        pytest.param(GroupReference("sg-theirs"), False, id="another group"),
        pytest.param(GroupReference("sg-gone"), False, id="a group that nobody knows"),
        pytest.param(PrefixListReference("pl-ours"), True, id="our list"),
        pytest.param(PrefixListReference("pl-theirs"), False, id="another list"),
    ],
)
def test_a_peer_that_only_a_rule_in_quarantine_has_is_known(peer: "Peer", *, expected: bool) -> None:
    groups = {
        "sg-ours": Group(id="sg-ours", tags=(("berthmaster:security-groups", "quarantine"),)),
        "sg-theirs": Group(id="sg-theirs", tags=(("berthmaster:security-groups", "managed"),)),
    }
    lists = {
        "pl-ours": PrefixList(id="pl-ours", name="berthmaster-quarantine-ipv4-3"),
        "pl-theirs": PrefixList(id="pl-theirs", name="office"),
    }
    assert is_inert(peer, groups, lists) is expected
