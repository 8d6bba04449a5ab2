"""Rules that are removed in a scene: put into the ledger as approved, and compared with what they were."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from berthmaster.security_groups.ledger.removals import LeftAlones, Removals
from berthmaster.security_groups.model.removals import Candidate, Ground, LeftAlone, Origin, Removal, RemovalState
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.observe.ec2_shapes import SecurityGroupRule, described, rule_of
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from tests.support.security_groups.scene import CHANGE, REPORT, SecurityGroupsScene, a_security_groups_scene
from tests.support.security_groups.topology import OTHERS, SURVEY

QUARANTINE_DAYS = 0.05
WATCHED = QUARANTINE_DAYS * 86_400
"""Seconds: as long as connections are tracked, and an hour more."""
TICK = 300.0

type Described = Mapping[str, Any]


@contextmanager
def a_scene_of_changes(*, mode: str = "enforce", **given: Any) -> Iterator[SecurityGroupsScene]:
    """A scene whose rules are changed at once, watched for an hour and longer, and by no run of the plan."""
    parameters = {"SecurityGroupsQuarantineDays": str(QUARANTINE_DAYS)} | given
    unscheduled = (*OTHERS, REPORT, SURVEY)
    with a_security_groups_scene(mode=mode, unscheduled=unscheduled, **parameters) as scene:
        scene.cloud.state(ConnectionTracking).default["TcpEstablishedTimeout"] = 60
        scene.manage("db")
        yield scene


def ledger(scene: SecurityGroupsScene) -> Removals:
    """The removals."""
    return Removals(scene.cloud.client("dynamodb"), _table(scene))


def left_alone(scene: SecurityGroupsScene) -> list[LeftAlone]:
    """What is left alone."""
    return LeftAlones(scene.cloud.client("dynamodb"), _table(scene)).all()


def rule_now(scene: SecurityGroupsScene, rule_id: str) -> Rule | None:
    """A rule as it is; None if it is gone."""
    found = described_now(scene, rule_id)
    return rule_of(described(SecurityGroupRule, [found], "")[0]) if found else None


def described_now(scene: SecurityGroupsScene, rule_id: str) -> Described:
    """A rule as EC2 describes it; empty if it is gone."""
    return all_described(scene).get(rule_id, {})


def all_described(scene: SecurityGroupsScene) -> dict[str, Described]:
    """All rules, by id."""
    found = scene.cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return {one["SecurityGroupRuleId"]: one for one in found}


def same(one: Described, other: Described) -> bool:
    """Whether two rules are the same in all but their ids."""
    hidden = {"SecurityGroupRuleId", "SecurityGroupRuleArn"}
    first, second = ({key: value for key, value in rule.items() if key not in hidden} for rule in (one, other))
    return _sorted(first) == _sorted(second)


def approve(scene: SecurityGroupsScene, *rules: str, vpc: str = "", **changes: Any) -> None:
    """Decide that rules go, and have it begun."""
    now = scene.cloud.clock.now()
    groups = set()
    for rule_id in rules:
        found = rule_now(scene, rule_id)
        assert found is not None
        groups.add(found.group)
        candidate = Candidate(
            rule=found, vpc=vpc or scene.vpc, ground=Ground.UNUSED, why="nothing used it", since=0, until=1
        )
        removal = Removal(
            candidate=candidate,
            origin=Origin.PEOPLE,
            state=RemovalState.APPROVED,
            announced_at=now - timedelta(days=7),
            changed_at=now,
            due_at=now,
            intended_at=now,
        )
        ledger(scene).save(replace(removal, **changes))
    change(scene, *groups)


def revoke(scene: SecurityGroupsScene, *rules: str) -> None:
    """Decide that rules in quarantine are revoked, and have it begun."""
    _move(scene, RemovalState.REVOKING, rules, revoke_intended_at=scene.cloud.clock.now())


def restore(scene: SecurityGroupsScene, *rules: str, **changes: Any) -> None:
    """Decide that rules are restored, and have it begun."""
    _move(scene, RemovalState.RESTORING, rules, note="somebody misses it", **changes)


def change(scene: SecurityGroupsScene, *groups: str) -> None:
    """Have the intents of groups carried out."""
    for group in sorted(groups):
        send(scene, "Change Group", group=group)


def send(scene: SecurityGroupsScene, detail_type: str, **detail: Any) -> None:
    """Send a command as the functions do."""
    event = {"source": "berthmaster", "detail-type": detail_type, "detail": detail}
    event["time"] = scene.cloud.clock.now().isoformat()
    post(scene, event)


def post(scene: SecurityGroupsScene, message: Any) -> None:
    """Put a message into the queue of security_groups_change."""
    queue = scene.berthmaster.template.identity("SecurityGroupsChangeQueue")
    scene.cloud.client("sqs").send_message(QueueUrl=queue.ref, MessageBody=_json(message))


def removal_of(scene: SecurityGroupsScene, rule_id: str) -> Removal:
    """The removal of a rule, by the id that it had when it was announced."""
    [found] = [one for one in ledger(scene).all() if one.rule.id == rule_id]
    return found


def states(scene: SecurityGroupsScene, *rules: str) -> list[str]:
    """The states of removals."""
    return [removal_of(scene, one).state.value for one in rules]


def writes(scene: SecurityGroupsScene) -> list[str]:
    """The calls of security_groups_change that write to EC2, in order."""
    calls = scene.cloud.calls.of(CHANGE).writes()
    return [one.operation for one in calls if one.service == "ec2" and one.outcome == "ok"]


def _move(scene: SecurityGroupsScene, state: RemovalState, rules: tuple[str, ...], **changes: Any) -> None:
    now = scene.cloud.clock.now()
    moved = [ledger(scene).save(removal_of(scene, one).moved(state, now, due_at=now, **changes)) for one in rules]
    change(scene, *{one.rule.group for one in moved})


def _table(scene: SecurityGroupsScene) -> str:
    return str(scene.berthmaster.template.identity("SecurityGroupsTable").name)


def _json(message: Any) -> str:
    return message if isinstance(message, str) else json.dumps(message)


def _sorted(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {**rule, "Tags": sorted(rule.get("Tags", []), key=lambda one: one["Key"])}
