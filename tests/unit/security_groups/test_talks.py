"""Who talks to whom, from flows and from who held which address then."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.security_groups.model.documentation import Party, PartyKind
from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import TCP, UDP, Direction, PrefixList, PrefixListReference, Rule
from berthmaster.security_groups.model.topology import Interface, Span, Topology, Vpc
from berthmaster.security_groups.plan.talks import UNRECORDED, merged, of_one_group, talks

if TYPE_CHECKING:
    from berthmaster.security_groups.model.rules import Peer

WEB, API, SHARED = "sg-web", "sg-api", "sg-shared"
OFFICE, S3 = ip_network("203.0.113.0/24"), "pl-s3"


def interface(id_: str, address: str, *groups: str, vpc: str = "vpc-1") -> Interface:
    return Interface(id=id_, vpc=vpc, groups=groups, addresses=(ip_address(address),))


def rule(id_: str, peer: Peer) -> Rule:
    return Rule(id=id_, group=WEB, direction=Direction.INGRESS, protocol=TCP, peer=peer)


TOPOLOGY = Topology(
    interfaces={
        "eni-web": (Span(interface("eni-web", "10.0.0.1", WEB, SHARED)),),
        "eni-api": (Span(interface("eni-api", "10.0.0.2", API, SHARED)),),
        "eni-old": (Span(interface("eni-old", "10.0.0.3", WEB), until=100),),
        "eni-new": (Span(interface("eni-new", "10.0.0.3", API), since=100),),
        "eni-gone": (Span(interface("eni-gone", "10.0.0.5", WEB), until=50),),
        "eni-gone-too": (Span(interface("eni-gone-too", "10.0.0.6", API), until=50),),
        "eni-nat": (Span(replace(interface("eni-nat", "10.0.0.8"), description="Interface for NAT Gateway nat-1")),),
        "eni-jobs": (Span(interface("eni-jobs", "10.0.0.9", SHARED)),),
        "eni-elsewhere": (Span(interface("eni-elsewhere", "10.0.0.2", "sg-other", vpc="vpc-2")),),
    },
    rules={
        "sgr-1": (Span(rule("sgr-1", OFFICE)),),
        "sgr-2": (Span(rule("sgr-2", ip_network("0.0.0.0/0"))),),
        "sgr-3": (Span(rule("sgr-3", PrefixListReference(S3))),),
    },
    prefix_lists={S3: (Span(PrefixList(id=S3, entries=frozenset({ip_network("52.219.0.0/16")}))),)},
    vpcs={"vpc-1": Vpc(id="vpc-1", cidrs=(ip_network("10.0.0.0/16"),))},
)


def flow(peer: str, *, interface: str = "eni-web", is_inbound: bool | None = True, **what: object) -> Flow:
    quality = Quality.BOTH_WAYS if is_inbound is None else Quality.CONVERSATION
    given_ = {
        "log": "fl-1",
        "vpc": "vpc-1",
        "protocol": TCP,
        "quality": quality,
        "vias": (),
        "ports": (443, 443),
        "peer_ports": (40_000, 60_000),
        "records": 1,
        "first": 200.0,
        "last": 260.0,
    }
    return Flow(interface=interface, is_inbound=is_inbound, peer=ip_address(peer), **given_ | what)  # type: ignore[arg-type]


def group(*ids: str) -> Party:
    return Party(PartyKind.GROUP, ids)


def source_of(one: Flow) -> Party:
    (talk,) = talks([one], TOPOLOGY)
    return talk.source


def test_a_peer_is_told_by_its_groups_a_rules_block_a_list_its_vpc_or_as_the_internet() -> None:
    assert source_of(flow("10.0.0.2")) == group(API, SHARED)
    assert source_of(flow("203.0.113.9")) == Party(PartyKind.NETWORK, (str(OFFICE),))
    assert source_of(flow("52.219.3.4")) == Party(PartyKind.PREFIX_LIST, (S3,))
    assert source_of(flow("10.0.7.7")) == Party(PartyKind.NETWORK, ("10.0.0.0/16",))
    assert source_of(flow("192.168.3.4")) == Party(PartyKind.NETWORK, ("192.168.0.0/16",))
    assert source_of(flow("10.0.0.8")) == Party(PartyKind.INTERFACE, ("NAT gateway nat-1",))
    assert source_of(flow("8.8.8.8")) == Party(PartyKind.INTERNET)
    assert source_of(flow("8.8.8.8", vias=(ip_address("10.0.0.2"),))) == group(API, SHARED)


def test_an_interface_that_nobody_recorded_is_told_as_that() -> None:
    (talk,) = talks([flow("10.0.0.2", interface="eni-unknown")], TOPOLOGY)
    assert (talk.source, talk.target) == (group(API, SHARED), UNRECORDED)


def test_an_address_is_who_held_it_then() -> None:
    assert source_of(flow("10.0.0.3", first=10.0, last=20.0)) == group(WEB)
    assert source_of(flow("10.0.0.3", first=210.0, last=220.0)) == group(API)


def test_a_record_that_ends_after_its_interfaces_were_deleted_is_theirs() -> None:
    (talk,) = talks([flow("10.0.0.6", interface="eni-gone", first=10.0, last=60.0)], TOPOLOGY)
    assert (talk.source, talk.target) == (group(API), group(WEB))


def test_what_the_interface_opened_goes_to_its_peer() -> None:
    (talk,) = talks([flow("10.0.0.2", is_inbound=False, ports=(5432, 5432), records=7)], TOPOLOGY)
    assert (talk.source, talk.target, talk.ports) == (group(SHARED, WEB), group(API, SHARED), (5432, 5432))
    assert (talk.logged_at_source, talk.logged_at_target, talk.is_certain) == (7, 0, True)


def test_both_sides_log_the_same_conversations_and_they_count_once() -> None:
    at_web = flow("10.0.0.2", is_inbound=False, records=5)
    at_api = flow("10.0.0.1", interface="eni-api", records=6)
    (talk,) = talks([at_web, at_api], TOPOLOGY)
    assert talk.records == 6


def test_if_nobody_knows_who_opened_it_the_lower_port_is_taken_for_the_service() -> None:
    asked, asking = (
        talks([flow("10.0.0.2", is_inbound=None, protocol=UDP, ports=ports, peer_ports=peer_ports)], TOPOLOGY)[0]
        for ports, peer_ports in (((53, 53), (33_000, 60_000)), ((33_000, 60_000), (53, 53)))
    )
    assert (asked.target, asked.ports, asked.is_certain) == (group(SHARED, WEB), (53, 53), False)
    assert (asking.target, asking.ports, asking.is_certain) == (group(API, SHARED), (53, 53), False)


def test_attempts_that_nobody_answered_are_no_talk() -> None:
    assert talks([flow("8.8.8.8", quality=Quality.KNOCK)], TOPOLOGY) == []


def test_an_interface_of_several_groups_counts_for_the_one_in_the_fewest_combinations() -> None:
    (talk,) = of_one_group(talks([flow("10.0.0.2")], TOPOLOGY), TOPOLOGY)
    assert (talk.source, talk.target) == (group(API), group(WEB))


FLOWS = st.lists(
    st.builds(
        flow,
        st.sampled_from(["10.0.0.2", "10.0.0.3", "8.8.8.8", "203.0.113.7"]),
        interface=st.sampled_from(["eni-web", "eni-api", "eni-gone"]),
        is_inbound=st.sampled_from([True, False, None]),
        first=st.floats(0, 200),
        last=st.floats(200, 300),
        records=st.integers(1, 9),
    ),
    max_size=6,
)


@given(FLOWS, FLOWS)
def test_files_may_come_in_any_order_and_be_cut_anywhere(one: list[Flow], other: list[Flow]) -> None:
    whole = talks(one + other, TOPOLOGY)
    assert merged([*talks(other, TOPOLOGY), *talks(one, TOPOLOGY)]) == whole
    assert sum(talk.logged_at_source + talk.logged_at_target for talk in whole) == sum(
        flow.records for flow in one + other
    )
