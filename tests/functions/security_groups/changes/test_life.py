"""The life of a rule, from the decision that it goes; and for how long each change is watched."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from berthmaster.security_groups.model.removals import RemovalState
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from tests.support.security_groups.changes import (
    QUARANTINE_DAYS,
    a_scene_of_changes,
    approve,
    change,
    described_now,
    removal_of,
    restore,
    revoke,
    states,
    writes,
)

QUARANTINE = timedelta(days=QUARANTINE_DAYS)
TRACKED, MARGIN = timedelta(seconds=432_000), timedelta(hours=1)


def test_an_approved_rule_is_quarantined_and_then_revoked_with_one_call_each() -> None:
    with a_scene_of_changes() as scene:
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        approve(scene, rule)
        scene.wait(10)
        assert described_now(scene, rule)["CidrIpv4"].startswith("192.0.2.")
        revoke(scene, rule)
        scene.wait(10)
        assert described_now(scene, rule) == {}
        assert writes(scene) == ["ModifySecurityGroupRules", "RevokeSecurityGroupIngress"]
        assert len(scene.events("Rule Quarantined")) == len(scene.events("Rule Revoked")) == 1


@pytest.mark.parametrize(
    ("timeouts", "watched"),
    [
        pytest.param([], QUARANTINE, id="no interface carries the group"),
        pytest.param([60], QUARANTINE, id="no longer than the quarantine"),
        pytest.param([60, 7200], timedelta(seconds=7200) + MARGIN, id="the longest one counts"),
        pytest.param([60, None], TRACKED + MARGIN, id="five days unless an interface says less"),
    ],
)
def test_a_change_is_watched_for_longer_than_connections_are_tracked(
    timeouts: Sequence[int | None], watched: timedelta
) -> None:
    with a_scene_of_changes() as scene:
        ec2 = scene.cloud.client("ec2")
        scene.cloud.state(ConnectionTracking).default.clear()
        ec2.modify_network_interface_attribute(NetworkInterfaceId=scene.interfaces["db"], Groups=[scene.groups["web"]])
        for seconds in timeouts:
            given = {"ConnectionTrackingSpecification": {"TcpEstablishedTimeout": seconds}} if seconds else {}
            ec2.create_network_interface(SubnetId=scene.subnet, Groups=[scene.groups["db"]], **given)
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        approve(scene, rule)
        scene.wait(10)
        first = removal_of(scene, rule)
        assert first.due_at - first.changed_at == watched
        revoke(scene, rule)
        scene.wait(10)
        second = removal_of(scene, rule)
        assert (second.state, second.due_at - second.changed_at) == (RemovalState.REVOKED, watched)


def test_restores_come_first_and_no_rule_stops_another() -> None:
    with a_scene_of_changes() as scene:
        scene.berthmaster.schedules_enabled = False
        rules = [scene.allow("db", 5432, f"10.{number}.0.0/16") for number in range(3)]
        approve(scene, rules[0])
        scene.wait(10)
        approve(scene, rules[1], inert=None, intended_at=None)
        approve(scene, rules[2], intended_at=scene.cloud.clock.now() - timedelta(hours=1))
        restore(scene, rules[0])
        scene.wait(30)
        assert states(scene, *rules) == ["restored", "quarantined", "approved"]
        assert [one["rule"] for one in scene.events("Rule Restored", "Rule Quarantined")][1:] == [rules[0], rules[1]]


def test_nothing_but_restores_is_done_while_changes_are_frozen() -> None:
    with a_scene_of_changes(SecurityGroupsFreeze="2020-01-01/2099-12-31") as scene:
        rules = [scene.allow("db", 5432, f"10.{number}.0.0/16") for number in range(3)]
        approve(scene, rules[0])
        approve(scene, rules[1], state=RemovalState.REVOKING)
        approve(scene, rules[2], state=RemovalState.RESTORING)
        change(scene, scene.groups["db"])
        scene.wait(30)
        assert states(scene, *rules) == ["approved", "revoking", "withdrawn"]
        assert writes(scene) == []
