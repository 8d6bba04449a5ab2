"""Off and paused: nothing is written to AWS, every request is answered, and nothing that was begun is lost."""

import json
from typing import Any

import pytest

from simulator.workload.network import MANAGED
from tests.support.capacity.scene import EXPAND, WATCH, CapacityScene, a_managed_vpc, a_vpc_short_of_room

EXPANSION = "vpc-0a1b2c3d4e5f60718.20261122T113000Z"
REQUESTS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("Proposal Approved", {"proposal": f"capacity.{EXPANSION}"}, f"capacity.{EXPANSION}"),
    ("Proposal Rejected", {"proposal": f"capacity.{EXPANSION}"}, f"capacity.{EXPANSION}"),
    ("Retirement Requested", {"expansion": EXPANSION}, EXPANSION),
    ("Expand Requested", {"vpc": "vpc-0a1b2c3d4e5f60718"}, "vpc-0a1b2c3d4e5f60718"),
)
WRITES_OF_AN_EXPANSION = (
    "ec2:AssociateVpcCidrBlock",
    "ec2:CreateSubnet",
    "ec2:AssociateRouteTable",
    "ec2:ReplaceNetworkAclAssociation",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:CreateTags",
    "ecs:UpdateService",
)


def unfinished_work(scene: CapacityScene) -> float:
    return sum(sum(record.get("UnfinishedWork", [])) for record in scene.berthmaster.logs.metrics(EXPAND))


@pytest.mark.parametrize("operation", WRITES_OF_AN_EXPANSION)
def test_an_expansion_stops_at_its_next_write_when_paused_and_completes_after_resume(operation: str) -> None:
    with a_vpc_short_of_room() as scene:
        scene.pause_during(operation)
        scene.need_room()
        assert scene.writes()[-1] == operation.partition(":")[2]
        stopped_after = len(scene.writes())
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=11)
        assert len(scene.writes()) == stopped_after
        assert scene.events("Expansion Stalled", "Expansion Failed", "Expansion Completed") == []

        del scene.cloud.handlers[operation]
        scene.resume()
        scene.berthmaster.run(minutes=20)
        (completed,) = scene.events("Expansion Completed")
        assert [one["subnet"] for one in completed["subnets"]] == [one["SubnetId"] for one in scene.added_subnets()]
        assert scene.added_subnets()[0]["SubnetId"] in scene.service_subnets("shop")


def test_an_expansion_does_not_fail_because_of_a_long_pause() -> None:
    with a_vpc_short_of_room() as scene:
        scene.pause_during("ec2:CreateSubnet")
        scene.need_room()
        scene.berthmaster.run(minutes=24 * 60)
        scene.resume()
        del scene.cloud.handlers["ec2:CreateSubnet"]
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=20)
        assert scene.events("Expansion Failed") == []
        assert len(scene.events("Expansion Completed")) == 1


def test_a_retirement_stops_at_its_next_write_when_paused_and_completes_after_resume() -> None:
    with a_managed_vpc(watched=True) as scene:
        scene.workload.service("idle", scene.network.network_configuration(), 0, tags=MANAGED)
        expansion = scene.expand()
        scene.pause_during("ecs:UpdateService")
        scene.request("Retirement Requested", expansion=expansion)
        scene.berthmaster.run(minutes=10)
        assert len(scene.added_subnets()) == 1

        scene.resume()
        scene.berthmaster.run(minutes=10)
        assert scene.added_subnets() == []
        assert len(scene.events("Expansion Retired")) == 1


def test_a_pause_is_answered_and_so_is_its_end() -> None:
    with a_managed_vpc() as scene:
        scene.pause()
        scene.cloud.clock.advance(60)
        scene.resume()
        answers = scene.events("Automation Paused", "Automation Resumed")
        assert [(one["automation"], one["by"]) for one in answers] == [("capacity", "Ann")] * 2
        subjects = [one.subject for one in scene.berthmaster.published]
        assert subjects == ["Berthmaster: capacity paused", "Berthmaster: capacity resumed"]


@pytest.mark.parametrize(("detail_type", "detail", "subject"), REQUESTS, ids=[name for name, *_ in REQUESTS])
@pytest.mark.parametrize("is_off", [True, False], ids=["off", "paused"])
def test_every_request_is_refused_while_off_or_paused(
    detail_type: str, detail: dict[str, Any], subject: str, *, is_off: bool
) -> None:
    with a_managed_vpc(mode="off" if is_off else "enforce") as scene:
        if not is_off:
            scene.pause()
        scene.request(detail_type, **detail, by="Ann")
        (refused,) = scene.events("Request Refused")
        assert (refused["request"], refused["subject"], refused["by"]) == (detail_type, subject, "Ann")
        assert ("the mode is off" if is_off else "capacity has been paused by Ann") in refused["reason"]
        assert refused["reason"] in scene.berthmaster.published[-1].message
        assert scene.dead_letters() == []


def test_while_paused_shortages_are_ignored_and_measured() -> None:
    with a_vpc_short_of_room() as scene:
        scene.pause()
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=10)
        assert scene.writes() == []
        assert scene.events("Room Needed") != []
        scene.resume()
        scene.berthmaster.run(minutes=10)
        assert len(scene.added_subnets()) == 1


def test_when_switched_off_an_expansion_in_progress_is_counted_and_completes_when_switched_on() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        before = scene.writes()
        scene.deploy_mode("off")
        scene.berthmaster.run(minutes=5 * 60)
        assert scene.writes() == before
        assert unfinished_work(scene) == 5 * 60 // 15
        assert scene.events("Expansion Completed", "Expansion Failed") == []

        scene.deploy_mode("enforce")
        scene.berthmaster.run(minutes=20)
        assert scene.events("Expansion Failed") == []
        assert len(scene.events("Expansion Completed")) == 1


def test_a_pause_overtakes_the_messages_that_are_received_with_it() -> None:
    with a_vpc_short_of_room() as scene:
        event = {"source": "berthmaster.operator", "time": "2026-03-02T06:00:00Z"}
        expand = event | {"detail-type": "Expand Requested", "detail": {"vpc": scene.vpc_id}}
        pausing = event | {"detail-type": "Pause Requested", "detail": {"automation": "capacity"}}
        records = [
            {"messageId": str(number), "body": json.dumps(body), "eventSource": "aws:sqs"}
            for number, body in enumerate([expand, pausing])
        ]
        invocation = scene.berthmaster.invoke(EXPAND, {"Records": records})
        assert (invocation.error, invocation.result) == (None, {"batchItemFailures": []})
        assert scene.writes() == []
        assert [one["request"] for one in scene.events("Request Refused")] == ["Expand Requested"]


def test_a_pause_counts_no_unfinished_work() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.run(minutes=0.2)
        scene.pause()
        assert scene.events("Expansion Completed") == []
        assert unfinished_work(scene) == 0


def test_the_watch_does_nothing_while_the_mode_is_off() -> None:
    with a_managed_vpc(mode="off") as scene:
        scene.fill(leave=0)
        invocation = scene.berthmaster.invoke(WATCH, {})
        assert (invocation.error, invocation.result) == (None, {})
        assert len(scene.cloud.calls.of(WATCH)) == 0
