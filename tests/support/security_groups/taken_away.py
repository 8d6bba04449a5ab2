"""Rules that were taken away, as security_groups_change leaves account and ledger: what is rejected is watched."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Candidate, Ground, Origin, Removal, RemovalState
from berthmaster.security_groups.model.rules import Direction, Rule
from berthmaster.security_groups.observe.ec2_reads import filter_by, rules
from simulator.calls import Call
from tests.support.security_groups.scene import CHANGE, SecurityGroupsScene
from tests.support.security_groups.topology import OTHERS, SURVEY

WATCH = "SecurityGroupsWatchFunction"
UNSCHEDULED = (*OTHERS, SURVEY, "SecurityGroupsReportFunction", CHANGE)
"""What is restored is restored at once: no test here waits for a tick."""


def take_away(scene: SecurityGroupsScene, rule_id: str, *earlier_peers: str, is_revoked: bool = False) -> Removal:
    """Put a rule into quarantine, or revoke it; its removal is in the ledger."""
    ec2, now = scene.cloud.client("ec2"), scene.cloud.clock.now()
    gone = rules(ec2)[rule_id]
    candidate = Candidate(
        rule=gone,
        vpc=scene.vpc,
        ground=Ground.UNUSED,
        why="nothing used it",
        since=0,
        until=1,
        earlier_peers=tuple(map(ip_network, earlier_peers)),
    )
    removal = Removal(
        candidate=candidate,
        origin=Origin.PEOPLE,
        state=RemovalState.QUARANTINED,
        announced_at=now - timedelta(days=7),
        changed_at=now,
        due_at=now + timedelta(days=7),
        intended_at=now,
        quarantined_at=now,
    )
    if is_revoked:
        revoke = ec2.revoke_security_group_ingress
        if gone.direction is Direction.EGRESS:
            revoke = ec2.revoke_security_group_egress
        revoke(GroupId=gone.group, SecurityGroupRuleIds=[rule_id])
        removal = replace(removal, state=RemovalState.REVOKED, revoke_intended_at=now, revoked_at=now)
    else:
        inert = _inert(ec2, gone)
        removal = replace(removal, inert=ip_network(inert))
        described = {
            "IpProtocol": str(gone.protocol),
            "FromPort": gone.ports[0],
            "ToPort": gone.ports[1],
            "CidrIpv4": inert,
            "Description": gone.description,
        }
        ec2.modify_security_group_rules(
            GroupId=gone.group,
            SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": described}],
        )
    return Removals(scene.cloud.client("dynamodb"), table(scene)).save(removal)


def _inert(ec2: Any, gone: Rule) -> str:
    taken = {str(one.peer) for one in rules(ec2, [filter_by("group-id", [gone.group])]).values()}
    return next(f"192.0.2.{number}/32" for number in range(256) if f"192.0.2.{number}/32" not in taken)


def table(scene: SecurityGroupsScene) -> str:
    """The ledger's name."""
    return str(scene.berthmaster.template.identity("SecurityGroupsTable").name)


def state_of(scene: SecurityGroupsScene, removal: Removal) -> RemovalState | None:
    """That of a removal now."""
    found = Removals(scene.cloud.client("dynamodb"), table(scene)).get(removal.rule.group, removal.rule.id)
    return found.state if found else None


def commands(scene: SecurityGroupsScene) -> list[tuple[str, Mapping[str, Any]]]:
    """What security_groups_watch has sent: detail type and detail, in order."""
    bodies = [json.loads(one.params["MessageBody"]) for one in watch_calls(scene) if one.operation == "SendMessage"]
    return [(one["detail-type"], one["detail"]) for one in bodies]


def restored(scene: SecurityGroupsScene) -> list[str]:
    """The rules that it has had restored, each once, in order."""
    found = [one["rule"] for kind, detail in commands(scene) if kind == "Restore Rules" for one in detail["rules"]]
    return list(dict.fromkeys(found))


def proposed(scene: SecurityGroupsScene) -> list[str]:
    """The rules that it has people asked about."""
    return [detail["rule"] for kind, detail in commands(scene) if kind == "Propose Restore"]


def watch_calls(scene: SecurityGroupsScene) -> list[Call]:
    """The AWS calls of security_groups_watch."""
    return [one for one in scene.cloud.calls if one.caller == WATCH]
