"""Interfaces that are gone when the file arrives, files that come again, functions that die, and those that wait."""

import gzip
from dataclasses import replace

import pytest

from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import RemovalState
from simulator.aws.s3.refusals import Refusal, Refusals
from simulator.faults import CrashAfter, CrashBefore
from tests.support.security_groups.scene import CHANGE, LOGS, SecurityGroupsScene, a_security_groups_scene
from tests.support.security_groups.taken_away import (
    UNSCHEDULED,
    WATCH,
    commands,
    proposed,
    restored,
    state_of,
    table,
    take_away,
    watch_calls,
)

UNTIL_DELIVERED = 900
REDELIVERED = 300
"""Seconds until a message is received again whose function has died."""


def knocked(scene: SecurityGroupsScene, source: str = "web") -> str:
    """A rule for a member of a group that has just been rejected without it."""
    scene.manage("db")
    rule = scene.allow("db", 5432, source)
    take_away(scene, rule, is_revoked=True)
    scene.traffic.connect(scene.interfaces[source], scene.interfaces["db"], 5432)
    return rule


def resend(scene: SecurityGroupsScene, identifier: str) -> None:
    """Deliver the event of each file again."""
    for one in [one.event for one in scene.berthmaster.bus_events if one.event["detail-type"] == "Object Created"]:
        scene.berthmaster.put_event(one | {"id": identifier})


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "not recorded"])
def test_a_task_that_is_gone_by_then_is_known_if_it_was_recorded(*, is_recorded: bool) -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.add("job")
        if is_recorded:
            scene.survey()
        rule = knocked(scene, "job")
        scene.cloud.client("ec2").delete_network_interface(NetworkInterfaceId=scene.interfaces["job"])
        scene.wait(UNTIL_DELIVERED)
        assert set(restored(scene)) == ({rule} if is_recorded else set())
        assert scene.dead_letters() == []


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "not recorded"])
def test_people_are_asked_about_what_an_interface_rejected_of_which_nothing_is_known(*, is_recorded: bool) -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        if is_recorded:
            scene.survey()
        rule = knocked(scene)
        scene.cloud.client("ec2").delete_network_interface(NetworkInterfaceId=scene.interfaces["db"])
        scene.wait(UNTIL_DELIVERED)
        assert (set(restored(scene)), set(proposed(scene))) == (({rule}, set()) if is_recorded else (set(), {rule}))


def test_a_file_that_comes_again_restores_nothing_twice() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        rule = knocked(scene)
        scene.wait(UNTIL_DELIVERED)
        for number in range(3):
            resend(scene, f"again {number}")
        scene.wait(UNTIL_DELIVERED)
        [made] = [
            one for one in scene.cloud.calls if one.name == "ec2:AuthorizeSecurityGroupIngress" and one.is_by_function
        ]
        assert made.outcome == "ok"
        assert [one["rule"] for one in scene.events("Rule Restored")] == [rule]
        assert scene.dead_letters() == []


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_crash_at_any_call_loses_no_restore(crash: type[CrashBefore] | type[CrashAfter]) -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.manage("db")
        rules = {port: scene.allow("db", port, "web") for port in range(6000, 6020)}
        for rule in rules.values():
            take_away(scene, rule, is_revoked=True)
        scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.wait(UNTIL_DELIVERED)
        [key] = [key for key in scene.keys("account/", LOGS) if b" 5432 " in gzip.decompress(scene.body(key, LOGS))]
        body, faults = gzip.decompress(scene.body(key, LOGS)), scene.cloud.faults
        for call, (port, rule) in enumerate(rules.items(), 1):
            before = faults.crashes
            faults.set_crash(crash(call, WATCH))
            forged = gzip.compress(body.replace(b" 5432 ", f" {port} ".encode()))
            scene.cloud.client("s3").put_object(Bucket=LOGS, Key=key.replace("Z_", f"Z_{port}"), Body=forged)
            scene.wait(REDELIVERED)
            assert rule in restored(scene), call
            if faults.crashes == before:
                break
        assert call > 8
        assert faults.crashes == before
        assert scene.berthmaster.dead_letters("SecurityGroupsWatchDeadLetterQueue") == []


def test_what_may_not_be_read_is_received_again_until_it_may_be() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        refusals = scene.cloud.state(Refusals).listed
        refusals.append(Refusal(bucket=LOGS, action="kms:Decrypt", caller=WATCH))
        rule = knocked(scene)
        scene.wait(UNTIL_DELIVERED)
        assert commands(scene) == []
        refusals.clear()
        scene.wait(REDELIVERED)
        assert restored(scene) == [rule]


def test_in_mode_off_nothing_is_read() -> None:
    with a_security_groups_scene(mode="off", unscheduled=UNSCHEDULED) as scene:
        knocked(scene)
        scene.wait(UNTIL_DELIVERED)
        assert watch_calls(scene) == []


def test_a_closed_removal_is_watched_no_longer() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.manage("db")
        removal = take_away(scene, scene.allow("db", 5432, "web"), is_revoked=True)
        closed = replace(removal, state=RemovalState.CLOSED)
        Removals(scene.cloud.client("dynamodb"), table(scene)).save(closed)
        scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.wait(UNTIL_DELIVERED)
        assert commands(scene) == []
        assert state_of(scene, removal) is RemovalState.CLOSED


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_restore_does_not_wait_for_the_message_of_an_invocation_that_has_died(
    crash: type[CrashBefore] | type[CrashAfter],
) -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED) as scene:
        scene.manage("db")
        removal = take_away(scene, scene.allow("db", 5432, "web"), is_revoked=True)
        scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.cloud.faults.set_crash(crash(1, CHANGE))
        scene.wait(UNTIL_DELIVERED)
        assert scene.cloud.faults.crashes == 1
        assert state_of(scene, removal) is RemovalState.RESTORED
