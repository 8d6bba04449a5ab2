"""A rule that is restored is as it was, whatever it allows: description, tags, peer, ports and direction."""

from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits
from typing import Any

import pytest

from simulator.aws.ec2.security_group_rules import InPlaceChanges
from tests.support.security_groups.changes import (
    a_scene_of_changes,
    all_described,
    approve,
    ledger,
    removal_of,
    restore,
    revoke,
    same,
    states,
)
from tests.support.security_groups.scene import SecurityGroupsScene

ALLOWED = ascii_letters + digits + " ._-:/()#,@[]+=&;{}!$*"
TRAFFIC: tuple[dict[str, Any], ...] = (
    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443},
    {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535},
    {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8080},
    {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53},
    {"IpProtocol": "icmp", "FromPort": 8, "ToPort": 0},
    {"IpProtocol": "icmp", "FromPort": 3, "ToPort": -1},
    {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1},
    {"IpProtocol": "icmpv6", "FromPort": 128, "ToPort": 0},
    {"IpProtocol": "50"},
    {"IpProtocol": "-1"},
)


def draw_rules(scene: SecurityGroupsScene, seed: int, count: int) -> list[str]:
    """Rules of the group `db` of every kind: each kind of traffic, and as many peers, at least once."""
    random, ec2 = Random(seed), scene.cloud.client("ec2")  # noqa: S311 - the seed of a test
    made = set[str]()
    for number in range(count):
        peer = [*_peers(scene, number)][number % 6]
        [(entries, [entry])] = peer.items()
        length = random.choice((0, 1, 40, 255))
        if length:
            entry["Description"] = "".join(random.choice(ALLOWED) for _ in range(length))
        tags = [{"Key": f"key {n}", "Value": random.choice(("", "a", "ü" * 40))} for n in range(number % 3)]
        given: dict[str, Any] = {"IpPermissions": [{**random.choice(TRAFFIC), entries: [entry]}]}
        if tags:
            given["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": tags}]
        authorize = random.choice((ec2.authorize_security_group_ingress, ec2.authorize_security_group_egress))
        try:
            answer = authorize(GroupId=scene.groups["db"], **given)
        except ec2.exceptions.ClientError:
            continue
        made.add(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])
    assert len(made) > count * 0.8
    return sorted(made)


def _peers(scene: SecurityGroupsScene, number: int) -> Iterator[dict[str, Any]]:
    yield {"IpRanges": [{"CidrIp": f"10.{number}.0.0/16"}]}
    yield {"Ipv6Ranges": [{"CidrIpv6": f"2001:db8:{number:x}::/48"}]}
    yield {"UserIdGroupPairs": [{"GroupId": scene.groups["web"]}]}
    yield {"UserIdGroupPairs": [{"GroupId": scene.groups["there"]}]}
    yield {"PrefixListIds": [{"PrefixListId": scene.groups["office"]}]}
    yield {"IpRanges": [{"CidrIp": f"54.1.2.{number}/32"}]}


@pytest.fixture
def scene() -> Iterator[SecurityGroupsScene]:
    """With a group of a peered VPC, and a prefix list."""
    with a_scene_of_changes() as scene:
        ec2 = scene.cloud.client("ec2")
        other = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        peering = ec2.create_vpc_peering_connection(VpcId=scene.vpc, PeerVpcId=other)["VpcPeeringConnection"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering["VpcPeeringConnectionId"])
        there = ec2.create_security_group(GroupName="there", Description="there", VpcId=other)
        scene.groups["there"] = there["GroupId"]
        made = ec2.create_managed_prefix_list(PrefixListName="office", MaxEntries=3, AddressFamily="IPv4")
        scene.groups["office"] = made["PrefixList"]["PrefixListId"]
        yield scene


def test_rules_in_quarantine_let_nobody_in_and_are_restored_with_their_ids(scene: SecurityGroupsScene) -> None:
    rules = draw_rules(scene, 1, 36)
    before = all_described(scene)
    approve(scene, *rules)
    scene.wait(90)
    assert states(scene, *rules) == ["quarantined"] * len(rules)
    during = all_described(scene)
    for one in rules:
        assert not same(before[one], during[one])
        assert during[one].get("Description") == before[one].get("Description")
    restore(scene, *rules)
    scene.wait(60)
    after = {key: rule for key, rule in all_described(scene).items() if key in before}
    assert after == before
    assert states(scene, *rules) == ["restored"] * len(rules)
    assert len(scene.events("Rule Restored")) == len(rules)


@pytest.mark.parametrize("is_in_place", [True, False])
def test_rules_that_were_revoked_are_made_again_as_they_were(scene: SecurityGroupsScene, *, is_in_place: bool) -> None:
    rules = draw_rules(scene, 2, 30)
    before = all_described(scene)
    if not is_in_place:
        scene.cloud.state(InPlaceChanges).refused |= {"CidrIpv4", "CidrIpv6", "ReferencedGroupId", "PrefixListId"}
    approve(scene, *rules)
    scene.wait(90)
    skipped = scene.events("Quarantine Skipped")
    assert len(skipped) == (0 if is_in_place else len(rules))
    assert all(same(before[one], rule) is not is_in_place for one, rule in all_described(scene).items() if one in rules)
    revoke(scene, *rules)
    scene.wait(60)
    assert not set(rules) & set(all_described(scene))
    restore(scene, *rules)
    scene.wait(60)
    after = all_described(scene)
    for one in rules:
        assert same(before[one], after[removal_of(scene, one).rule_id])


def test_what_cannot_be_changed_back_in_place_is_made_again(scene: SecurityGroupsScene) -> None:
    rules = draw_rules(scene, 3, 12)
    before = all_described(scene)
    approve(scene, *rules)
    scene.wait(90)
    scene.cloud.state(InPlaceChanges).refused |= {"CidrIpv4", "CidrIpv6", "ReferencedGroupId", "PrefixListId"}
    restore(scene, *rules)
    scene.wait(60)
    after = all_described(scene)
    assert not set(rules) & set(after)
    for one in rules:
        assert same(before[one], after[removal_of(scene, one).rule_id])
    assert len(after) == len(before)
    assert ledger(scene).open() == []


def test_a_rule_that_names_a_group_of_another_account_is_not_changed_before_it_is_revoked(
    scene: SecurityGroupsScene,
) -> None:
    pair = {"UserId": "999988887777", "GroupId": "sg-0f0f0f0f0f0f0f0f0", "Description": "partner"}
    made = scene.cloud.client("ec2").authorize_security_group_ingress(
        GroupId=scene.groups["db"], IpPermissions=[{**TRAFFIC[0], "UserIdGroupPairs": [pair]}]
    )
    rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    before = all_described(scene)
    approve(scene, rule)
    scene.wait(30)
    assert all_described(scene) == before
    [skipped] = scene.events("Quarantine Skipped")
    assert "another account" in skipped["why"]
    revoke(scene, rule)
    scene.wait(30)
    restore(scene, rule)
    scene.wait(30)
    assert same(all_described(scene)[removal_of(scene, rule).rule_id], before[rule])
