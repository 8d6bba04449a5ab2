"""Who has rules restored: requests, alarms, messages, rejected traffic; and that each is answered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.items import Conflict
from berthmaster.proposals import Outcome
from berthmaster.security_groups.ledger.proposals import Proposals
from berthmaster.security_groups.model.removals import Proposal, ProposalKind, Removal, RemovalState
from berthmaster.security_groups.model.rules import GroupReference
from simulator.errors import AwsError
from simulator.faults import CrashBefore
from tests.support.security_groups.changes import (
    a_scene_of_changes,
    approve,
    change,
    described_now,
    ledger,
    left_alone,
    removal_of,
    restore,
    revoke,
    rule_now,
    send,
    states,
    writes,
)
from tests.support.security_groups.scene import CHANGE, SecurityGroupsScene

ALARM = "shop-unreachable"


@pytest.fixture
def scene() -> Iterator[SecurityGroupsScene]:
    with a_scene_of_changes(SecurityGroupsRestoreAlarms=ALARM) as scene:
        yield scene


def removed(scene: SecurityGroupsScene, state: RemovalState, number: int = 1) -> str:
    """A rule whose removal has come so far."""
    rule = scene.allow("db", 443, f"10.{number}.0.0/16")
    approve(scene, rule)
    if state in {RemovalState.ANNOUNCED, RemovalState.PROPOSED, RemovalState.APPROVED}:
        ledger(scene).save(replace(removal_of(scene, rule), state=state))
        return rule
    scene.wait(20)
    if state is not RemovalState.QUARANTINED:
        revoke(scene, rule)
        scene.wait(20)
    if state is RemovalState.CLOSED:
        ledger(scene).save(replace(removal_of(scene, rule), state=state))
    return rule


def answers(scene: SecurityGroupsScene) -> list[tuple[str, str]]:
    """Those to requests, with what they say."""
    return [
        *(("accepted", one["text"]) for one in scene.events("Request Accepted")),
        *(("refused", one["reason"]) for one in scene.events("Request Refused")),
    ]


def ring(scene: SecurityGroupsScene, name: str = ALARM, state: str = "ALARM") -> None:
    detail = {"alarmName": name, "state": {"value": state}, "previousState": {"value": "OK"}}
    scene.berthmaster.put_event(
        {"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "detail": detail}
    )


def publish(scene: SecurityGroupsScene, message: str, subject: str = "help") -> None:
    topic = scene.berthmaster.template.identity("SecurityGroupsRestoreTopic").ref
    scene.cloud.client("sns").publish(TopicArn=topic, Message=message, Subject=subject)
    # People are not subscribed to it.
    scene.berthmaster.published.pop()


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (RemovalState.ANNOUNCED, "withdrawn"),
        (RemovalState.PROPOSED, "withdrawn"),
        (RemovalState.APPROVED, "withdrawn"),
        (RemovalState.QUARANTINED, "restored"),
        (RemovalState.REVOKED, "restored"),
        (RemovalState.CLOSED, "restored"),
    ],
)
@pytest.mark.parametrize("is_by_group", [False, True])
def test_a_rule_is_restored_from_each_state_within_a_minute(
    scene: SecurityGroupsScene, state: RemovalState, after: str, *, is_by_group: bool
) -> None:
    scene.berthmaster.schedules_enabled = False
    rule = removed(scene, state)
    asked = {"group": scene.groups["db"]} if is_by_group else {"rule": rule}
    scene.request("Restore Requested", by="ann", **asked)
    scene.wait(60)
    removal = removal_of(scene, rule)
    assert (removal.state.value, removal.by, removal.note) == (after, "ann", "ann has requested it")
    assert rule_now(scene, removal.rule_id or rule) is not None
    assert [kind for kind, _ in answers(scene)] == ["accepted"]
    assert removal.unpublished is False
    assert [one.until is not None for one in left_alone(scene)] in ([True], [])


def test_a_restored_rule_is_found_by_its_new_id_and_is_not_restored_twice(scene: SecurityGroupsScene) -> None:
    rule = removed(scene, RemovalState.REVOKED)
    restore(scene, rule)
    scene.wait(30)
    scene.request("Restore Requested", rule=removal_of(scene, rule).rule_id)
    scene.wait(30)
    assert answers(scene) == [("refused", "it is restored already")]


def test_the_last_hours_are_what_was_changed_in_them(scene: SecurityGroupsScene) -> None:
    old, new = (removed(scene, RemovalState.QUARANTINED, number) for number in (1, 2))
    was = removal_of(scene, old)
    before = was.changed_at - timedelta(hours=5)
    ledger(scene).save(replace(was, intended_at=before, quarantined_at=before))
    scene.request("Restore Requested", hours=0.5, by="ann")
    scene.wait(60)
    assert states(scene, old, new) == ["quarantined", "restored"]
    scene.request("Restore Requested", hours=9)
    scene.wait(60)
    assert states(scene, old, new) == ["restored", "restored"]


@pytest.mark.parametrize(
    "asked",
    [
        *({"rule": "sgr-0123456789abcdef0"}, {"group": "sg-0123456789abcdef0"}, {"hours": 24}),
        *({}, {"rule": "x"}, {"hours": 3, "rule": "sgr-0123456789abcdef0"}),
    ],
)
def test_what_cannot_be_restored_is_refused(scene: SecurityGroupsScene, asked: dict[str, Any]) -> None:
    scene.request("Restore Requested", **asked)
    scene.wait(60)
    assert [kind for kind, _ in answers(scene)] == ["refused"]
    assert scene.dead_letters() == []


def test_a_pause_stops_changes_and_no_restore(scene: SecurityGroupsScene) -> None:
    scene.berthmaster.schedules_enabled = False
    quarantined = removed(scene, RemovalState.QUARANTINED)
    scene.request("Pause Requested", automation="security_groups")
    scene.wait(30)
    approved = removed(scene, RemovalState.APPROVED, 2)
    scene.request("Restore Requested", rule=quarantined)
    scene.wait(60)
    assert states(scene, quarantined, approved) == ["restored", "approved"]


def test_a_freeze_that_cannot_be_read_stops_changes_and_no_restore() -> None:
    with a_scene_of_changes(SecurityGroupsFreeze="2027-01-03/2026-12-20") as scene:
        rule = scene.allow("db", 443, "10.1.0.0/16")
        approve(scene, rule)
        scene.wait(30)
        assert states(scene, rule) == ["approved"]
        scene.request("Restore Requested", rule=rule, by="ann")
        scene.request("Removal Status Requested")
        scene.wait(60)
        assert states(scene, rule) == ["withdrawn"]
        assert [kind for kind, _ in answers(scene)] == ["accepted"]
        [status] = scene.events("Removal Status")
        assert "SecurityGroupsFreeze: '2027-01-03/2026-12-20' ends before it begins" in status["frozen"]


def test_in_mode_off_a_restore_is_refused_and_nothing_is_written() -> None:
    with a_scene_of_changes(mode="off") as scene:
        rule = scene.allow("db", 443, "10.1.0.0/16")
        approve(scene, rule)
        scene.request("Restore Requested", rule=rule)
        scene.wait(60)
        [(kind, text)] = answers(scene)
        assert (kind, text.partition(":")[0]) == ("refused", "the mode is off")
        assert states(scene, rule) == ["approved"]


def test_in_mode_observe_rules_are_restored_and_none_is_changed() -> None:
    with a_scene_of_changes(mode="observe") as scene:
        approved, restoring = (scene.allow("db", 443, f"10.{number}.0.0/16") for number in (1, 2))
        approve(scene, approved)
        approve(scene, restoring, state=RemovalState.RESTORING)
        scene.wait(30)
        assert states(scene, approved, restoring) == ["approved", "withdrawn"]


def test_an_alarm_has_the_last_changes_restored(scene: SecurityGroupsScene) -> None:
    rule = removed(scene, RemovalState.QUARANTINED)
    ring(scene, state="OK")
    ring(scene, name="another")
    scene.wait(60)
    assert states(scene, rule) == ["quarantined"]
    ring(scene)
    scene.wait(60)
    assert states(scene, rule) == ["restored"]
    assert removal_of(scene, rule).note == f"the alarm {ALARM} has requested it"
    ring(scene)
    scene.wait(60)
    assert [kind for kind, _ in answers(scene)] == ["accepted"]


@pytest.mark.parametrize(
    ("message", "is_restored"),
    [
        (json.dumps({"AlarmName": "any", "NewStateValue": "ALARM"}), True),
        (json.dumps({"AlarmName": "any", "NewStateValue": "OK"}), False),
        (json.dumps({"AlarmName": "any", "NewStateValue": "INSUFFICIENT_DATA"}), False),
        (
            json.dumps(
                {
                    "detail-type": "CloudWatch Alarm State Change",
                    "detail": {"alarmName": "any", "state": {"value": "OK"}},
                }
            ),
            False,
        ),
        ("the shop is down", True),
        (json.dumps({"source": "berthmaster", "detail-type": "Plan Removals", "detail": {}}), True),
    ],
)
def test_a_message_to_the_topic_does_the_same(scene: SecurityGroupsScene, message: str, *, is_restored: bool) -> None:
    rule = removed(scene, RemovalState.QUARANTINED)
    publish(scene, message)
    scene.wait(60)
    assert states(scene, rule) == ["restored" if is_restored else "quarantined"]
    assert len(answers(scene)) == is_restored


def test_automatic_restores_are_capped_and_what_is_beyond_is_proposed() -> None:
    with a_scene_of_changes(SecurityGroupsRestoresPerGroup="2") as scene:
        rules = [scene.allow("db", 443, f"10.{number}.0.0/16") for number in range(4)]
        approve(scene, *rules)
        scene.wait(60)
        for rule in rules[:3]:
            send(scene, "Restore Rules", rules=[{"group": scene.groups["db"], "rule": rule}], why="it was rejected")
            scene.wait(10)
        assert states(scene, *rules) == ["restored", "restored", "quarantined", "quarantined"]
        [proposed] = scene.events("Restore Proposed")
        assert proposed["rule"] == rules[2]
        command = {"rules": [{"group": scene.groups["db"], "rule": rules[3]}], "why": "ann wants it"}
        send(scene, "Restore Rules", **command, kind="requested", by="ann")
        scene.wait(20)
        assert states(scene, rules[3]) == ["restored"]


def test_rejected_traffic_restores_within_seconds_and_once(scene: SecurityGroupsScene) -> None:
    rule = removed(scene, RemovalState.QUARANTINED)
    begun = scene.cloud.clock.now()
    for _ in range(3):
        send(scene, "Restore Rules", rules=[{"group": scene.groups["db"], "rule": rule}], why="it was rejected")
    scene.wait(15)
    removal = removal_of(scene, rule)
    assert (removal.state.value, removal.note) == ("restored", "it was rejected")
    assert removal.changed_at - begun < timedelta(seconds=5)
    assert len(scene.events("Rule Restored")) == 1


def test_what_a_rule_was_is_kept_until_its_removal_has_ended_and_for_400_days_more(scene: SecurityGroupsScene) -> None:
    rule = removed(scene, RemovalState.QUARANTINED)
    assert expiries(scene, "removal") == [None]
    restore(scene, rule)
    scene.wait(20)
    assert expiries(scene, "removal") == []
    [expires] = expiries(scene, "ended removal")
    assert expires == int((removal_of(scene, rule).changed_at + timedelta(days=400)).timestamp())


def expiries(scene: SecurityGroupsScene, partition: str) -> list[int | None]:
    """When DynamoDB may delete the items of a partition of the ledger; None for those that stay."""
    answer = scene.cloud.client("dynamodb").query(
        TableName=table(scene),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": partition}},
    )
    return [int(item["expires"]["N"]) if "expires" in item else None for item in answer["Items"]]


def table(scene: SecurityGroupsScene) -> str:
    """The ledger's name."""
    return str(scene.berthmaster.template.identity("SecurityGroupsTable").name)


@pytest.mark.parametrize("is_about_it", [True, False], ids=["of this removal", "of the one before"])
def test_an_approval_that_was_not_carried_out_restores_only_what_it_was_about(
    scene: SecurityGroupsScene, *, is_about_it: bool
) -> None:
    rule = removed(scene, RemovalState.QUARANTINED)
    announced = removal_of(scene, rule).announced_at
    made = announced + timedelta(hours=1 if is_about_it else -1)
    Proposals(scene.cloud.client("dynamodb"), table(scene)).save(
        Proposal(
            id=f"security_groups.{rule}.20261101T000000Z",
            kind=ProposalKind.RESTORE,
            group=scene.groups["db"],
            rules=(rule,),
            fingerprint="0123456789ab",
            made_at=made,
            expires_at=made + timedelta(days=14),
            why="it was rejected",
            verdict=Outcome.APPROVED,
            decided_at=made,
        )
    )
    scene.wait(330)
    assert states(scene, rule) == ["restored" if is_about_it else "quarantined"]


@pytest.mark.parametrize("partition", ["proposal", "removal"])
def test_a_record_that_cannot_be_read_does_not_keep_the_tick_from_having_rules_restored(
    scene: SecurityGroupsScene, partition: str
) -> None:
    rule = removed(scene, RemovalState.QUARANTINED)
    item = {"pk": {"S": partition}, "sk": {"S": "damaged"}, "schema": {"N": "1"}, "body": {"S": "{"}}
    scene.cloud.client("dynamodb").put_item(TableName=table(scene), Item=item)
    now = scene.cloud.clock.now()
    ledger(scene).save(removal_of_group(scene, rule).moved(RemovalState.RESTORING, now, note="it was rejected"))
    scene.wait(330)
    assert removal_of_group(scene, rule).state is RemovalState.RESTORED


def test_a_tick_that_cannot_read_tags_has_rules_restored_all_the_same(scene: SecurityGroupsScene) -> None:
    rules = [removed(scene, RemovalState.QUARANTINED, number) for number in (1, 2)]
    now = scene.cloud.clock.now()
    ledger(scene).save(removal_of(scene, rules[0]).moved(RemovalState.RESTORING, now, note="it was rejected"))

    def refuse_once(*_: Any) -> None:
        del scene.cloud.handlers["ec2:DescribeSecurityGroups"]
        raise AwsError("InvalidParameterValue", "so it is")

    scene.cloud.handlers["ec2:DescribeSecurityGroups"] = refuse_once
    assert scene.berthmaster.invoke(CHANGE, {}).error is not None
    scene.wait(20)
    assert states(scene, *rules) == ["restored", "quarantined"]


def removal_of_group(scene: SecurityGroupsScene, rule: str) -> Removal:
    """A removal, read by its key alone."""
    found = ledger(scene).get(scene.groups["db"], rule)
    assert found is not None
    return found


def test_a_restore_does_not_wait_for_an_invocation_that_died(scene: SecurityGroupsScene) -> None:
    """Nor for as long as that might have run."""
    rule = removed(scene, RemovalState.QUARANTINED)
    begun = scene.cloud.clock.now()
    scene.cloud.faults.set_crash(CrashBefore(3, "SecurityGroupsChangeFunction"))
    change(scene, scene.groups["db"])
    scene.wait(2)
    assert scene.cloud.faults.crashes == 1
    send(scene, "Restore Rules", rules=[{"group": scene.groups["db"], "rule": rule}], why="it was rejected")
    scene.wait(40)
    removal = removal_of(scene, rule)
    assert removal.state is RemovalState.RESTORED
    assert removal.changed_at - begun < timedelta(seconds=35)


def test_rules_that_name_a_group_of_ours_are_restored_when_somebody_attaches_it(scene: SecurityGroupsScene) -> None:
    rules = [scene.allow("db", port, "web") for port in (443, 444)]
    approve(scene, *rules)
    scene.wait(30)
    inert = removal_of(scene, rules[0]).inert
    assert isinstance(inert, GroupReference)
    scene.cloud.client("ec2").modify_network_interface_attribute(
        NetworkInterfaceId=scene.interfaces["web"], Groups=[scene.groups["web"], inert.group]
    )
    scene.wait(330)
    assert states(scene, *rules) == ["restored", "restored"]
    [attached] = scene.events("Quarantine Group Attached")
    assert (attached["group"], set(attached["rules"])) == (inert.group, set(rules))
    scene.wait(330)
    assert len(scene.events("Quarantine Group Attached")) == 1


def test_what_ec2_shows_a_moment_after_a_change_ends_no_restore(scene: SecurityGroupsScene) -> None:
    """It may still show the rule as it was: it is written all the same."""
    rule = removed(scene, RemovalState.QUARANTINED)
    before = [one for one in writes(scene) if one == "ModifySecurityGroupRules"]
    inert = removal_of(scene, rule).inert
    as_it_was = described_now(scene, rule) | {"CidrIpv4": "10.1.0.0/16"}

    def stale(_: Any, __: Any, answer: dict[str, Any]) -> None:
        shown = answer["SecurityGroupRules"]
        shown[:] = [as_it_was if one["SecurityGroupRuleId"] == rule else one for one in shown]

    scene.cloud.add_patch("ec2:DescribeSecurityGroupRules", stale)
    restore(scene, rule)
    scene.wait(20)
    scene.cloud.patches["ec2:DescribeSecurityGroupRules"].remove(stale)
    assert states(scene, rule) == ["restored"]
    assert described_now(scene, rule)["CidrIpv4"] == "10.1.0.0/16" != str(inert)
    assert len([one for one in writes(scene) if one == "ModifySecurityGroupRules"]) == len(before) + 1


def test_a_damaged_record_stops_the_restore_of_no_other_rule(scene: SecurityGroupsScene) -> None:
    good, bad = (removed(scene, RemovalState.QUARANTINED, number) for number in (1, 2))
    table = str(scene.berthmaster.template.identity("SecurityGroupsTable").name)
    scene.cloud.client("dynamodb").update_item(
        TableName=table,
        Key={"pk": {"S": "removal"}, "sk": {"S": f"{scene.groups['db']}#{bad}"}},
        UpdateExpression="SET body = :nothing",
        ExpressionAttributeValues={":nothing": {"S": "{}"}},
    )
    for asked in ({"hours": 2}, {"group": scene.groups["db"]}):
        scene.request("Restore Requested", **asked)
        scene.wait(60)
    [(kind, text), (other_kind, other)] = answers(scene)
    assert (kind, other_kind) == ("accepted", "refused")
    assert "1 records of the ledger cannot be read" in text
    assert "1 records of the ledger cannot be read" in other
    assert ledger(scene).get(scene.groups["db"], good).state is RemovalState.RESTORED  # type: ignore[union-attr]


def test_what_was_read_before_a_rule_was_restored_is_not_saved_afterwards(scene: SecurityGroupsScene) -> None:
    rule = removed(scene, RemovalState.QUARANTINED)
    before = removal_of(scene, rule)
    restore(scene, rule)
    scene.wait(20)
    now = scene.cloud.clock.now()
    for state in (RemovalState.WITHDRAWN, RemovalState.REVOKING, RemovalState.REVOKED, RemovalState.CLOSED):
        with pytest.raises(Conflict):
            ledger(scene).save(before.moved(state, now))
    assert states(scene, rule) == ["restored"]
