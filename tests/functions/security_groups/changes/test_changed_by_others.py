"""What others change in between is never written over, and what they need stays."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.ec2 import security_group_rules
from simulator.calls import OPERATOR, Call, calling_as
from tests.support.security_groups.changes import (
    a_scene_of_changes,
    all_described,
    approve,
    change,
    described_now,
    left_alone,
    removal_of,
    restore,
    revoke,
    rule_now,
    same,
    states,
    writes,
)
from tests.support.security_groups.scene import CHANGE, SecurityGroupsScene

KEEP = [{"Key": "berthmaster:keep", "Value": "nightly export"}]
MANAGED = [{"Key": "berthmaster:security-groups"}]
CALLED = (
    *(f"ec2:Describe{one}" for one in ("SecurityGroupRules", "SecurityGroups", "NetworkInterfaces")),
    *("ec2:ModifySecurityGroupRules", "ec2:RevokeSecurityGroupIngress"),
    *(f"dynamodb:{one}" for one in ("Query", "GetItem", "PutItem", "UpdateItem")),
)
"""What the function calls before it has recorded a step."""
MOST_CALLS, LEAST_CALLS = 40, 5
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


@pytest.fixture
def scene() -> Iterator[SecurityGroupsScene]:
    with a_scene_of_changes() as scene:
        yield scene


def edit(scene: SecurityGroupsScene, rule: str, cidr: str, text: str = "edited") -> None:
    wanted: Any = HTTPS | {"CidrIpv4": cidr, "Description": text}
    scene.cloud.client("ec2").modify_security_group_rules(
        GroupId=scene.groups["db"], SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": wanted}]
    )


def delete(scene: SecurityGroupsScene, rule: str) -> None:
    scene.cloud.client("ec2").revoke_security_group_ingress(GroupId=scene.groups["db"], SecurityGroupRuleIds=[rule])


def describe_anew(scene: SecurityGroupsScene, rule: str, text: str) -> None:
    change: Any = {"SecurityGroupRuleId": rule, "Description": text}
    scene.cloud.client("ec2").update_security_group_rule_descriptions_ingress(
        GroupId=scene.groups["db"], SecurityGroupRuleDescriptions=[change]
    )


def tag(scene: SecurityGroupsScene, resource: str, tags: Any) -> None:
    scene.cloud.client("ec2").create_tags(Resources=[resource], Tags=tags)


def rules_of(scene: SecurityGroupsScene, count: int) -> list[str]:
    return [scene.allow("db", 443, f"10.{number}.0.0/16") for number in range(count)]


def test_before_quarantine(scene: SecurityGroupsScene) -> None:
    edited, deleted, again, kept, plain = rules_of(scene, 5)
    scene.berthmaster.schedules_enabled = False
    for one in (edited, deleted, again, kept, plain):
        approve(scene, one)
    edit(scene, edited, "10.100.0.0/16")
    delete(scene, deleted)
    delete(scene, again)
    twin = scene.allow("db", 443, "10.2.0.0/16")
    tag(scene, kept, KEEP)
    scene.wait(60)
    assert states(scene, edited, deleted, again, kept, plain) == [*["withdrawn"] * 4, "quarantined"]
    assert described_now(scene, edited)["CidrIpv4"] == "10.100.0.0/16"
    assert described_now(scene, kept)["CidrIpv4"] == "10.3.0.0/16"
    assert writes(scene) == ["ModifySecurityGroupRules"]
    assert [one["rule"] for one in scene.events("Rule Returned")] == [again]
    assert removal_of(scene, again).rule_id == twin
    assert sorted(one.until is None for one in left_alone(scene)) == [True, True]


def test_in_quarantine_and_then_revoked(scene: SecurityGroupsScene) -> None:
    rules = rules_of(scene, 7)
    edited, deleted, again, back, kept, labelled, plain = rules
    before = all_described(scene)
    approve(scene, *rules)
    scene.wait(60)
    assert set(states(scene, *rules)) == {"quarantined"}
    edit(scene, edited, "10.100.0.0/16")
    delete(scene, deleted)
    twin = scene.allow("db", 443, "10.2.0.0/16")
    edit(scene, back, "10.3.0.0/16", "it is back")
    tag(scene, kept, KEEP)
    describe_anew(scene, labelled, "new text")
    tag(scene, labelled, [{"Key": "team", "Value": "b"}])
    revoke(scene, *rules)
    # So long EC2 is not believed that a rule is as it was.
    scene.wait(330)
    assert states(scene, *rules) == [
        *("withdrawn", "revoked", "withdrawn", "withdrawn", "restored", "revoked", "revoked"),
    ]
    after = all_described(scene)
    assert set(rules) & set(after) == {edited, back, kept}
    assert after[edited]["CidrIpv4"] == "10.100.0.0/16"
    assert (after[back]["CidrIpv4"], after[back]["Description"]) == ("10.3.0.0/16", "it is back")
    assert after[kept]["CidrIpv4"] == "10.4.0.0/16"
    assert {one["rule"] for one in scene.events("Rule Returned")} == {again, back}
    assert same(after[twin], before[again])
    restore(scene, deleted, labelled, plain)
    scene.wait(60)
    made = all_described(scene)[removal_of(scene, labelled).rule_id]
    assert (made["Description"], made["Tags"]) == ("new text", [{"Key": "team", "Value": "b"}])


def test_in_quarantine_and_then_restored(scene: SecurityGroupsScene) -> None:
    rules = rules_of(scene, 6)
    edited, deleted, again, back, labelled, plain = rules
    before = all_described(scene)
    approve(scene, *rules)
    scene.wait(60)
    edit(scene, edited, "10.100.0.0/16")
    delete(scene, deleted)
    twin = scene.allow("db", 443, "10.2.0.0/16")
    edit(scene, back, "10.3.0.0/16", "it is back")
    describe_anew(scene, labelled, "new text")
    restore(scene, *rules)
    scene.wait(60)
    assert states(scene, *rules) == ["withdrawn", "withdrawn", "restored", "restored", "restored", "restored"]
    after = all_described(scene)
    assert after[edited]["CidrIpv4"] == "10.100.0.0/16"
    assert {deleted, again} & set(after) == set()
    assert removal_of(scene, again).rule_id == twin
    assert (after[back]["CidrIpv4"], after[back]["Description"]) == ("10.3.0.0/16", "it is back")
    assert (after[labelled]["CidrIpv4"], after[labelled]["Description"]) == ("10.4.0.0/16", "new text")
    assert after[plain] == before[plain]


def test_after_it_was_revoked(scene: SecurityGroupsScene) -> None:
    again, plain = rules_of(scene, 2)
    approve(scene, again, plain)
    scene.wait(60)
    revoke(scene, again, plain)
    scene.wait(60)
    twin = scene.allow("db", 443, "10.0.0.0/16")
    restore(scene, again, plain)
    scene.wait(60)
    assert states(scene, again, plain) == ["restored", "restored"]
    assert removal_of(scene, again).rule_id == twin
    assert rule_now(scene, removal_of(scene, plain).rule_id) is not None


def test_a_group_that_lost_its_tag_is_not_written_to_and_the_command_is_published(scene: SecurityGroupsScene) -> None:
    approved, quarantined, revoked = rules_of(scene, 3)
    approve(scene, quarantined, revoked)
    scene.wait(60)
    scene.cloud.client("ec2").delete_tags(Resources=[scene.groups["db"]], Tags=MANAGED)
    count = len(writes(scene))
    approve(scene, approved)
    revoke(scene, revoked)
    restore(scene, quarantined)
    scene.wait(60)
    assert len(writes(scene)) == count
    assert states(scene, approved, quarantined, revoked) == ["withdrawn", "restoring", "revoking"]
    [failed] = scene.events("Restore Failed")
    assert "berthmaster:security-groups" in failed["problem"]
    assert failed["command"].startswith("aws ec2 modify-security-group-rules --region")
    edit(scene, quarantined, "10.1.0.0/16")
    scene.wait(400)
    assert states(scene, quarantined) == ["restored"]


def test_a_group_that_is_deleted_ends_its_removals(scene: SecurityGroupsScene) -> None:
    ec2 = scene.cloud.client("ec2")
    quarantined, revoked = rules_of(scene, 2)
    approve(scene, quarantined, revoked)
    scene.wait(60)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=scene.interfaces["db"], Groups=[scene.groups["web"]])
    ec2.delete_security_group(GroupId=scene.groups["db"])
    restore(scene, quarantined)
    revoke(scene, revoked)
    scene.wait(60)
    assert states(scene, quarantined, revoked) == ["withdrawn", "withdrawn"]


def test_a_full_group_has_its_rule_restored_when_there_is_a_place(scene: SecurityGroupsScene) -> None:
    [rule] = rules_of(scene, 1)
    approve(scene, rule)
    scene.wait(60)
    revoke(scene, rule)
    scene.wait(60)
    others = [scene.allow("db", port, "10.0.0.0/8") for port in range(1000, 1060)]
    restore(scene, rule)
    scene.wait(700)
    [failed] = scene.events("Restore Failed")
    assert failed["problem"].startswith("RulesPerSecurityGroupLimitExceeded")
    assert failed["command"].startswith("aws ec2 authorize-security-group-ingress")
    delete(scene, others[0])
    scene.wait(310)
    assert states(scene, rule) == ["restored"]
    assert removal_of(scene, rule).problem == ""


def test_a_rule_whose_group_or_list_is_gone_cannot_be_restored_and_nothing_is_left_of_it(
    scene: SecurityGroupsScene,
) -> None:
    ec2 = scene.cloud.client("ec2")
    scene.add("other")
    rule = scene.allow("db", 443, "other")
    approve(scene, rule)
    scene.wait(60)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=scene.interfaces["other"], Groups=[scene.groups["web"]])
    ec2.delete_security_group(GroupId=scene.groups["other"])
    restore(scene, rule)
    scene.wait(60)
    removal = removal_of(scene, rule)
    assert (removal.state.value, rule_now(scene, rule)) == ("withdrawn", None)
    assert scene.groups["other"] in removal.note
    assert any("RestoresFailed" in one for one in scene.berthmaster.logs.metrics(CHANGE))


@pytest.mark.parametrize("step", [approve, restore, revoke])
def test_an_edit_between_any_two_calls_is_not_written_over(step: Callable[..., None]) -> None:
    """But for one between the last read and the write that follows it: EC2 has no condition for a write."""
    unseen = set[str]()
    for number in range(1, MOST_CALLS):
        with a_scene_of_changes() as scene:
            rule = _begun(scene, step)
            calls = _after_call(scene, number, partial(edit, scene, rule, "10.100.0.0/16"), needs=rule)
            step(scene, rule)
            scene.wait(60)
            if len(calls) < number:
                assert number > LEAST_CALLS
                assert unseen == {"RevokeSecurityGroupIngress" if step is revoke else "ModifySecurityGroupRules"}
                return
            following = calls[number].operation if len(calls) > number else ""
            if following in {"ModifySecurityGroupRules", "RevokeSecurityGroupIngress"}:
                unseen.add(following)
                continue
            found = rule_now(scene, rule)
            assert found is not None
            assert (number, str(found.peer)) == (number, "10.100.0.0/16")
    raise AssertionError(f"more than {MOST_CALLS} calls")


@pytest.mark.parametrize("is_revoked", [False, True])
def test_a_rule_that_others_make_again_between_any_two_calls_is_there_once(*, is_revoked: bool) -> None:
    for number in range(1, MOST_CALLS):
        with a_scene_of_changes() as scene:
            rule = _begun(scene, restore)
            if is_revoked:
                revoke(scene, rule)
                scene.wait(30)
            calls = _after_call(scene, number, partial(make_again, scene))
            restore(scene, rule)
            scene.wait(60)
            if len(calls) < number:
                assert number > LEAST_CALLS
                return
            after = all_described(scene).values()
            assert [one.get("CidrIpv4") for one in after if not one["IsEgress"]] == ["10.0.0.0/16"], number
            assert states(scene, rule) == ["restored"]
    raise AssertionError(f"more than {MOST_CALLS} calls")


def make_again(scene: SecurityGroupsScene) -> None:
    with suppress(ClientError):
        scene.allow("db", 443, "10.0.0.0/16")


def _begun(scene: SecurityGroupsScene, step: Callable[..., None]) -> str:
    """A rule that is in quarantine unless it is to be; no tick goes on with it."""
    scene.berthmaster.schedules_enabled = False
    [rule] = rules_of(scene, 1)
    if step is not approve:
        approve(scene, rule)
        scene.wait(30)
    return rule


def _after_call(scene: SecurityGroupsScene, number: int, do: Callable[[], None], needs: str = "") -> list[Call]:
    """Have people do something right after the function's n-th call from now on; returns its calls until then.

    needs: a rule that must be there.
    """
    begun, calls, is_done = len(scene.cloud.calls), list[Call](), list[bool]()

    def called(*_: Any) -> None:
        calls[:] = [one for one in scene.cloud.calls.since(begun) if one.caller == CHANGE]
        rules = (one.id for group in security_group_rules.all_groups(scene.cloud) for one in group.ingress_rules)
        if len(calls) >= number and not is_done and (not needs or needs in rules):
            is_done.append(True)
            with calling_as(OPERATOR):
                do()
        elif not is_done:
            del calls[number - 1 :]

    for name in CALLED:
        scene.cloud.add_patch(name, called)
    return calls


def test_an_edit_that_is_seen_is_left_alone_for_good(scene: SecurityGroupsScene) -> None:
    [rule] = rules_of(scene, 1)
    approve(scene, rule)
    scene.wait(60)
    edit(scene, rule, "10.100.0.0/16")
    revoke(scene, rule)
    scene.wait(60)
    [left] = left_alone(scene)
    assert (left.group, left.until) == (scene.groups["db"], None)
    change(scene, scene.groups["db"])
    scene.wait(30)
    assert len(scene.events("Removal Withdrawn")) == 1
