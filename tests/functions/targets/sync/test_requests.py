"""Every request of an operator is answered within a minute, as an event and to people, and is then consumed."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from simulator.aws.ecs.services import describe_services
from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.targets.scene import (
    BUS,
    COOL_DOWN,
    OTHER,
    QUEUE,
    SYNC,
    TargetsScene,
    a_targets_scene,
    addresses,
)

ANSWERS = ("Request Accepted", "Request Refused", "Request Unknown", "Automation Paused", "Automation Resumed")
MINUTE = 60
TASK = "arn:aws:ecs:eu-central-1:123456789012:task/blue/9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5"
PROPOSAL = "targets.shop.20260302T060000Z"


def answers(scene: TargetsScene) -> list[tuple[str, Mapping[str, Any]]]:
    """Detail type and detail of all answers so far."""
    return [
        (seen.event["detail-type"], seen.event["detail"])
        for seen in scene.berthmaster.bus_events
        if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in ANSWERS
    ]


def answered(scene: TargetsScene, detail_type: str, **detail: Any) -> tuple[str, Mapping[str, Any]]:
    """Send a request; returns its only answer, which people get too, and which leaves nothing in a queue."""
    before, mails = len(answers(scene)), len(scene.mails())
    scene.request(detail_type, **detail)
    scene.wait(MINUTE)
    (answer,) = answers(scene)[before:]
    assert any(answer[1]["message"] in mail for mail in scene.mails()[mails:])
    scene.wait(1200)
    assert len(answers(scene)) == before + 1
    assert scene.dead_letters() == scene.berthmaster.messages("UndeliveredQueue") == []
    return answer


# Drains


def test_a_drain_is_accepted_with_the_time_when_it_should_end_and_its_end_is_notified() -> None:
    with a_targets_scene(drain=300) as scene:
        task = scene.serve(2)[0]
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(30)
        ((kind, answer),) = answers(scene)
        assert (kind, answer["request"], answer["subject"], answer["by"]) == (
            "Request Accepted",
            "Drain Requested",
            task.arn,
            "ann",
        )
        (request,) = [
            one.event for one in scene.berthmaster.bus_events if one.event["source"] == "berthmaster.operator"
        ]
        assert answer["request_id"] == request["id"]
        expected = datetime.fromisoformat(answer["until"]).timestamp()
        scene.wait(400)
        stopped = scene.cloud.calls.named("ecs:StopTask")[-1].at
        assert abs(stopped - expected) < 15
        assert [task.arn in mail for mail in scene.mails()] == [True, True]
        assert len(scene.events("Task Drained")) == 1


def test_sixty_drains_at_once_are_begun_together_and_hinder_nobody_else() -> None:
    with a_targets_scene(drain=60) as scene:
        tasks = scene.serve(70)
        other = scene.target_group("other", OTHER)
        scene.berthmaster.runtime.kill_containers()
        before = len(scene.cloud.calls.all)
        gone = f"{tasks[0].arn[:-4]}0000"
        for task in tasks[:60]:
            scene.request("Drain Requested", task=task.arn, by="ann")
        scene.request("Drain Requested", task=gone, by="ann")
        others = scene.serve(2, name="other")
        calls = scene.cloud.calls.since(before).of(SYNC).counts()
        assert calls["dynamodb:BatchGetItem"] < 40
        assert calls["ecs:DescribeTasks"] < 10
        assert calls["ecs:DescribeServices"] < 10
        kinds = Counter(kind for kind, _ in answers(scene))
        assert kinds == {"Request Accepted": 60, "Request Refused": 1}
        assert len(scene.mails()) < 10
        assert all(any(task.arn in mail for mail in scene.mails()) for task in tasks[:60])
        assert addresses(tasks[:60]).isdisjoint(scene.targets())
        assert scene.targets(other) == addresses(others)
        scene.wait(300)
        assert not any(task.is_running for task in tasks[:60])
        assert all(task.is_running for task in tasks[60:])
        assert len(scene.events("Task Drained")) == 60
        assert scene.dead_letters() == []
        assert scene.logged(SYNC, "message failed") == []


def test_one_batch_of_drains_costs_as_few_reads_as_one_drain() -> None:
    reads: dict[int, Mapping[str, int]] = {}
    for count in (1, 60):
        with a_targets_scene(drain=60) as scene:
            tasks = scene.serve(60)
            scene.berthmaster.runtime.kill_containers()
            before = len(scene.cloud.calls.all)
            for task in tasks[:count]:
                scene.request("Drain Requested", task=task.arn)
            scene.wait(15)
            counts = scene.cloud.calls.since(before).of(SYNC).counts()
            reads[count] = {name: times for name, times in counts.items() if is_a_read(name)}
            assert len(answers(scene)) == count
    assert reads[60]["ecs:DescribeTasks"] == reads[1]["ecs:DescribeTasks"] <= 3
    assert sum(reads[60].values()) <= sum(reads[1].values()) + 4


def is_a_read(operation: str) -> bool:
    return operation.partition(":")[2].startswith(("Describe", "Get", "BatchGet", "List"))


@pytest.mark.parametrize("where", ["the same cluster", "a cluster that ECS does not know", "another account"])
def test_a_bad_drain_among_good_ones_is_refused_alone(where: str) -> None:
    with a_targets_scene(drain=60) as scene:
        good, _ = scene.serve(2)
        bad = {
            "the same cluster": f"{good.arn[:-4]}0000",
            "a cluster that ECS does not know": TASK.replace("/blue/", "/green/"),
            "another account": good.arn.replace("123456789012", "999999999999"),
        }[where]
        scene.request("Drain Requested", task=bad)
        scene.request("Drain Requested", task=good.arn)
        scene.wait(MINUTE)
        assert {(kind, one["subject"]) for kind, one in answers(scene)} == {
            ("Request Refused", bad),
            ("Request Accepted", good.arn),
        }
        (refused,) = scene.events("Request Refused")
        assert refused["reason"].startswith("detail.task: ")


def test_a_drain_that_ecs_cannot_describe_in_company_is_refused_alone() -> None:
    with a_targets_scene(drain=60) as scene:
        tasks = scene.serve(4)
        usual, bad = scene.usual_handler("ecs:DescribeTasks"), f"{tasks[0].arn[:-4]}0000"
        assert usual

        def describe(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            if bad in params["tasks"]:
                raise AwsError("InvalidParameterException", "taskId length should be one of [32,36]")
            return usual(cloud, params)

        with scene.answering("ecs:DescribeTasks", describe):
            for arn in [task.arn for task in tasks] + [bad]:
                scene.request("Drain Requested", task=arn)
            scene.wait(MINUTE)
        assert Counter(kind for kind, _ in answers(scene)) == {"Request Accepted": 4, "Request Refused": 1}


def test_a_drain_of_a_task_that_ecs_itself_registers_too_is_refused_unless_it_is_forced() -> None:
    with a_targets_scene(drain=30) as scene:
        own = scene.target_group("own", {})
        task = scene.serve(2)[0]
        scene.registered_by_ecs("shop", own)
        scene.wait(COOL_DOWN)
        kind, answer = answered(scene, "Drain Requested", task=task.arn)
        assert kind == "Request Refused"
        assert own in answer["reason"]
        assert '"force": true' in answer["reason"]
        assert task.is_running
        assert task.address in scene.targets()
        scene.request("Drain Requested", task=task.arn, force=True)
        scene.wait(MINUTE + 30)
        assert answers(scene)[-1][0] == "Request Accepted"
        assert not task.is_running


@pytest.mark.parametrize("where", ["deployment", "task set", "service registry", "service connect", "lattice"])
def test_wherever_ecs_itself_registers_a_task_it_is_not_drained(where: str) -> None:
    balancer = {"targetGroupArn": "arn:of:ecs", "containerName": "shop", "containerPort": 8080}
    task_set = {"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": "shop:1", "createdAt": 0.0}
    connect = {"discoveryName": "shop", "discoveryArn": "arn:of:ecs"}
    told: dict[str, dict[str, Any]] = {
        "deployment": {"deployments": [{"id": "ecs-svc/1", "loadBalancers": [balancer]}]},
        "task set": {"taskSets": [task_set | {"loadBalancers": [balancer]}]},
        "service registry": {"serviceRegistries": [{"registryArn": "arn:of:ecs"}]},
        "service connect": {"deployments": [{"id": "ecs-svc/1", "serviceConnectResources": [connect]}]},
        "lattice": {
            "deployments": [{"id": "ecs-svc/1", "vpcLatticeConfigurations": [{"targetGroupArn": "arn:of:ecs"}]}]
        },
    }
    with a_targets_scene(drain=30) as scene:
        task = scene.serve(1)[0]

        def describe(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            described = describe_services(cloud, params)["services"]
            return {"services": [one | told[where] for one in described], "failures": []}

        with scene.answering("ecs:DescribeServices", describe):
            kind, answer = answered(scene, "Drain Requested", task=task.arn)
        assert kind == "Request Refused"
        assert "arn:of:ecs" in answer["reason"]
        assert task.is_running


def test_a_drain_requested_twice_is_answered_twice_and_done_once() -> None:
    with a_targets_scene(drain=60) as scene:
        task = scene.serve(2)[0]
        scene.request("Drain Requested", task=task.arn)
        scene.wait(20)
        scene.request("Drain Requested", task=task.arn)
        scene.wait(20)
        assert [kind for kind, _ in answers(scene)] == ["Request Accepted"] * 2
        assert "begun before" in answers(scene)[1][1]["text"]
        scene.wait(300)
        assert len(scene.events("Task Drained")) == 1
        assert len([call for call in scene.operations() if call == "StopTask"]) == 1


def test_a_task_that_ecs_is_stopping_is_not_drained() -> None:
    with a_targets_scene(drain=60) as scene:
        task = scene.serve(1)[0]
        scene.fleet.scale("shop", 0)
        scene.wait(COOL_DOWN)
        kind, answer = answered(scene, "Drain Requested", task=task.arn)
        assert kind == "Request Refused"
        assert "ECS is stopping the task already" in answer["reason"]


def test_a_drain_that_cannot_end_is_reported_within_ten_minutes() -> None:
    with a_targets_scene(drain=30) as scene:
        task = scene.serve(2)[0]

        def refuse(_cloud: Cloud, _params: Mapping[str, Any]) -> Any:
            raise AwsError("AccessDeniedException", "Not that one.")

        with scene.answering("ecs:StopTask", refuse):
            scene.request("Drain Requested", task=task.arn)
            scene.wait(600)
            (stalled,) = scene.events("Drain Stalled")
            assert stalled["task"] == task.arn
            assert "AccessDenied" in stalled["reason"]
            assert any("AccessDenied" in mail and task.arn in mail for mail in scene.mails())


# Decisions


def test_a_decision_is_answered_and_so_is_a_second_one() -> None:
    with a_targets_scene(mode="approve") as scene:
        scene.serve(1)
        scene.reconcile(times=2)
        (proposal,) = scene.events("Change Proposed")
        decision = {"proposal": proposal["proposal"], "by": "ann"}
        kind, answer = answered(scene, "Proposal Approved", **decision)
        assert (kind, answer["subject"]) == ("Request Accepted", proposal["proposal"])
        assert answered(scene, "Proposal Approved", **decision)[0] == "Request Accepted"
        kind, answer = answered(scene, "Proposal Rejected", **decision)
        assert kind == "Request Refused"
        assert "approved already, by ann" in answer["reason"]


def test_a_decision_on_what_is_unknown_expired_or_in_mode_observe_is_refused() -> None:
    with a_targets_scene(mode="approve") as scene:
        scene.serve(1)
        scene.reconcile(times=2)
        (proposal,) = scene.events("Change Proposed")
        unknown = answered(scene, "Proposal Approved", proposal=PROPOSAL)
        assert (unknown[0], unknown[1]["reason"].partition(":")[0]) == ("Request Refused", "detail.proposal")
        other = answered(scene, "Proposal Rejected", proposal=proposal["proposal"], fingerprint="0123456789ab")
        assert other[0] == "Request Refused"
        scene.change_mode("observe")
        observed = answered(scene, "Proposal Approved", proposal=proposal["proposal"])
        assert (observed[0], observed[1]["reason"]) == ("Request Refused", "the mode is observe")
        scene.wait(24 * 3600)
        late = answered(scene, "Proposal Rejected", proposal=proposal["proposal"])
        assert late[0] == "Request Refused"
        assert "expired" in late[1]["reason"]


# Modes


def test_a_drain_in_mode_observe_is_refused() -> None:
    with a_targets_scene() as scene:
        task = scene.serve(1)[0]
        scene.change_mode("observe")
        kind, answer = answered(scene, "Drain Requested", task=task.arn)
        assert (kind, answer["reason"]) == ("Request Refused", "the mode is observe")
        assert task.is_running


# What is not valid


@pytest.mark.parametrize(
    ("detail_type", "detail", "field"),
    [
        ("Drain Requested", {}, "detail.task"),
        ("Drain Requested", {"task": 17}, "detail.task"),
        ("Drain Requested", {"task": ["a"]}, "detail.task"),
        ("Drain Requested", {"task": "9c0d1e2f3a4b"}, "detail.task"),
        ("Drain Requested", {"task": TASK, "force": "yes"}, "detail.force"),
        ("Drain Requested", {"task": TASK, "by": 7}, "detail.by"),
        ("Drain Requested", {"task": TASK, "by": "x" * 300}, "detail.by"),
        ("Proposal Approved", {"proposal": "targets.shop"}, "detail.proposal"),
        ("Proposal Rejected", {"by": "ann"}, "detail.proposal"),
        ("Proposal Rejected", {"proposal": 7}, "detail.proposal"),
        ("Proposal Rejected", {"proposal": None}, "detail.proposal"),
        ("Proposal Rejected", {"proposal": []}, "detail.proposal"),
        ("Proposal Rejected", {"proposal": {"id": PROPOSAL}}, "detail.proposal"),
        ("Pause Requested", {"by": "ann"}, "detail.automation"),
        ("Pause Requested", {"automation": None}, "detail.automation"),
        ("Resume Requested", {"automation": ["targets"]}, "detail.automation"),
        ("Resume Requested", {"automation": True}, "detail.automation"),
    ],
)
def test_a_request_with_a_missing_or_wrong_field_is_refused_by_its_name(
    detail_type: str, detail: dict[str, Any], field: str
) -> None:
    with a_targets_scene() as scene:
        kind, answer = answered(scene, detail_type, **detail)
        assert (kind, answer["request"]) == ("Request Refused", detail_type)
        assert answer["reason"].startswith(f"{field}: ")
        assert scene.writes() == []


@pytest.mark.parametrize(
    ("detail_type", "detail", "hint"),
    [
        ("Drain requested", {"task": TASK, "by": "ann"}, "Drain Requested"),
        ("DrainRequested", {"task": TASK}, "Drain Requested"),
        ("Drain Reqested ", {"task": TASK}, "Drain Requested"),
        ("drain", {"task": TASK}, ""),
        ("Expand requested", {"vpc": "vpc-0a1b2c3d4e5f60718"}, "Expand Requested"),
        ("Approved Proposal", {"proposal": PROPOSAL}, "Proposal Approved"),
        ("Make coffee\n\x00now" + "!" * 5000, {}, ""),
        ("Pause Requested", {"automation": "Targets"}, "targets"),
        ("Pause Requested", {"automation": "target"}, "targets"),
        ("Resume Requested", {"automation": "everything"}, ""),
        ("Proposal Approved", {"proposal": "target.shop.20260302T060000Z"}, "targets"),
        ("Proposal Approved", {"proposal": "shop"}, ""),
        ("Proposal Rejected", {"proposal": "vpc-0a1b2c3d4e5f60718.20261122T113000Z"}, ""),
    ],
)
def test_what_is_no_request_is_answered_once_with_what_was_meant(
    detail_type: str, detail: dict[str, Any], hint: str
) -> None:
    with a_targets_scene() as scene:
        kind, answer = answered(scene, detail_type, **detail)
        assert kind == "Request Unknown"
        assert (answer["hint"] == hint) or not hint
        assert answer["by"] == detail.get("by", "")
        assert scene.berthmaster.published[-1].subject.isprintable()
        assert scene.writes() == []


@pytest.mark.parametrize("source", ["berthmaster", "berthmaster.operators", "ann"])
def test_a_request_from_another_source_is_unknown_and_told_the_right_one(source: str) -> None:
    with a_targets_scene() as scene:
        task = scene.serve(1)[0]
        event = {"source": source, "detail-type": "Drain Requested", "detail": {"task": task.arn}}
        scene.berthmaster.put_event(event, bus=BUS)
        scene.wait(MINUTE)
        ((kind, answer),) = answers(scene)
        assert (kind, answer["hint"]) == ("Request Unknown", "berthmaster.operator")
        scene.wait(600)
        assert task.is_running


def test_events_of_ecs_and_outcomes_of_berthmaster_are_no_requests() -> None:
    with a_targets_scene() as scene:
        scene.serve(2)
        scene.fleet.scale("shop", 1)
        scene.wait(600)
        assert answers(scene) == []


@pytest.mark.parametrize("time", ["2026-03-02T06:00:00", "2026-03-02T06:00:00Z", "2026-03-02T07:00:00+01:00"])
def test_a_request_is_understood_without_a_name_with_more_fields_and_whatever_zone_its_time_has(time: str) -> None:
    with a_targets_scene(drain=30) as scene:
        task = scene.serve(2)[0]
        event = {
            "source": "berthmaster.operator",
            "detail-type": "Drain Requested",
            "time": time,
            "detail": {"task": task.arn, "ticket": {"number": 7}, "why": None},
        }
        scene.berthmaster.put_event(event, bus=BUS)
        scene.wait(MINUTE + 60)
        assert [kind for kind, _ in answers(scene)] == ["Request Accepted"]
        assert not task.is_running


# Failures of AWS


@pytest.mark.parametrize("operation", ["ecs:DescribeTasks", "dynamodb:BatchGetItem", "dynamodb:GetItem"])
def test_a_request_at_which_aws_fails_for_good_is_answered_within_a_minute(operation: str) -> None:
    with a_targets_scene() as scene:
        task = scene.serve(1)[0]
        scene.berthmaster.runtime.kill_containers()
        scene.begin_outage(operation, 300)
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(MINUTE)
        ((kind, answer),) = answers(scene)
        assert (kind, answer["subject"]) == ("Request Refused", task.arn)
        assert "it was not done" in answer["reason"]
        scene.wait(1200)
        assert len(answers(scene)) == 1
        assert task.is_running
        assert scene.dead_letters() == []


@pytest.mark.parametrize("operation", ["ecs:DescribeTasks", "dynamodb:BatchGetItem", "dynamodb:GetItem"])
def test_a_request_at_which_aws_fails_for_seconds_is_carried_out(operation: str) -> None:
    with a_targets_scene(drain=30) as scene:
        task = scene.serve(2)[0]
        scene.berthmaster.runtime.kill_containers()
        scene.begin_outage(operation, 15)
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(MINUTE)
        ((kind, _),) = answers(scene)
        assert kind == "Request Accepted"
        scene.wait(MINUTE)
        assert not task.is_running


def test_a_pause_at_which_aws_fails_for_seconds_is_applied() -> None:
    with a_targets_scene() as scene:
        scene.begin_outage("dynamodb:PutItem", 15)
        scene.pause()
        scene.wait(MINUTE)
        assert [kind for kind, _ in answers(scene)] == ["Automation Paused"]


def test_an_answer_that_the_bus_does_not_accept_at_once_is_published_later() -> None:
    with a_targets_scene(drain=30) as scene:
        task = scene.serve(2)[0]
        scene.begin_outage("events:PutEvents", 15)
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(MINUTE)
        assert [kind for kind, _ in answers(scene)] == ["Request Accepted"]


# How people are told


def test_people_are_told_the_account_the_region_and_what_it_is_about() -> None:
    with a_targets_scene(drain=30) as scene:
        task = scene.serve(2)[0]
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(150)
        assert len(scene.mails()) == 2
        for mail in scene.mails():
            first = mail.splitlines()[0]
            assert "account 123456789012" in first
            assert "eu-central-1" in first
            assert f"blue/{task.arn.rpartition('/')[2]}" in first


def test_a_message_that_is_no_event_ends_in_the_dead_letter_queue() -> None:
    with a_targets_scene() as scene:
        queue = scene.berthmaster.template.identity(QUEUE).ref
        bodies = ["{", json.dumps({"source": "berthmaster.operator", "detail-type": "Drain Requested"})]
        for body in bodies:
            scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.wait(1200)
        assert len(scene.dead_letters()) == 2
