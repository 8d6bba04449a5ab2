"""The documentation of groups as JSON: what the page shows, for other programs."""

from typing import Any

import msgspec

from berthmaster.security_groups.model.documentation import Documentation, DocumentedGroup, Party, Talk
from berthmaster.security_groups.plan.rule_text import PROTOCOLS, peer_text, ports_text, traffic_of
from berthmaster.security_groups.report.evidence_json import evidence
from berthmaster.security_groups.report.tables import talk_order
from berthmaster.security_groups.report.wording import time


def dump(documentation: Documentation) -> bytes:
    """The file; the same documentation gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(document(documentation)), indent=2) + b"\n"


def document(documentation: Documentation) -> dict[str, Any]:
    """What is in the file: all of evidence.json, each rule with what it allows, and groups, talks and findings."""
    found = evidence(documentation)
    for one in documentation.rules:
        found["rules"][one.rule.id] |= {
            "direction": one.rule.direction.value,
            "allows": traffic_of(one.rule),
            "peer": peer_text(one.rule.peer),
            "description": one.rule.description,
        }
    return {
        "account": documentation.account,
        "region": documentation.region,
        "written": time(documentation.written),
        "notes": list(documentation.notes),
        "groups": {one.group.id: _group(one) for one in documentation.groups},
        "talks": [_talk(one) for one in sorted(documentation.talks, key=talk_order)],
        "unused_groups": [
            {"group": one.group, "is_certain": one.is_certain, "why": one.why} for one in documentation.unused_groups
        ],
        "latent_groups": [{"group": one.group, "named_by": list(one.named_by)} for one in documentation.latent_groups],
        "stale": [{"rule": one.rule, "names": one.names, "why": one.why} for one in documentation.stale],
        **found,
    }


def _group(one: DocumentedGroup) -> dict[str, Any]:
    return {
        "name": one.group.name,
        "vpc": one.group.vpc,
        "description": one.group.description,
        "interfaces": one.interfaces,
        "users": [
            {"kind": user.kind, "name": user.name, "cluster": user.cluster, "tier": user.tier, "interfaces": count}
            for user, count in one.users
        ],
    }


def _talk(talk: Talk) -> dict[str, Any]:
    return {
        "source": _party(talk.source),
        "target": _party(talk.target),
        "protocol": PROTOCOLS.get(talk.protocol, str(talk.protocol)),
        "ports": ports_text(talk.ports),
        "is_certain": talk.is_certain,
        "records": talk.records,
        "first": time(talk.first),
        "last": time(talk.last),
    }


def _party(party: Party) -> dict[str, Any]:
    return {"kind": party.kind.value, "ids": list(party.ids)}
