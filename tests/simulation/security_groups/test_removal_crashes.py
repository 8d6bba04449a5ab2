"""A rule's whole life, wherever security_groups_change dies: before or after any call of its that writes.

A read changes nothing, so to die before or after a read is to die before the next write. Afterwards all is as it would
have been: nothing was done twice, nothing was lost, and people heard of each step.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from berthmaster.security_groups.plan.group_steps import SEEN_AFTER
from simulator.aws.ec2.security_group_rules import InPlaceChanges
from simulator.calls import Call
from simulator.faults import CrashAfter, CrashBefore
from tests.support.security_groups.changes import (
    a_scene_of_changes,
    all_described,
    approve,
    ledger,
    left_alone,
    removal_of,
    restore,
    revoke,
    same,
)
from tests.support.security_groups.scene import CHANGE, SecurityGroupsScene

LEAST_WRITES = 8
HEALED_WITHIN = 720.0
"""Seconds: two ticks, and a lease that nobody gave back."""


def a_cidr(_: SecurityGroupsScene) -> dict[str, Any]:
    return {"IpRanges": [{"CidrIp": "10.9.0.0/16", "Description": "office"}]}


def a_reference(scene: SecurityGroupsScene) -> dict[str, Any]:
    return {"UserIdGroupPairs": [{"GroupId": scene.groups["web"], "Description": "web"}]}


def a_prefix_list(scene: SecurityGroupsScene) -> dict[str, Any]:
    made = scene.cloud.client("ec2").create_managed_prefix_list(
        PrefixListName="office", MaxEntries=3, AddressFamily="IPv4"
    )
    return {"PrefixListIds": [{"PrefixListId": made["PrefixList"]["PrefixListId"]}]}


def not_in_place(scene: SecurityGroupsScene) -> dict[str, Any]:
    scene.cloud.state(InPlaceChanges).refused.add("CidrIpv6")
    return {"Ipv6Ranges": [{"CidrIpv6": "2a05:d018::/32"}]}


type Peer = Callable[[SecurityGroupsScene], dict[str, Any]]
type Life = Callable[[SecurityGroupsScene, str], None]


def removed(scene: SecurityGroupsScene, rule: str) -> None:
    _quarantined(scene, rule)
    _step(scene, revoke, rule, "revoked")


def restored_from_quarantine(scene: SecurityGroupsScene, rule: str) -> None:
    _quarantined(scene, rule)
    # Before that, nobody believes EC2 that the rule is back already.
    scene.wait(SEEN_AFTER.total_seconds())
    _step(scene, restore, rule, "restored")


def restored_after_it_was_revoked(scene: SecurityGroupsScene, rule: str) -> None:
    removed(scene, rule)
    _step(scene, restore, rule, "restored")


def _quarantined(scene: SecurityGroupsScene, rule: str) -> None:
    _step(scene, approve, rule, "quarantined")


def _step(scene: SecurityGroupsScene, begin: Callable[..., None], rule: str, state: str) -> None:
    begin(scene, rule)
    for _ in range(6):
        scene.wait(HEALED_WITHIN / 6)
        if removal_of(scene, rule).state == state and not removal_of(scene, rule).unpublished:
            break


def story(peer: Peer, life: Life, crash: CrashBefore | CrashAfter | None = None) -> tuple[list[Call], Any]:
    """The function's calls during a life, and what there is afterwards."""
    with a_scene_of_changes() as scene:
        given: Any = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, **peer(scene)}
        tags = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "team", "Value": "a"}]}]
        made = scene.cloud.client("ec2").authorize_security_group_ingress(
            GroupId=scene.groups["db"], IpPermissions=[given], TagSpecifications=tags
        )
        rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        before = all_described(scene)
        begun = len(scene.cloud.calls)
        if crash:
            scene.cloud.faults.set_crash(crash)
        life(scene, rule)
        calls = [one for one in scene.cloud.calls.since(begun) if one.caller == CHANGE]
        assert scene.cloud.faults.crashes == (crash is not None)
        done = Counter(one.name for one in calls if one.service == "ec2" and not one.is_read and one.outcome == "ok")
        return calls, _afterwards(scene, rule, before) | {"done": done}


def _afterwards(scene: SecurityGroupsScene, rule: str, before: dict[str, Any]) -> Any:
    """What must not depend on where a function died; ids of what was made do."""
    removal = removal_of(scene, rule)
    after = all_described(scene)
    own = scene.cloud.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:berthmaster:security-groups", "Values": ["quarantine"]}]
    )["SecurityGroups"]
    lists = scene.cloud.client("ec2").describe_managed_prefix_lists()["PrefixLists"]
    heard = {one.event["detail-type"] for one in scene.berthmaster.bus_events if one.event["source"] == "berthmaster"}
    return {
        "state": removal.state.value,
        "published": not removal.unpublished,
        "is as before": any(same(before[rule], one) for one in after.values()),
        "is there": removal.rule_id in after,
        "rules": len(after),
        "open": len(ledger(scene).open()),
        "left alone": [one.until is None for one in left_alone(scene)],
        "published as": heard,
        "own groups": [len(one["IpPermissionsEgress"]) for one in own],
        "own lists": len([one for one in lists if one["PrefixListName"].startswith("berthmaster")]),
        "dead letters": scene.dead_letters(),
    }


@cache
def writes(peer: Peer, life: Life) -> tuple[dict[int, str], Any]:
    """The numbers of the calls that write, without a crash, and what there is then."""
    calls, afterwards = story(peer, life)
    return {number: call.name for number, call in enumerate(calls, 1) if not call.is_read}, afterwards


LIVES = [
    *((peer, restored_from_quarantine) for peer in (a_cidr, a_reference, a_prefix_list)),
    *((peer, restored_after_it_was_revoked) for peer in (a_cidr, a_reference, a_prefix_list, not_in_place)),
    (a_cidr, removed),
]


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize(("peer", "life"), LIVES)
def test_crashes_of_a_removal_change_nothing_in_the_end(
    peer: Peer, life: Life, crash: type[CrashBefore | CrashAfter], stride: int
) -> None:
    """With a stride of 1, at each of them; otherwise at a few, which are others for each kind."""
    numbers, afterwards = writes(peer, life)
    assert len(numbers) >= LEAST_WRITES
    first = (2 * LIVES.index((peer, life)) + (crash is CrashAfter)) if stride > 1 else 0
    for number in list(numbers)[first :: 1 if stride == 1 else 6 * stride]:
        _, after = story(peer, life, crash(number, CHANGE))
        assert (number, numbers[number], after) == (number, numbers[number], afterwards)
