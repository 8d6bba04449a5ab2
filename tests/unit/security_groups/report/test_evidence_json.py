"""evidence.json is the contract with other programs: docs/evidence.schema.json."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import (
    Consolidation,
    Cover,
    Credits,
    Duplicates,
    Gap,
    RuleEvidence,
    Seen,
    Tightening,
    Verdict,
)
from berthmaster.security_groups.model.removals import RemovalState
from berthmaster.security_groups.model.rules import TCP, Direction, Rule
from berthmaster.security_groups.report.evidence_json import dump
from tests.support.security_groups.example import example, removal

if TYPE_CHECKING:
    from berthmaster.security_groups.model.rules import Network

SCHEMA = json.loads((Path(__file__).parents[4] / "docs" / "evidence.schema.json").read_text())
RULE = Rule(
    id="sgr-0a",
    group="sg-0a",
    direction=Direction.INGRESS,
    protocol=TCP,
    ports=(443, 444),
    peer=ip_network("10.0.0.0/8"),
)
AT = 1_767_225_600.0  # 2026-01-01


def seen(*peers: str, records: int = 1, at: float = AT, ports: tuple[tuple[int, int], ...] = ((443, 443),)) -> Seen:
    nets: frozenset[Network] = frozenset(ip_network(peer) for peer in peers)
    return Seen(records=records, first=at, last=at + 60, peers=nets, ports=frozenset(ports))


def dumped(documentation: Documentation) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(dump(documentation))
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(parsed)
    return parsed


def test_use_is_listed_of_conversations_and_of_what_may_have_been_use() -> None:
    credited = Credits(
        conversations=seen("10.0.0.4/32", records=7),
        possible=seen("10.0.0.5/32", records=2, at=AT - 3600, ports=((444, 444),)),
        knocks=seen("10.9.9.9/32", records=5, at=AT + 9000),
        exclusive=3,
    )
    rule = RuleEvidence(rule=RULE, verdict=Verdict.USED, why="7 records of conversations", credits=credited)
    assert dumped(Documentation(written=AT, since=AT, until=AT + 86_400, rules=(rule,)))["rules"] == {
        "sgr-0a": {
            "group": "sg-0a",
            "verdict": "used",
            "why": "7 records of conversations",
            "conversations": 7,
            "possible": 2,
            "knocks": 5,
            "first": "2025-12-31T23:00:00+00:00",
            "last": "2026-01-01T00:01:00+00:00",
            "exclusive": 3,
            "peers": ["10.0.0.4/31"],
            "ports": ["443-444"],
        }
    }


def test_knocks_tell_who_scanned_and_no_credit_tells_nothing() -> None:
    scanned = Credits(knocks=seen("2001:db8::1/128", "198.51.100.7/32"))
    rules = (
        RuleEvidence(rule=RULE, verdict=Verdict.SCANNED_ONLY, why="nobody answered", credits=scanned),
        RuleEvidence(
            rule=Rule(id="sgr-0b", group="sg-0a", direction=Direction.EGRESS, protocol=-1, peer=ip_network("::/0")),
            verdict=Verdict.UNUSED,
            why="no record in 90 days",
        ),
    )
    dump = dumped(Documentation(written=AT, since=float("-inf"), until=float("inf"), rules=rules))
    assert dump["window"] == {"since": None, "until": None}
    assert dump["rules"]["sgr-0a"]["peers"] == ["198.51.100.7/32", "2001:db8::1/128"]  # type: ignore[index]
    assert dump["rules"]["sgr-0b"]["first"] is None  # type: ignore[index]


def test_everything_beside_the_rules_is_listed() -> None:
    dump = dumped(
        Documentation(
            written=AT,
            since=AT,
            until=AT + 60,
            redundant=(Cover(rule="sgr-0a", covered_by=("sgr-0b", "sgr-0c"), why="together they allow all of it"),),
            conditional=(Cover(rule="sgr-0d", covered_by=("sgr-0b",), why="as long as sg-0e has these members"),),
            duplicates=(Duplicates(rules=("sgr-1", "sgr-4"), groups=("sg-0a", "sg-0b"), interfaces=2, why="both"),),
            consolidations=(
                Consolidation(
                    rules=("sgr-1", "sgr-2"), peer=ip_network("10.0.0.0/24"), ports=(80, 80), why="they are adjacent"
                ),
            ),
            tightenings=(
                Tightening(rule="sgr-3", peers=(ip_network("10.0.0.0/28"),), ports=((80, 81),), why="all of 90 days"),
            ),
            gaps=(Gap(what="fl-1 lacks tcp-flags", why="conversations cannot be told from scans", groups=("sg-0a",)),),
        )
    )
    assert dump["redundant"] == [
        {"rule": "sgr-0a", "covered_by": ["sgr-0b", "sgr-0c"], "why": "together they allow all of it"}
    ]
    assert dump["duplicates"] == [
        {"rules": ["sgr-1", "sgr-4"], "groups": ["sg-0a", "sg-0b"], "interfaces": 2, "why": "both"}
    ]
    assert dump["consolidations"] == [
        {"rules": ["sgr-1", "sgr-2"], "peer": "10.0.0.0/24", "ports": "80-80", "why": "they are adjacent"}
    ]
    assert dump["tightening"] == [
        {"rule": "sgr-3", "peers": ["10.0.0.0/28"], "ports": ["80-81"], "why": "all of 90 days"}
    ]
    assert dump["gaps"] == [
        {"what": "fl-1 lacks tcp-flags", "why": "conversations cannot be told from scans", "groups": ["sg-0a"]}
    ]


def test_a_removal_is_shown_with_the_rule_as_it_was_announced_and_what_comes_next() -> None:
    dump = dumped(
        Documentation(
            written=AT,
            since=AT,
            until=AT + 60,
            removals=(
                replace(removal(RULE, RemovalState.QUARANTINED, owner="web@example.com"), rule_id=RULE.id),
                replace(removal(replace(RULE, id="sgr-0b"), RemovalState.RESTORED, note="ann asked"), rule_id="sgr-0c"),
            ),
        )
    )["removals"]
    quarantined, restored = dump["sgr-0a"], dump["sgr-0b"]  # type: ignore[index]
    assert quarantined | {"since": "", "announced": "", "due": ""} == {
        "group": "sg-0a",
        "direction": "ingress",
        "allows": "tcp 443-444",
        "peer": "10.0.0.0/8",
        "description": "",
        "state": "quarantined",
        "since": "",
        "announced": "",
        "next": "it is revoked",
        "due": "",
        "why": "nothing used it",
        "note": "",
        "owner": "web@example.com",
        "origin": "people",
        "proposal": "",
        "rule_now": "sgr-0a",
    }
    assert quarantined["announced"] < quarantined["since"] < quarantined["due"]
    assert (restored["next"], restored["due"], restored["rule_now"]) == ("", None, "sgr-0c")
    assert restored["note"] == "ann asked"


def test_every_state_of_a_removal_is_in_the_schema() -> None:
    dump = dumped(example(60))["removals"]
    assert {one["state"] for one in dump.values()} == {state.value for state in RemovalState}  # type: ignore[attr-defined]
