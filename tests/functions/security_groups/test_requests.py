"""Every request is answered within a minute, whatever the mode; flow logs of the past are taken in once."""

from itertools import count
from typing import Any

import pytest

from simulator.aws.s3.refusals import Refusal, Refusals
from simulator.faults import CrashAfter, CrashBefore
from tests.support.security_groups.scene import LOGS, REPORT, SecurityGroupsScene, a_security_groups_scene

ANSWERS = ("Request Accepted", "Request Refused", "Rule Status", "Automation Paused", "Automation Resumed")
REDELIVERED = 6000
"""Seconds until a message is received again whose function has died."""
RULE = "sgr-0a1b2c3d4e5f60718"


def today(scene: SecurityGroupsScene) -> dict[str, str]:
    day = f"{scene.cloud.clock.now():%Y-%m-%d}"
    return {"from": day, "to": day}


def asked(scene: SecurityGroupsScene, detail_type: str, **detail: Any) -> str:
    """The only answer to a request, which comes within a minute: its reason or text."""
    before = len(scene.events(*ANSWERS))
    scene.request(detail_type, **detail)
    scene.wait(60)
    (answer,) = scene.events(*ANSWERS)[before:]
    return str(answer.get("reason") or answer.get("text") or answer["message"])


@pytest.mark.parametrize(
    ("parameters", "report", "backfill"),
    [
        pytest.param({"SecurityGroupsMode": "off"}, "the mode is off", "the mode is off", id="off"),
        pytest.param({"FlowLogBuckets": ""}, "FlowLogBuckets is empty", "none of the FlowLogBuckets", id="no logs"),
    ],
)
def test_what_cannot_be_done_is_refused(parameters: dict[str, str], report: str, backfill: str) -> None:
    with a_security_groups_scene(scheduled=False, **parameters) as scene:
        assert report in asked(scene, "Security Groups Report Requested")
        assert backfill in asked(scene, "Flow Log Backfill Requested", bucket=LOGS, **today(scene))
        assert "no report was written yet" in asked(scene, "Rule Status Requested", rule=RULE)
        proposal = "security_groups.sg.20261122T113000Z"
        assert "there is no proposal" in asked(scene, "Proposal Approved", proposal=proposal)
        assert scene.keys("") == []


def test_a_wrong_request_is_refused_with_its_field() -> None:
    with a_security_groups_scene(scheduled=False) as scene:
        wrong = {"from": "2026-09-30", "to": "2026-09-01"}
        assert "detail.to" in asked(scene, "Flow Log Backfill Requested", bucket=LOGS, **wrong)
        assert "detail.from" in asked(scene, "Flow Log Backfill Requested", bucket=LOGS, to="2026-09-01")
        assert "FlowLogBuckets" in asked(scene, "Flow Log Backfill Requested", bucket="other", **today(scene))
        assert "detail.rule" in asked(scene, "Rule Status Requested", rule="sg-1")


def test_a_pause_stops_reports_and_no_evidence() -> None:
    with a_security_groups_scene() as scene:
        assert "was paused" in asked(scene, "Pause Requested", automation="security_groups", by="ann")
        assert "has been paused by ann" in asked(scene, "Security Groups Report Requested")
        scene.berthmaster.invoke(REPORT, {})
        scene.wait(1800)
        assert scene.keys("reports/") == []
        assert scene.keys("credits/")
        assert scene.keys("topology/")
        asked(scene, "Resume Requested", automation="security_groups")
        scene.report()
        assert scene.keys("reports/latest/") == [
            f"reports/latest/{name}" for name in ("evidence.json", "groups.json", "groups.md", "report.html")
        ]


def test_requests_that_come_together_are_one_report() -> None:
    with a_security_groups_scene() as scene:
        scene.wait(600)
        for _ in range(5):
            scene.request("Security Groups Report Requested")
        scene.wait(300)
        assert len(scene.events("Request Accepted")) == 5
        assert 1 <= len(scene.events("Security Groups Reported")) <= 2


def test_flow_logs_of_the_past_are_taken_in_whenever_the_function_dies() -> None:
    """Files whose events nobody received; other objects are left alone."""
    with a_security_groups_scene() as scene:
        rule = scene.allow("db", 5432, "web")
        scene.wait(600)
        scene.cloud.client("s3").put_bucket_notification_configuration(Bucket=LOGS, NotificationConfiguration={})
        scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.cloud.client("s3").put_object(Bucket=LOGS, Key="account/notes.txt", Body=b"nothing")
        scene.wait(3600)
        before = len(scene.keys("credits/"))
        files = len(scene.keys("account/AWSLogs/", LOGS))
        for call, crash in enumerate((CrashBefore, CrashAfter, CrashBefore, CrashAfter), start=2):
            scene.cloud.faults.set_crash(crash(2 * call, REPORT))
            scene.request("Flow Log Backfill Requested", bucket=LOGS, prefix="account/", **today(scene))
            scene.wait(REDELIVERED)
        *_, done = scene.events("Flow Log Backfill Completed")
        assert done["others"] == 1
        assert done["files"] >= files
        assert len(scene.keys("credits/")) > before
        assert scene.report()["rules"][rule]["verdict"] == "used"
        assert scene.dead_letters() == []


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_report_is_written_whenever_the_function_dies(crash: type[CrashBefore] | type[CrashAfter]) -> None:
    with a_security_groups_scene() as scene:
        rule = scene.allow("db", 5432, "web")
        scene.wait(600)
        scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.wait(1200)
        scene.cloud.client("ec2").delete_flow_logs(FlowLogIds=[scene.log])
        scene.wait(1800)
        scene.berthmaster.schedules_enabled = False
        for call in count(1, 7):
            before = scene.cloud.faults.crashes
            scene.cloud.faults.set_crash(crash(call, REPORT))
            scene.request("Security Groups Report Requested", by=f"{call}")
            scene.wait(REDELIVERED)
            (evidence,) = {scene.latest()["rules"][rule]["conversations"]}
            assert evidence > 0
            assert scene.events("Security Groups Reported")[-1]["by"] == f"{call}"
            if scene.cloud.faults.crashes == before:
                break
        assert call > 20
        assert scene.dead_letters() == []


def test_a_status_that_cannot_be_read_is_answered_all_the_same() -> None:
    with a_security_groups_scene() as scene:
        scene.wait(600)
        scene.report()
        refusal = Refusal(bucket=scene.bucket, action="s3:GetObject", prefix="reports/", caller=REPORT)
        scene.cloud.state(Refusals).listed.append(refusal)
        assert "AWS failed" in asked(scene, "Rule Status Requested", rule=RULE)
