"""Removals replayed together: what they would have denied is what a slow reading of the same flows says."""

from collections import Counter
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import ALL_PORTS, ANY, TCP, Direction, Group
from berthmaster.security_groups.model.sources import AllowedBy
from berthmaster.security_groups.model.topology import Interface, Span, Topology
from berthmaster.security_groups.plan import allowed_by
from berthmaster.security_groups.plan.allowed_by import AllowedBySum
from berthmaster.security_groups.plan.matching import matched
from berthmaster.security_groups.plan.replay import Denied, Replays, replay, staying
from tests.support.security_groups import drawn, oracle
from tests.support.security_groups.judgements import judgement
from tests.support.security_groups.oracle import ANYWHERE, Connection, Match
from tests.support.security_groups.small_universe import tcp

RULES = tuple(f"sgr-{number}" for number in range(5))
SETS = st.frozensets(st.sampled_from(RULES))
PAIRS = st.lists(st.builds(AllowedBy, certain=SETS, possible=SETS, records=st.integers(1, 9), last=st.just(1.0)))


def denied_slowly(flows: Sequence[Flow], topology: Topology, removed: Collection[str], left: Collection[str]) -> Denied:
    """Flow by flow, and by each side that may have opened it, rule by rule."""
    records, rules = 0, Counter[str]()
    for flow in flows:
        if flow.quality is Quality.KNOCK:
            continue
        inside, outside = flow.ports[0], flow.peer_ports[0]
        if flow.is_inbound is False:
            inside, outside = outside, inside
        nowhere = ANYWHERE[flow.peer.version == 6].network_address
        slow = oracle.Flow(
            topology,
            Connection(flow.log, flow.interface, nowhere, flow.peer, inside, outside, flow.protocol),
            peers={flow.peer, *flow.vias},
            vpcs={flow.vpc} - {""},
            first=flow.first,
            last=flow.last,
        )
        for direction, port, is_it in (
            (Direction.INGRESS, inside, flow.is_inbound is not False),
            (Direction.EGRESS, outside, flow.is_inbound is not True),
        ):
            for found in (slow.match(direction, port), slow.match_replies(direction, port)) if is_it else ():
                missed = [rule for rule in found if rule in removed]
                relied_on = [rule for rule, match in found.items() if match is Match.SURE and rule in left]
                if missed and not set(relied_on).difference(removed):
                    records += flow.records
                    rules.update(dict.fromkeys(missed, flow.records))
    return Denied(records=records, rules=dict(sorted(rules.items())))


@settings(max_examples=50)
@given(st.data())
def test_rules_are_missed_by_the_flows_by_which_a_slow_reading_misses_them(data: st.DataObject) -> None:
    topology = data.draw(st.one_of(drawn.topologies(), drawn.changing_topologies()))
    flows = data.draw(st.lists(drawn.flows(), min_size=10, max_size=20))
    removed, left = (data.draw(st.frozensets(st.sampled_from(sorted(topology.rules)))) for _ in range(2))
    found = replay(matched(flows, topology).allowed_by, removed, left)
    assert found == denied_slowly(flows, topology, removed, left)


def allowed(*flows: Flow) -> set[tuple[frozenset[str], frozenset[str]]]:
    """By which sets of rules flows were allowed, where flows from anywhere are not tracked."""
    rules = (
        tcp("sgr-open", "0.0.0.0/0"),
        tcp("sgr-narrow", "10.0.0.0/8"),
        tcp("sgr-out", "0.0.0.0/0", direction=Direction.EGRESS, protocol=ANY, ports=ALL_PORTS),
    )
    topology = Topology(
        interfaces={"eni-1": (Span(Interface(id="eni-1", vpc="vpc-a", groups=("sg-a",))),)},
        rules={rule.id: (Span(rule),) for rule in rules},
        groups={"sg-a": Group(id="sg-a", vpc="vpc-a")},
    )
    return {(one.certain, one.possible) for one in matched(flows, topology).allowed_by}


INBOUND = Flow(
    log="fl-1",
    interface="eni-1",
    vpc="vpc-a",
    protocol=TCP,
    is_inbound=True,
    quality=Quality.CONVERSATION,
    peer=ip_address("10.0.0.1"),
    vias=(),
    ports=(443, 443),
    peer_ports=(0, 0),
    records=1,
    first=0.0,
    last=1.0,
)
COMES_IN = frozenset({"sgr-open", "sgr-narrow"}), frozenset[str]()
GOES_OUT = frozenset({"sgr-out"}), frozenset[str]()


def test_each_side_that_may_have_opened_a_conversation_has_its_rules_and_so_have_untracked_replies() -> None:
    assert allowed(INBOUND) == {COMES_IN, GOES_OUT}
    assert allowed(INBOUND._replace(is_inbound=False, ports=(53, 53))) == {GOES_OUT}
    unclear = INBOUND._replace(is_inbound=None, quality=Quality.ONE_WAY, peer_ports=(53, 53))
    assert allowed(unclear) == {COMES_IN, GOES_OUT}


def test_what_nobody_answered_is_no_conversation() -> None:
    assert allowed(INBOUND._replace(quality=Quality.KNOCK)) == set()


@given(PAIRS, SETS, SETS)
def test_without_the_rules_that_are_missed_nothing_is_denied(
    pairs: list[AllowedBy], removed: frozenset[str], left: frozenset[str]
) -> None:
    denied = replay(pairs, removed, left)
    assert bool(denied) is bool(denied.records)
    assert not replay(pairs, removed.difference(denied.rules), left)


def test_rules_that_could_go_one_by_one_cannot_go_together() -> None:
    both = AllowedBy(certain=frozenset({"sgr-1", "sgr-2"}), possible=frozenset(), records=3, last=1.0)
    rules = {"sgr-1", "sgr-2"}
    assert not replay([both], {"sgr-1"}, rules)
    assert not replay([both], {"sgr-2"}, rules)
    assert replay([both], rules, rules) == Denied(records=3, rules={"sgr-1": 3, "sgr-2": 3})


def test_a_rule_that_only_may_have_allowed_it_is_not_relied_on() -> None:
    one = AllowedBy(certain=frozenset({"sgr-1"}), possible=frozenset({"sgr-2"}), records=1, last=1.0)
    assert replay([one], {"sgr-1"}, {"sgr-2"})


def test_rules_that_are_new_changed_or_going_are_not_relied_on() -> None:
    rules = [tcp("sgr-1", "10.0.0.0/8"), tcp("sgr-2", "10.0.0.0/9"), tcp("sgr-3", "10.0.0.0/10")]
    assert staying(judgement(rules, young=["sgr-2"]), {"sgr-3"}) == {"sgr-1"}


@given(PAIRS, SETS, SETS)
def test_of_too_many_sets_of_rules_more_is_denied_never_less(
    pairs: list[AllowedBy], removed: frozenset[str], left: frozenset[str]
) -> None:
    with mock.patch.object(allowed_by, "MOST", 3):
        total = AllowedBySum()
        total.add_all(pairs)
        bounded = total.sum()
    assert len(bounded) <= 3
    exact, found = replay(pairs, removed, left), replay(bounded, removed, left)
    assert exact.rules.keys() <= found.rules.keys()
    assert exact.records <= found.records


@given(PAIRS, SETS, SETS)
def test_replays_that_look_at_what_is_concerned_say_the_same(
    pairs: list[AllowedBy], removed: frozenset[str], left: frozenset[str]
) -> None:
    assert Replays(pairs, left).without(removed) == replay(pairs, removed, left)
