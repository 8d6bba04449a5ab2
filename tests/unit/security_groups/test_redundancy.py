"""Which rules others make redundant: compared with brute force over a few addresses, ports and protocols."""

from collections.abc import Iterable

from hypothesis import example, given
from hypothesis import strategies as st

from berthmaster.security_groups.model.evidence import Cover
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    TCP,
    Direction,
    GroupReference,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.plan.redundancy import redundant
from tests.support.security_groups.small_universe import packets_of, rules, tcp, union_of


def of_id(some: Iterable[Rule]) -> dict[str, Rule]:
    return {rule.id: rule for rule in some}


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


def test_a_rule_for_anybody_that_two_halves_cover_is_said_to_interrupt_untracked_connections() -> None:
    halves = [tcp("sgr-1", "0.0.0.0/1", 1, 999), tcp("sgr-2", "128.0.0.0/1", 1, 999)]
    (cover,) = redundant([*halves, tcp("sgr-3", "0.0.0.0/0")])
    assert cover.why.endswith("together allow all of it; connections that are not tracked are interrupted when it goes")


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
