"""Change events come twice, late, in any order or not at all; batch_control dies at any call; AWS does not answer."""

import json
from datetime import timedelta
from itertools import count

import pytest

from berthmaster.batch.registry import LEASE
from berthmaster.lease import Leases
from simulator.faults import CrashAfter, CrashBefore, FaultPlan, Outage
from tests.support.batch.scene import CONTROL, OTHERS, BatchScene, a_batch_scene

REDELIVERED = 400
"""Seconds until a message is received again whose function has died."""


def tasks_in_force(scene: BatchScene) -> int:
    return scene.pipelines.in_force()["ocr"].limits.tasks


def accepted(scene: BatchScene) -> list[int]:
    return [one["parameter_version"] for one in scene.events("Pipeline Accepted")]


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_crash_at_any_call_neither_loses_a_document_nor_what_is_said_of_it(
    crash: type[CrashBefore] | type[CrashAfter],
) -> None:
    with a_batch_scene() as scene:
        faults = scene.cloud.faults
        for call in count(1):
            before = faults.crashes
            faults.set_crash(crash(call, CONTROL))
            version = scene.put_document(limits={"tasks": call})
            scene.wait(REDELIVERED)
            assert tasks_in_force(scene) == call
            assert accepted(scene)[-1] == version
            assert f"version {version}, is in force" in scene.mails()[-1]
            if faults.crashes == before:
                break
        assert call > 15
        assert scene.dead_letters() == []
        assert [scene.pipelines.version("ocr", one + 1).limits.tasks for one in range(1, call + 1)] == [
            *range(1, call + 1)
        ]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_events_the_newest_document_is_in_force_within_minutes(seed: int) -> None:
    plan = FaultPlan(
        seed=seed,
        event_lost=0.3,
        event_duplicated=0.5,
        event_delayed=0.5,
        crash=0.01,
        throttled=0.05,
        server_error=0.02,
        lost_response=0.05,
    )
    with a_batch_scene(seed=seed, scheduled=True, unscheduled=OTHERS) as scene:
        scene.cloud.faults.plan = plan
        for tasks in range(1, 6):
            scene.put_document(limits={"tasks": tasks})
            if tasks == 3:
                scene.delete_document()
                scene.put_document(limits={"tasks": tasks})
            scene.wait(scene.cloud.faults.plan.seed * 20 + tasks * 7)
        scene.cloud.faults.clear()
        scene.wait(REDELIVERED)
        assert tasks_in_force(scene) == 5
        record = scene.pipelines.get("ocr")
        assert record
        assert (record.parameter_version, record.unreported) == (3, False)
        said = accepted(scene)
        scene.wait(15 * 60)
        # Old events that come now change nothing.
        assert (tasks_in_force(scene), accepted(scene)) == (5, said)


def test_an_event_of_a_deletion_that_comes_after_the_parameter_was_made_anew_removes_nothing() -> None:
    with a_batch_scene() as scene:
        scene.delete_document()
        scene.put_document(limits={"tasks": 5})
        scene.wait(30)
        late = {
            "source": "aws.ssm",
            "detail-type": "Parameter Store Change",
            "detail": {"operation": "Delete", "name": "/berthmaster/batch/ocr", "type": "String"},
        }
        scene.berthmaster.put_event(late)
        scene.wait(30)
        assert tasks_in_force(scene) == 5


def test_a_check_that_aws_does_not_answer_is_tried_again_and_is_a_warning_in_the_end() -> None:
    with a_batch_scene() as scene:
        scene.cloud.faults.begin_outage(Outage("ecs:DescribeClusters", scene.cloud.clock.timestamp() + 300))
        scene.put_document(limits={"tasks": 5})
        scene.wait(20)
        assert tasks_in_force(scene) == 50
        scene.wait(60)
        assert tasks_in_force(scene) == 5
        (warning,) = scene.events("Pipeline Accepted")[-1]["warnings"]
        assert warning["field"] == "run.cluster"
        assert warning["problem"].startswith("could not be checked: ")


def test_a_change_while_another_invocation_works_on_the_registry_waits_for_it() -> None:
    with a_batch_scene() as scene:
        leases = Leases(scene.cloud.client("dynamodb"), scene.table)
        now = scene.cloud.clock.now()
        lease = leases.acquire(LEASE, owner="another", now=now, deadline=now + timedelta(minutes=1))
        assert lease
        scene.put_document(limits={"tasks": 5})
        scene.wait(40)
        assert tasks_in_force(scene) == 50
        leases.release(lease, considered_at=None, resumes_at=None)
        scene.wait(10)
        assert tasks_in_force(scene) == 5


@pytest.mark.parametrize("detail_type", ["Pause Requested", "Resume Requested", "Proposal Approved"])
def test_requests_are_answered(detail_type: str) -> None:
    with a_batch_scene() as scene:
        about = (
            {"proposal": "batch.ocr.20261122T113000Z"}
            if detail_type.startswith("Proposal")
            else {"automation": "batch"}
        )
        scene.request(detail_type, **about, by="Ann")
        scene.wait(30)
        (mail,) = scene.mails()
        assert "Ann" in mail
        answers = scene.events("Automation Paused", "Automation Resumed", "Request Refused")
        assert len(answers) == 1


@pytest.mark.parametrize("body", ["", "{", "[]", json.dumps({"source": "aws.ssm"})])
def test_a_message_that_is_no_event_ends_in_the_dead_letter_queue(body: str) -> None:
    with a_batch_scene() as scene:
        queue = scene.berthmaster.template.identity("BatchControlQueue").name
        url = scene.cloud.client("sqs").get_queue_url(QueueName=str(queue))["QueueUrl"]
        scene.cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body or " ")
        scene.wait(5 * REDELIVERED)
        assert len(scene.dead_letters()) == 1
