"""`evidence.json`: what is said of each rule, for other programs. docs/evidence.schema.json describes it."""

from collections.abc import Iterable
from typing import Any

import msgspec

from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Cover, RuleEvidence
from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.plan.credits import joined
from berthmaster.security_groups.plan.rule_text import peer_text, traffic_of
from berthmaster.security_groups.report.removal_words import next_step
from berthmaster.security_groups.report.wording import networks, time


def dump(documentation: Documentation) -> bytes:
    """The file; the same documentation gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(evidence(documentation)), indent=2) + b"\n"


def evidence(documentation: Documentation) -> dict[str, Any]:
    """What is in the file."""
    return {
        "window": {"since": time(documentation.since), "until": time(documentation.until)},
        "rules": {one.rule.id: of_rule(one) for one in sorted(documentation.rules, key=lambda one: one.rule.id)},
        "redundant": _covers(documentation.redundant),
        "conditional": _covers(documentation.conditional),
        "duplicates": [
            {"rules": list(one.rules), "groups": list(one.groups), "interfaces": one.interfaces, "why": one.why}
            for one in documentation.duplicates
        ],
        "consolidations": [
            {"rules": list(one.rules), "peer": peer_text(one.peer), "ports": _range(one.ports), "why": one.why}
            for one in documentation.consolidations
        ],
        "tightening": [
            {
                "rule": one.rule,
                "peers": [peer_text(peer) for peer in one.peers],
                "ports": [_range(ports) for ports in one.ports],
                "why": one.why,
            }
            for one in documentation.tightenings
        ],
        "removals": {
            one.rule.id: of_removal(one) for one in sorted(documentation.removals, key=lambda one: one.rule.id)
        },
        "gaps": [{"what": one.what, "why": one.why, "groups": list(one.groups)} for one in documentation.gaps],
    }


def of_rule(one: RuleEvidence) -> dict[str, Any]:
    """What is said of a rule: counts of records, times in UTC, the peers and ports that were seen."""
    credits_, seen = one.credits, one.seen
    return {
        "group": one.rule.group,
        "verdict": one.verdict.value,
        "why": one.why,
        "conversations": credits_.conversations.records if credits_.conversations else 0,
        "possible": credits_.possible.records if credits_.possible else 0,
        "knocks": credits_.knocks.records if credits_.knocks else 0,
        "first": time(min((some.first for some in seen), default=None)),
        "last": time(max((some.last for some in seen), default=None)),
        "exclusive": credits_.exclusive,
        "peers": networks(peer for some in seen for peer in some.peers),
        "ports": [_range(ports) for ports in sorted(joined(ports for some in seen for ports in some.ports))],
    }


def of_removal(one: Removal) -> dict[str, Any]:
    """How far the removal of a rule is; the rule as it was announced."""
    step = next_step(one)
    return {
        "group": one.rule.group,
        "direction": one.rule.direction.value,
        "allows": traffic_of(one.rule),
        "peer": peer_text(one.rule.peer),
        "description": one.rule.description,
        "state": one.state.value,
        "since": time(one.changed_at.timestamp()),
        "announced": time(one.announced_at.timestamp()),
        "next": step,
        "due": time(one.due_at.timestamp()) if step else None,
        "why": one.candidate.why,
        "note": one.note,
        "owner": one.owner,
        "origin": one.origin.value,
        "proposal": one.proposal,
        "rule_now": one.rule_id or one.rule.id,
    }


def _covers(covers: Iterable[Cover]) -> list[dict[str, Any]]:
    return [{"rule": one.rule, "covered_by": list(one.covered_by), "why": one.why} for one in covers]


def _range(ports: tuple[int, int]) -> str:
    return f"{ports[0]}-{ports[1]}"
