"""Traffic is rejected because a rule is gone: whose brings it back, whose does not, and how soon."""

import gzip
from datetime import datetime
from typing import Any

import pytest

from berthmaster.security_groups.model.removals import RemovalState
from simulator.cloud import Cloud
from tests.support.security_groups.scene import INTERNET, LOGS, SecurityGroupsScene, a_security_groups_scene
from tests.support.security_groups.taken_away import (
    UNSCHEDULED,
    commands,
    proposed,
    restored,
    state_of,
    take_away,
    watch_calls,
)

WITHIN = 60.0
"""Seconds from a file's arrival until the rule is back."""
UNTIL_DELIVERED = 900


def rule_of(cloud: Cloud, rule: str) -> dict[str, Any]:
    """A rule as EC2 has it."""
    found = cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return next(one for one in found if one["SecurityGroupRuleId"] == rule)


def knock(scene: SecurityGroupsScene, source: str, port: int) -> None:
    """A connection to the database that is rejected."""
    end = scene.interfaces.get(source, source)
    assert not scene.traffic.connect(end, scene.interfaces["db"], port).is_conversation


def arrivals(scene: SecurityGroupsScene) -> list[float]:
    """When files arrived."""
    times = [one.event["time"] for one in scene.berthmaster.bus_events if one.event["detail-type"] == "Object Created"]
    return [datetime.fromisoformat(one).timestamp() for one in times]


@pytest.mark.parametrize("parquet", [False, True], ids=["text", "parquet"])
def test_an_interface_of_the_account_has_its_rule_back_within_a_minute(*, parquet: bool) -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED, parquet=parquet) as scene:
        scene.manage("db")
        rule = scene.allow("db", 5432, "10.0.0.0/24")
        before = rule_of(scene.cloud, rule)
        removal = take_away(scene, rule)
        knock(scene, "web", 5432)
        scene.wait(UNTIL_DELIVERED)
        assert restored(scene) == [rule]
        assert proposed(scene) == []
        assert rule_of(scene.cloud, rule) == before
        assert state_of(scene, removal) is RemovalState.RESTORED
        [back] = [one for one in scene.cloud.calls if one.name == "ec2:ModifySecurityGroupRules" and one.is_by_function]
        assert min(back.at - at for at in arrivals(scene) if at < back.at) <= WITHIN
        assert scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432).is_conversation
        assert scene.dead_letters() == []


def test_strangers_are_asked_about_and_known_peers_are_not_mistaken_for_them() -> None:
    with a_security_groups_scene(mode="approve", unscheduled=UNSCHEDULED) as scene:
        scene.manage("db")
        by_strangers, by_partner, by_members, by_others = (
            scene.allow("db", 5001, "0.0.0.0/0"),
            scene.allow("db", 5002, "0.0.0.0/0"),
            scene.allow("db", 5003, "web"),
            scene.allow("db", 5004, "web"),
        )
        scene.add("cron")
        take_away(scene, by_strangers, "198.51.100.0/24")
        take_away(scene, by_partner, "203.0.113.0/28")
        take_away(scene, by_members, is_revoked=True)
        take_away(scene, by_others, is_revoked=True)
        knock(scene, INTERNET, 5001)
        knock(scene, "10.0.0.200", 5001)
        knock(scene, INTERNET, 5002)
        knock(scene, "web", 5003)
        knock(scene, "cron", 5004)
        scene.wait(UNTIL_DELIVERED)
        assert sorted(restored(scene)) == sorted([by_partner, by_members])
        assert proposed(scene) == [by_strangers]
        [why] = [detail["why"] for kind, detail in commands(scene) if kind == "Propose Restore"]
        assert "neither is an interface of this account nor had a conversation under this rule before" in why


def test_what_another_rule_allows_by_now_or_a_network_acl_refuses_brings_nothing_back() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.manage("db")
        ec2 = scene.cloud.client("ec2")
        far = ec2.create_subnet(VpcId=scene.vpc, CidrBlock="10.0.9.0/24")["Subnet"]["SubnetId"]
        made = ec2.create_network_interface(SubnetId=far, Groups=[scene.groups["web"]])["NetworkInterface"]
        scene.interfaces["far"] = made["NetworkInterfaceId"]
        [acl] = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [scene.subnet]}])[
            "NetworkAcls"
        ]
        ec2.create_network_acl_entry(
            NetworkAclId=acl["NetworkAclId"],
            RuleNumber=10,
            Protocol="6",
            PortRange={"From": 5002, "To": 5002},
            RuleAction="deny",
            Egress=False,
            CidrBlock="10.0.9.0/24",
        )
        both = [scene.allow("db", port, "10.0.0.0/16") for port in (5001, 5002)]
        for rule in both:
            take_away(scene, rule)
        knock(scene, "web", 5001)
        knock(scene, "far", 5002)
        scene.allow("db", 5001, "web")
        scene.wait(UNTIL_DELIVERED)
        assert commands(scene) == []
        # Within its subnet, nobody meets the ACL.
        knock(scene, "web", 5002)
        scene.wait(UNTIL_DELIVERED)
        assert set(restored(scene)) == {both[1]}


def test_an_egress_rule_comes_back_as_well() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.manage("web")
        scene.allow("db", 5432, "web")
        [out] = [
            one["SecurityGroupRuleId"]
            for one in scene.cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
            if one["GroupId"] == scene.groups["web"]
        ]
        take_away(scene, out, is_revoked=True)
        knock(scene, "web", 5432)
        scene.wait(UNTIL_DELIVERED)
        assert set(restored(scene)) == {out}
        assert scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432).is_conversation


def test_while_nothing_is_watched_a_file_costs_one_read_in_half_a_minute() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.allow("db", 5432, "web")
        knock(scene, INTERNET, 22)
        scene.wait(UNTIL_DELIVERED)
        event = next(one.event for one in scene.berthmaster.bus_events if one.event["detail-type"] == "Object Created")
        before = len(watch_calls(scene))
        for number in range(20):
            scene.berthmaster.put_event(event | {"id": str(number)})
        scene.wait(20)
        assert len(watch_calls(scene)) - before <= 10
        assert {one.operation for one in watch_calls(scene)} == {"Query"}


def test_only_a_file_that_a_flow_log_delivers_brings_anything_back() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.manage("db")
        rule = scene.allow("db", 5433, "10.0.0.0/24")
        take_away(scene, rule)
        knock(scene, "web", 5432)
        scene.wait(UNTIL_DELIVERED)
        [key] = [key for key in scene.keys("account/", LOGS) if b" 5432 " in gzip.decompress(scene.body(key, LOGS))]
        forged = gzip.compress(gzip.decompress(scene.body(key, LOGS)).replace(b" 5432 ", b" 5433 "))
        s3 = scene.cloud.client("s3")
        for old, new in (("account/", "account/more/"), ("_fl-", "_fl-0"), ("eu-central-1", "eu-west-1")):
            s3.put_object(Bucket=LOGS, Key=key.replace(old, new), Body=forged)
        s3.put_object(Bucket=LOGS, Key=key.replace("Z_", "Z_1"), Body=forged[:40])
        s3.put_object(Bucket=LOGS, Key=key.replace("Z_", "Z_2"), Body=forged)
        s3.delete_object(Bucket=LOGS, Key=key.replace("Z_", "Z_2"))
        scene.wait(5 * 300)
        assert commands(scene) == []
        assert scene.berthmaster.dead_letters("SecurityGroupsWatchDeadLetterQueue") == []
        s3.put_object(Bucket=LOGS, Key=key.replace("Z_", "Z_3"), Body=forged)
        scene.wait(60)
        assert restored(scene) == [rule]
