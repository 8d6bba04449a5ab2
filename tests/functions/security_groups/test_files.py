"""Files come twice, late, broken, or are not what they say; security_groups_credit dies at any call."""

from itertools import count

import pytest

from simulator.aws.s3.refusals import Refusal, Refusals
from simulator.faults import CrashAfter, CrashBefore
from tests.support.security_groups.scene import CREDIT, LOGS, SecurityGroupsScene, a_security_groups_scene

REDELIVERED = 2000
"""Seconds until a message is received again whose function has died."""
ALL_TRIES = 5 * REDELIVERED


def connected(scene: SecurityGroupsScene) -> str:
    """A rule that carries one conversation; returns it when the file that shows it was delivered."""
    rule = scene.allow("db", 5432, "web")
    scene.wait(600)
    scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
    scene.wait(1200)
    return rule


def evidence(scene: SecurityGroupsScene) -> dict[str, bytes]:
    """What is recorded of all files, by key."""
    return {key: scene.body(key) for prefix in ("credits/", "flows/") for key in scene.keys(prefix)}


def deliver(scene: SecurityGroupsScene, key: str, body: bytes) -> None:
    """Write an object to the bucket of flow logs, whoever does that."""
    scene.cloud.client("s3").put_object(Bucket=LOGS, Key=key, Body=body)


def test_files_that_come_again_change_nothing() -> None:
    with a_security_groups_scene() as scene:
        connected(scene)
        scene.cloud.client("ec2").delete_flow_logs(FlowLogIds=[scene.log])
        scene.wait(3600)
        before = evidence(scene)
        used = scene.report()["rules"]
        scene.wait(7200)
        events = [one.event for one in scene.berthmaster.bus_events if one.event["detail-type"] == "Object Created"]
        for event in reversed(events):
            scene.berthmaster.put_event(event)
            scene.berthmaster.put_event(event)
        scene.wait(1200)
        assert evidence(scene) == before
        again = scene.report()["rules"]
        assert {rule: one["conversations"] for rule, one in again.items()} == {
            rule: one["conversations"] for rule, one in used.items()
        }
        assert scene.dead_letters() == []


def test_a_broken_file_is_a_finding_and_a_dead_letter_and_no_rule_of_its_log_is_called_unused_for_it() -> None:
    with a_security_groups_scene() as scene:
        used = connected(scene)
        key = scene.keys("account/", LOGS)[-1]
        whole = scene.body(key, LOGS)
        broken = key.replace(".log.gz", "0.log.gz")
        deliver(scene, broken, whole[: len(whole) // 2])
        credited = len(scene.keys("credits/"))
        scene.wait(60)
        (finding,) = scene.events("Finding Reported")
        assert (finding["resource"], finding["code"]) == (f"s3://{LOGS}/{broken}", "broken file")
        assert len(scene.keys("credits/")) == credited
        scene.wait(ALL_TRIES)
        (letter,) = scene.dead_letters()
        assert letter["detail"]["object"]["key"] == broken
        assert len(scene.events("Finding Reported")) == 1
        found = scene.report()
        assert found["rules"][used]["verdict"] == "used"
        assert any(
            broken.rpartition("/")[2] in gap["what"] and scene.groups["db"] in gap["groups"] for gap in found["gaps"]
        )


def test_what_is_recorded_of_a_file_and_damaged_makes_rules_of_its_log_unknown() -> None:
    with a_security_groups_scene() as scene:
        used = connected(scene)
        scene.wait(3600)
        assert scene.report()["rules"][used]["verdict"] == "used"
        for key in (*scene.keys("credits/"), *scene.keys("folded/")):
            scene.cloud.client("s3").put_object(Bucket=scene.bucket, Key=key, Body=b"damaged")
        scene.wait(120)
        report = scene.report()
        assert report["rules"][used]["verdict"] == "unknown"
        assert any("credits/" in gap["what"] for gap in report["gaps"])


@pytest.mark.parametrize(
    ("old", "new", "resource", "code"),
    [
        pytest.param("account/", "account/more/", "log", "not believed", id="another prefix than the log's"),
        pytest.param("_fl-", "_fl-0", "another log", "not believed", id="a log that is not there"),
        pytest.param("eu-central-1", "eu-west-1", LOGS, "other account", id="another Region"),
        pytest.param("vpcflowlogs/", "cloudtrail/", LOGS, "other objects", id="no key of a flow log"),
    ],
)
def test_what_is_no_file_of_a_flow_log_is_not_believed_and_reported_once(
    old: str, new: str, resource: str, code: str
) -> None:
    with a_security_groups_scene() as scene:
        connected(scene)
        credited = len(scene.keys("credits/"))
        for key in scene.keys("account/", LOGS)[-2:]:
            deliver(scene, key.replace(old, new), scene.body(key, LOGS))
        scene.wait(60)
        (finding,) = scene.events("Finding Reported")
        named = {"log": scene.log, "another log": scene.log.replace("fl-", "fl-0")}.get(resource, resource)
        assert (finding["resource"], finding["code"]) == (named, code)
        assert len(scene.keys("credits/")) <= credited + 1
        assert len(scene.mails()) == 1
        assert scene.dead_letters() == []


def test_what_may_not_be_read_is_reported_and_read_once_it_may_be() -> None:
    with a_security_groups_scene() as scene:
        refusals = scene.cloud.state(Refusals).listed
        refusals.append(Refusal(bucket=LOGS, action="kms:Decrypt", caller=CREDIT))
        rule = connected(scene)
        (finding,) = scene.events("Finding Reported")
        assert (finding["resource"], finding["code"]) == (LOGS, "access denied")
        assert "kms:Decrypt" in finding["text"]
        assert scene.keys("credits/") == []
        refusals.clear()
        scene.wait(REDELIVERED)
        assert scene.report()["rules"][rule]["verdict"] == "used"
        assert scene.dead_letters() == []


def test_a_file_waits_until_the_topology_is_recorded_up_to_its_records() -> None:
    with a_security_groups_scene() as scene:
        rule = scene.allow("db", 5432, "web")
        scene.wait(600)
        scene.berthmaster.schedules_enabled = False
        scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.wait(3600)
        waiting = len(scene.keys("received/")) - len(scene.keys("credits/"))
        assert waiting > 0
        scene.survey()
        scene.wait(900)
        assert len(scene.keys("credits/")) >= waiting
        # Nobody looked for an hour: another interface may have had the address meanwhile.
        assert scene.report()["rules"][rule]["verdict"] in {"used", "possibly used"}
        assert scene.dead_letters() == []


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_crash_at_any_call_neither_loses_a_file_nor_counts_it_twice(
    crash: type[CrashBefore] | type[CrashAfter],
) -> None:
    with a_security_groups_scene() as scene:
        connected(scene)
        # What was seen before is delivered and believed, though the log is gone.
        scene.cloud.client("ec2").delete_flow_logs(FlowLogIds=[scene.log])
        scene.wait(3600)
        expected = evidence(scene)
        faults = scene.cloud.faults
        for call in count(1):
            before = faults.crashes
            for key in (*scene.keys("credits/"), *scene.keys("flows/"), *scene.keys("received/")):
                scene.cloud.client("s3").delete_object(Bucket=scene.bucket, Key=key)
            faults.set_crash(crash(call, CREDIT))
            event = next(
                one.event for one in scene.berthmaster.bus_events if one.event["detail-type"] == "Object Created"
            )
            scene.berthmaster.put_event(event | {"id": f"{call}"})
            scene.wait(REDELIVERED)
            found = evidence(scene)
            assert len(found) == 2
            assert found.items() <= expected.items()
            if faults.crashes == before:
                break
        assert call > 8
        assert scene.dead_letters() == []
