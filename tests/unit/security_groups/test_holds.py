"""What may go, and what keeps a rule whatever its use."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.security_groups.model.removals import (
    Candidate,
    Ground,
    LeftAlone,
    Origin,
    Removal,
    RemovalState,
)
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    UDP,
    Direction,
    Group,
    GroupReference,
    Rule,
)
from berthmaster.security_groups.model.tags import KEEP, PLACE, TAG
from berthmaster.security_groups.model.topology import FlowLog
from berthmaster.security_groups.plan.candidates import candidates
from berthmaster.security_groups.plan.holds import Holds
from berthmaster.security_groups.plan.terms import content_key
from berthmaster.security_groups.plan.window import Judgement
from tests.support.security_groups import small_universe
from tests.support.security_groups.judgements import ACCOUNT, LOG, NOW, group, judgement
from tests.support.security_groups.small_universe import tcp

TODAY = datetime.fromtimestamp(NOW, UTC)
OPEN = tcp("sgr-open", "0.0.0.0/0")
OUT = tcp("sgr-out", "0.0.0.0/0", direction=Direction.EGRESS, protocol=ANY, ports=ALL_PORTS)


def holds(found: Judgement, removals: Collection[Removal] = (), left_alone: Collection[LeftAlone] = ()) -> Holds:
    return Holds(found, account=ACCOUNT, now=TODAY, removals=removals, left_alone=left_alone)


def reasons(found: Judgement, rule: str, going: Collection[str] = (), removals: Collection[Removal] = ()) -> str:
    (candidate,) = [one for one in candidates(found) if one.rule.id == rule]
    return "; ".join(holds(found, removals).of(candidate, going))


def removal(rule: Rule, state: RemovalState, *, inert: str = "", covered_by: tuple[str, ...] = ()) -> Removal:
    candidate = Candidate(
        rule=rule, vpc="vpc-a", ground=Ground.UNUSED, why="", since=0.0, until=1.0, covered_by=covered_by
    )
    return Removal(
        candidate=candidate,
        origin=Origin.PEOPLE,
        state=state,
        announced_at=TODAY,
        changed_at=TODAY,
        due_at=TODAY,
        inert=ip_network(inert) if inert else None,
    )


# What may go.


def test_unused_and_covered_rules_of_managed_groups_may_go_those_that_others_cover_first() -> None:
    rules = [
        tcp("sgr-1-wide", "10.0.0.0/8"),
        tcp("sgr-2-narrow", "10.1.0.0/16"),
        tcp("sgr-3-used", "10.9.0.0/16", 22, 22),
        tcp("sgr-4-elsewhere", "10.1.0.0/16", group="sg-unmanaged"),
    ]
    groups = [group(), replace(group("sg-unmanaged"), tags=())]
    found = candidates(judgement(rules, unused=["sgr-1-wide", "sgr-4-elsewhere"], groups=groups))
    assert [(one.rule.id, one.ground, one.covered_by) for one in found] == [
        ("sgr-2-narrow", Ground.COVERED, ("sgr-1-wide",)),
        ("sgr-1-wide", Ground.UNUSED, ()),
    ]
    assert "sgr-1-wide" in found[0].why


def test_what_is_going_is_no_candidate_and_covers_nothing() -> None:
    rules = [tcp("sgr-wide", "10.0.0.0/8"), tcp("sgr-narrow", "10.1.0.0/16")]
    assert not candidates(judgement(rules, unused=["sgr-wide"]), going={"sgr-wide"})


# What keeps a rule.


def test_a_rule_that_nothing_keeps_may_go() -> None:
    assert not reasons(judgement([tcp("sgr-1", "10.0.0.0/8")], unused=["sgr-1"]), "sgr-1")


@pytest.mark.parametrize(
    ("rule", "its_group", "why"),
    [
        (tcp("sgr-1", "10.0.0.0/8", tags=((KEEP, "the audit"),)), group(), "it is to be kept: the audit"),
        (tcp("sgr-1", "10.0.0.0/8"), group("sg-a", (KEEP, "")), "its group is to be kept: no reason is given"),
        (tcp("sgr-1", "10.0.0.0/8"), group(owner="210987654321"), "its group is account 210987654321's"),
        (tcp("sgr-1", "10.0.0.0/8"), group("sg-a", (TAG, PLACE)), "its group is Berthmaster's own"),
        (
            tcp("sgr-1", GroupReference("sg-a"), *ALL_PORTS),
            group(),
            "it lets members of its group reach each other: AWS Glue and others require that, used or not",
        ),
        (tcp("sgr-1", GroupReference("sg-a")), group(), ""),
        (
            tcp("sgr-1", "10.0.0.0/8", description="elbv2.k8s.aws/targetGroupBinding=shared"),
            group(),
            "AWS Load Balancer Controller makes it, and would make it again",
        ),
    ],
)
def test_people_and_owners_keep_rules(rule: Rule, its_group: Group, why: str) -> None:
    assert reasons(judgement([rule], unused=["sgr-1"], groups=[its_group]), "sgr-1") == why


def test_a_rule_is_to_be_kept_until_the_day_that_its_tag_names_is_over() -> None:
    rule = tcp("sgr-1", "10.0.0.0/8", tags=((KEEP, f"the audit, until {TODAY - timedelta(days=1):%Y-%m-%d}"),))
    assert not reasons(judgement([rule], unused=["sgr-1"]), "sgr-1")


def test_what_came_back_is_left_alone_by_what_it_allows_for_as_long_as_that_is_said() -> None:
    rule = tcp("sgr-1", "10.0.0.0/8")
    found = judgement([rule], unused=["sgr-1"])
    (candidate,) = candidates(found)
    left = LeftAlone(group="sg-a", key=content_key(rule), why="it came back", since=TODAY)
    again = replace(candidate, rule=replace(rule, id="sgr-2", description="again"))
    other = replace(candidate, rule=replace(rule, ports=(80, 80)))
    assert [len(holds(found, left_alone=[left]).of(one)) for one in (candidate, again, other)] == [1, 1, 0]
    assert not holds(found, left_alone=[replace(left, until=TODAY)]).of(candidate)
    assert holds(found, left_alone=[replace(left, until=TODAY + timedelta(seconds=1))]).of(candidate)


# What would be seen of a mistake.


@pytest.mark.parametrize(
    ("log", "is_held"),
    [
        (LOG, False),
        (replace(LOG, traffic_type="REJECT"), False),
        (replace(LOG, traffic_type="ACCEPT"), True),
        (replace(LOG, is_active=False), True),
        (replace(LOG, resource="vpc-b"), True),
        (replace(LOG, resource="eni-0"), False),
        (replace(LOG, id="fl-whose-records-nobody-reads"), True),
    ],
)
def test_a_rule_stays_if_nobody_would_see_what_is_rejected_without_it(log: FlowLog, *, is_held: bool) -> None:
    rules = [tcp("sgr-1", "10.0.0.0/8"), tcp("sgr-2", "172.16.0.0/12")]
    found = judgement(rules, unused=["sgr-1"], carried=[("sg-a",)], log=log)
    assert (reasons(found, "sgr-1") == "no flow log that is read shows what is rejected in eni-0") is is_held


# Untracked flows.


@pytest.mark.parametrize(
    ("rules", "candidate", "is_held"),
    [
        ([OPEN, OUT], "sgr-open", True),
        ([OPEN, OUT], "sgr-out", True),
        ([OPEN, replace(OUT, ports=(443, 443), protocol=6)], "sgr-open", False),
        ([replace(OPEN, ports=ALL_PORTS), replace(OUT, ports=(443, 443), protocol=6)], "sgr-out", True),
        ([OPEN, replace(OUT, protocol=UDP)], "sgr-open", False),
        ([OPEN, replace(OUT, peer=ip_network("::/0"))], "sgr-open", False),
        ([replace(OPEN, peer=ip_network("0.0.0.0/1")), OUT], "sgr-open", False),
        ([replace(OPEN, protocol=ICMP, ports=ALL_PORTS, icmp=(8, -1)), OUT], "sgr-open", False),
        ([OPEN, replace(OUT, group="sg-b")], "sgr-open", True),
        ([OPEN, replace(OUT, group="sg-c")], "sgr-open", False),
    ],
)
def test_rules_of_untracked_flows_stay_in_whichever_group_of_the_interface_the_other_one_is(
    rules: list[Rule], candidate: str, *, is_held: bool
) -> None:
    more = [tcp(f"sgr-more-{number}", "10.0.0.0/8", direction=one) for number, one in enumerate(Direction)]
    groups = [group(one) for one in ("sg-a", "sg-b", "sg-c")]
    found = judgement([*rules, *more], unused=[candidate], groups=groups, carried=[("sg-a", "sg-b"), ("sg-c",)])
    assert ("untracked" in reasons(found, candidate)) is is_held


# What depends on others.


def test_the_last_rule_of_a_direction_stays_while_an_interface_carries_the_group() -> None:
    rules = [tcp("sgr-1", "10.0.0.0/8"), tcp("sgr-2", "172.16.0.0/12"), replace(OUT, ports=(1, 1), protocol=UDP)]
    carried = judgement(rules, unused=["sgr-1", "sgr-2"], carried=[("sg-a",)])
    assert not reasons(carried, "sgr-1", {"sgr-1"})
    why = "it is the last rule of its group for what comes in, and eni-0 carries it"
    assert reasons(carried, "sgr-1", {"sgr-1", "sgr-2"}) == why
    assert not reasons(judgement(rules, unused=["sgr-1", "sgr-2"]), "sgr-1", {"sgr-1", "sgr-2"})


def test_a_rule_that_was_left_in_quarantine_is_not_counted_as_one() -> None:
    rule = tcp("sgr-2", "172.16.0.0/12")
    rules = [tcp("sgr-1", "10.0.0.0/8"), replace(rule, peer=ip_network("192.0.2.7/32"))]
    found = judgement(rules, unused=["sgr-1"], carried=[("sg-a",)])
    given_up = removal(rule, RemovalState.WITHDRAWN, inert="192.0.2.7/32")
    assert "last rule" in reasons(found, "sgr-1", removals=[given_up])
    assert not reasons(found, "sgr-1", removals=[replace(given_up, inert=ip_network("192.0.2.8/32"))])


def test_a_rule_and_what_covers_it_never_go_together() -> None:
    rules = [tcp("sgr-wide", "10.0.0.0/8"), tcp("sgr-narrow", "10.1.0.0/16"), tcp("sgr-other", "10.0.0.0/8", 22, 22)]
    found = judgement(rules, unused=["sgr-wide", "sgr-narrow"])
    assert reasons(found, "sgr-wide", {"sgr-narrow"}) == "it covers sgr-narrow, which is being removed"
    assert reasons(found, "sgr-narrow", {"sgr-wide"}) == "sgr-wide, which covers it, is being removed"
    assert not reasons(found, "sgr-narrow", {"sgr-other"})


def test_what_a_rule_covered_counts_when_it_is_in_quarantine_or_gone() -> None:
    wide, narrow = tcp("sgr-wide", "10.0.0.0/8"), tcp("sgr-narrow", "10.1.0.0/16")
    quarantined = replace(wide, peer=ip_network("192.0.2.7/32"))
    held = "sgr-wide, which covers it, is being removed"
    for there, state in (([quarantined, narrow], RemovalState.QUARANTINED), ([narrow], RemovalState.REVOKED)):
        found = judgement(there, unused=["sgr-narrow"])
        assert reasons(found, "sgr-narrow", {"sgr-wide"}, [removal(wide, state, inert="192.0.2.7/32")]) == held
    found = judgement([wide], unused=["sgr-wide"])
    gone = removal(narrow, RemovalState.REVOKED, covered_by=("sgr-wide",))
    assert reasons(found, "sgr-wide", {"sgr-narrow"}, [gone]) == "it covers sgr-narrow, which is being removed"
    assert not reasons(found, "sgr-wide", (), [replace(gone, state=RemovalState.CLOSED)])


RULES = st.lists(small_universe.rules(), max_size=8, unique_by=lambda rule: rule.id)


@settings(max_examples=200)
@given(RULES, st.data())
def test_whatever_is_chosen_one_after_the_other_leaves_a_rule_of_each_direction_and_every_cover(
    rules: list[Rule], data: st.DataObject
) -> None:
    unused = data.draw(st.frozensets(st.sampled_from([rule.id for rule in rules]))) if rules else frozenset()
    found = judgement(rules, unused=unused, carried=[("sg-a",), ("sg-b",)])
    held, going = holds(found), dict[str, Candidate]()
    for candidate in candidates(found):
        if not held.of(candidate, going):
            going[candidate.rule.id] = candidate
    left = [rule for rule in rules if rule.id not in going]
    assert {(rule.group, rule.direction) for rule in left} == {(rule.group, rule.direction) for rule in rules}
    assert not any(going.keys() & one.covered_by for one in going.values())
    in_use = [rule for rule in rules if rule.id not in unused]
    assert small_universe.union_of(in_use) <= small_universe.union_of(left)
