"""Every request of an operator is answered within a minute, as an event and to people, and is then consumed."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from berthmaster.capacity.ledger.expansions import Expansions
from docs.generate.events import schemas
from simulator.faults import Outage
from simulator.workload.network import MANAGED, Network
from tests.functions.capacity.test_said_in_time import deny
from tests.support.capacity.pods import fill_with_pods
from tests.support.capacity.scene import BUS, WATCH, CapacityScene, a_managed_vpc, a_vpc_short_of_room

ANSWERS = ("Request Accepted", "Request Refused", "Request Unknown", "Automation Paused", "Automation Resumed")
MANY = 20
FEW = 8
EXPANSION = "vpc-0a1b2c3d4e5f60718.20261122T113000Z"

type Answer = tuple[str, Mapping[str, Any]]


def answers(scene: CapacityScene) -> list[Answer]:
    """Detail type and detail of all answers so far."""
    return [
        (seen.event["detail-type"], seen.event["detail"])
        for seen in scene.berthmaster.bus_events
        if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in ANSWERS
    ]


def send(scene: CapacityScene, detail_type: str, **detail: Any) -> None:
    scene.put("berthmaster.operator", detail_type, bus=BUS, **detail)


def answered(scene: CapacityScene, detail_type: str, **detail: Any) -> Answer:
    """Send a request; returns its only answer, which people get too, and which leaves nothing in a queue."""
    before, mails = len(answers(scene)), len(scene.berthmaster.published)
    send(scene, detail_type, **detail)
    scene.berthmaster.run(minutes=1)
    (answer,) = answers(scene)[before:]
    assert any(answer[1]["message"] in mail.message for mail in scene.berthmaster.published[mails:])
    scene.berthmaster.drain()
    assert len(answers(scene)) == before + 1
    assert scene.dead_letters() == scene.berthmaster.messages("UndeliveredQueue") == []
    return answer


# Expand Requested


@pytest.mark.parametrize(
    ("mode", "kind", "says"),
    [
        ("enforce", "Request Accepted", "is carried out; Expansion Completed or Expansion Failed follows"),
        ("approve", "Request Accepted", "is proposed, and waits for Proposal Approved"),
        ("observe", "Request Refused", "the mode is observe"),
    ],
)
def test_a_request_for_addresses_is_answered_as_its_mode_says(mode: str, kind: str, says: str) -> None:
    with a_managed_vpc(mode=mode) as scene:
        wanted = {"vpc": scene.vpc_id, "subnet": scene.subnets[0], "addresses": 50, "by": "Ann"}
        found, answer = answered(scene, "Expand Requested", **wanted)
        assert (found, answer["request"], answer["subject"], answer["by"]) == (
            kind,
            "Expand Requested",
            scene.vpc_id,
            "Ann",
        )
        assert says in answer["text" if kind == "Request Accepted" else "reason"]
        assert bool(answer.get("until")) == (mode == "enforce")


def test_a_request_for_addresses_is_answered_before_the_expansion_is_carried_on() -> None:
    with a_managed_vpc() as scene:
        send(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        scene.berthmaster.drain()
        kinds = [
            one.event["detail-type"] for one in scene.berthmaster.bus_events if one.event["source"] == "berthmaster"
        ]
        assert kinds == ["Request Accepted", "Expansion Completed"]


def test_the_same_request_for_addresses_is_told_of_the_proposal_there_is() -> None:
    with a_managed_vpc(mode="approve") as scene:
        wanted = {"vpc": scene.vpc_id, "subnet": scene.subnets[0], "addresses": 50}
        answered(scene, "Expand Requested", **wanted)
        (proposed,) = scene.events("Expansion Proposed")
        kind, answer = answered(scene, "Expand Requested", **wanted, by="Bob")
        assert (kind, answer["text"]) == ("Request Accepted", f"{proposed['proposal']} adds that, and is proposed")
        answered(scene, "Proposal Rejected", proposal=proposed["proposal"])
        assert answered(scene, "Expand Requested", **wanted, by="Eve")[0] == "Request Refused"


def test_a_request_that_was_sent_twice_is_one_request() -> None:
    with a_managed_vpc() as scene:
        wanted = {"vpc": scene.vpc_id, "subnet": scene.subnets[0], "addresses": 50}
        send(scene, "Expand Requested", **wanted, by="Ann")
        scene.berthmaster.run(minutes=0.4)
        send(scene, "Expand Requested", **wanted, by="Bob")
        scene.berthmaster.run(minutes=2)
        (completed,) = scene.events("Expansion Completed")
        _, to_bob = answers(scene)[-1]
        same = f"expansion {completed['expansion']}, which Ann has asked for, adds the same"
        assert (to_bob["by"], to_bob["text"].partition(", and is ")[0]) == ("Bob", same)
        _, to_eve = answered(scene, "Expand Requested", **wanted, by="Eve")
        assert to_eve["text"].startswith(f"{same}, and is done")
        assert len(scene.added_subnets()) == 1


def test_a_request_that_was_sent_again_while_the_first_waits_for_aws_is_one_request() -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        wanted = {"vpc": scene.vpc_id, "subnet": scene.subnets[0], "addresses": 50}
        send(scene, "Expand Requested", **wanted, by="Ann")
        scene.berthmaster.run(minutes=1.2)
        send(scene, "Expand Requested", **wanted, by="Bob")
        scene.berthmaster.run(minutes=0.4)
        assert "adds the same, and is in progress" in answers(scene)[-1][1]["text"]
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == len(scene.added_subnets()) == 1


def test_a_request_for_as_many_addresses_again_is_another_request_a_while_later() -> None:
    with a_managed_vpc() as scene:
        for _ in range(2):
            scene.expand()
            scene.berthmaster.run(minutes=16)
        assert len(scene.added_subnets()) == 2


def test_a_request_for_other_addresses_is_another_request() -> None:
    with a_managed_vpc() as scene:
        scene.expand()
        answered(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=51)
        answered(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[1], addresses=50)
        assert len(scene.added_subnets()) == 3


@pytest.mark.parametrize("mode", ["enforce", "approve"])
def test_a_request_that_is_met_in_part_says_so(mode: str) -> None:
    with a_managed_vpc(mode=mode) as scene:
        _, answer = answered(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=20_000)
        says = "20000 addresses were asked for, and 16379 are added, because a new subnet is a /18 at most"
        assert says in answer["text"]
        (outcome,) = scene.events("Expansion Completed", "Expansion Proposed")
        assert says in outcome["warnings"]


def test_a_request_that_the_pools_clip_says_so() -> None:
    with a_managed_vpc(CapacityPools="100.64.0.0/24") as scene:
        _, answer = answered(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=1_000)
        assert "1000 addresses were asked for, and 251 are added, because no larger block is free" in answer["text"]


def test_a_request_for_addresses_that_nothing_needs_is_refused() -> None:
    with a_managed_vpc() as scene:
        kind, answer = answered(scene, "Expand Requested", vpc=scene.vpc_id)
        assert kind == "Request Refused"
        assert "no subnet of it needs addresses" in answer["reason"]


def test_a_request_for_a_vpc_or_subnet_that_is_not_there_is_refused() -> None:
    with a_managed_vpc() as scene:
        kind, answer = answered(scene, "Expand Requested", vpc="vpc-0a1b2c3d4e5f60718")
        assert (kind, answer["reason"].partition(":")[0]) == ("Request Refused", "detail.vpc")
        other = {"vpc": scene.vpc_id, "subnet": "subnet-0a11111111111111a", "addresses": 9}
        kind, answer = answered(scene, "Expand Requested", **other)
        assert (kind, answer["reason"].partition(":")[0]) == ("Request Refused", "detail.subnet")
        ignored = [{"Key": "berthmaster:capacity", "Value": "ignored"}]
        scene.cloud.client("ec2").create_tags(Resources=[scene.subnets[0]], Tags=ignored)
        kind, answer = answered(scene, "Expand Requested", **other | {"subnet": scene.subnets[0]})
        assert (kind, answer["reason"].partition(":")[0]) == ("Request Refused", "detail.subnet")
        assert scene.writes() == []


def test_a_request_that_must_wait_is_told_so_within_a_minute_and_answered_in_the_end() -> None:
    with a_managed_vpc(mode="approve") as scene:
        scene.hold_lease(seconds=200)
        send(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        scene.berthmaster.run(minutes=1)
        ((kind, answer),) = answers(scene)
        assert kind == "Request Accepted"
        assert "another invocation works on" in answer["text"]
        scene.berthmaster.drain()
        (_, (kind, answer)) = answers(scene)
        assert kind == "Request Accepted"
        assert "is proposed" in answer["text"]


@pytest.mark.parametrize("seconds", [10, 20, 25, 29])
def test_a_request_that_must_wait_after_aws_failed_at_it_is_told_so_within_a_minute(seconds: float) -> None:
    with a_managed_vpc(mode="approve") as scene:
        scene.hold_lease(seconds=300)
        scene.cloud.faults.begin_outage(Outage("ec2:DescribeVpcs", until=scene.cloud.clock.timestamp() + seconds))
        send(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        scene.berthmaster.run(minutes=1)
        assert len(answers(scene)) == 1
        scene.berthmaster.drain()
        assert len(answers(scene)) <= 2


# Decisions


def test_a_decision_is_answered_and_so_is_a_second_one() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        kind, answer = answered(scene, "Proposal Approved", proposal=proposal, by="Ann")
        assert (kind, answer["subject"], bool(answer["until"])) == ("Request Accepted", proposal, True)
        assert len(scene.added_subnets()) == 1
        kind, answer = answered(scene, "Proposal Approved", proposal=proposal, by="Bob")
        assert (kind, answer["text"]) == ("Request Accepted", "it was approved before, and is done")
        kind, answer = answered(scene, "Proposal Rejected", proposal=proposal)
        assert (kind, answer["reason"]) == ("Request Refused", "it is done")


def test_a_rejection_is_answered_and_so_is_a_second_one() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        other = answered(scene, "Proposal Rejected", proposal=proposal, fingerprint="0123456789ab")
        assert other[0] == "Request Refused"
        assert answered(scene, "Proposal Rejected", proposal=proposal, by="Ann")[0] == "Request Accepted"
        kind, answer = answered(scene, "Proposal Rejected", proposal=proposal, by="Bob")
        assert (kind, answer["text"]) == ("Request Accepted", "it was rejected before by Ann")
        assert answered(scene, "Proposal Approved", proposal=proposal)[0] == "Request Refused"
        assert scene.writes() == []


@pytest.mark.parametrize(
    ("detail_type", "detail", "field"),
    [
        ("Proposal Approved", {"proposal": f"capacity.{EXPANSION}"}, "detail.proposal"),
        ("Proposal Rejected", {"proposal": f"capacity.{EXPANSION}"}, "detail.proposal"),
        ("Retirement Requested", {"expansion": EXPANSION}, "detail.expansion"),
    ],
)
def test_a_request_about_an_unknown_expansion_is_refused(detail_type: str, detail: dict[str, Any], field: str) -> None:
    with a_managed_vpc() as scene:
        kind, answer = answered(scene, detail_type, **detail, by="Ann")
        assert (kind, answer["reason"].partition(":")[0]) == ("Request Refused", field)


def test_the_rejection_of_a_running_expansion_is_accepted_although_its_end_is_published_late() -> None:
    with a_vpc_short_of_room() as scene:
        deny(scene, "ec2:CreateSubnet")
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        (running,) = Expansions(scene.cloud.client("dynamodb"), scene.table).of_vpc(scene.vpc_id)
        scene.cloud.faults.begin_outage(Outage("events:PutEvents", until=scene.cloud.clock.timestamp() + 10))
        send(scene, "Proposal Rejected", proposal=running.proposal, by="Ann")
        scene.berthmaster.run(minutes=1)
        ((kind, answer),) = answers(scene)
        assert (kind, answer["by"]) == ("Request Accepted", "Ann")
        assert len(scene.events("Expansion Failed")) == 1


def test_a_refused_decision_leaves_an_expansion_that_waits_as_it_is() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        assert len(scene.added_subnets()) == 1
        send(scene, "Proposal Approved", proposal=f"capacity.{scene.vpc_id}.20261122T113000Z")
        scene.berthmaster.run(minutes=0.1)
        assert [kind for kind, _ in answers(scene)] == ["Request Refused"]
        assert scene.events("Expansion Completed") == []
        scene.berthmaster.invoke(WATCH, {})
        assert scene.events("Expansion Stalled") == []
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == 1


# Retirements


def test_a_retirement_is_answered_and_so_is_a_second_one() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        kind, answer = answered(scene, "Retirement Requested", expansion=expansion, by="Ann")
        assert (kind, answer["subject"]) == ("Request Accepted", expansion)
        assert len(scene.events("Expansion Retired")) == 1
        kind, answer = answered(scene, "Retirement Requested", expansion=expansion, by="Bob")
        assert (kind, answer["text"]) == ("Request Accepted", "it was undone before")


def test_people_are_told_that_an_expansion_in_use_is_not_undone() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        added = scene.added_subnets()[0]["SubnetId"]
        scene.cloud.client("ec2").create_network_interface(SubnetId=added)
        kind, _ = answered(scene, "Retirement Requested", expansion=expansion)
        assert kind == "Request Accepted"
        (kept,) = scene.events("Retirement Refused")
        assert kept["reason"] in scene.berthmaster.published[-1].message


# What is not valid


@pytest.mark.parametrize(
    ("detail_type", "detail", "field"),
    [
        ("Expand Requested", {}, "detail.vpc"),
        ("Expand Requested", {"vpc": 17}, "detail.vpc"),
        ("Expand Requested", {"vpc": "vpc-nonsense"}, "detail.vpc"),
        ("Expand Requested", {"vpc": "vpc-0a1b2c3d4e5f60718", "addresses": 5}, "detail.subnet"),
        ("Expand Requested", {"vpc": "vpc-0a1b2c3d4e5f60718", "addresses": "many"}, "detail.addresses"),
        ("Retirement Requested", {"by": "Ann"}, "detail.expansion"),
        ("Retirement Requested", {"expansion": "yesterday's"}, "detail.expansion"),
        ("Proposal Approved", {"proposal": "capacity.shop"}, "detail.proposal"),
        ("Proposal Approved", {"proposal": "capacity.shop.20261122T113000Z"}, "detail.proposal"),
        ("Proposal Approved", {"proposal": [f"capacity.{EXPANSION}"]}, "detail.proposal"),
        ("Pause Requested", {"automation": "capacity", "by": {}}, "detail.by"),
    ],
)
def test_a_request_with_a_missing_or_wrong_field_is_refused_by_its_name(
    detail_type: str, detail: dict[str, Any], field: str
) -> None:
    with a_managed_vpc() as scene:
        kind, answer = answered(scene, detail_type, **detail)
        assert (kind, answer["request"]) == ("Request Refused", detail_type)
        assert answer["reason"].startswith(f"{field}: ")
        assert scene.writes() == []


@pytest.mark.parametrize("detail_type", ["Expand requested", "ExpandRequested", "Retirement Requsted"])
def test_a_mistyped_request_to_capacity_is_answered_once(detail_type: str) -> None:
    with a_managed_vpc() as scene:
        kind, answer = answered(scene, detail_type, vpc=scene.vpc_id)
        assert kind == "Request Unknown"
        assert answer["hint"] in {"Expand Requested", "Retirement Requested"}


# Failures of AWS

OUTAGES = ["dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:Query", "ec2:DescribeVpcs"]


@pytest.mark.parametrize("operation", OUTAGES)
def test_a_request_at_which_aws_fails_for_good_is_answered_within_a_minute(operation: str) -> None:
    with a_managed_vpc() as scene:
        scene.cloud.faults.begin_outage(Outage(operation, until=scene.cloud.clock.timestamp() + 600))
        send(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        scene.berthmaster.run(minutes=1)
        ((kind, answer),) = answers(scene)
        assert kind == "Request Refused"
        assert "it was not done" in answer["reason"]
        scene.berthmaster.drain()
        assert len(answers(scene)) == 1
        assert scene.writes() == []
        assert scene.dead_letters() == []


@pytest.mark.parametrize("operation", OUTAGES)
def test_a_request_at_which_aws_fails_for_seconds_is_carried_out(operation: str) -> None:
    with a_managed_vpc() as scene:
        scene.cloud.faults.begin_outage(Outage(operation, until=scene.cloud.clock.timestamp() + 10))
        send(scene, "Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        scene.berthmaster.run(minutes=1)
        assert [kind for kind, _ in answers(scene)] == ["Request Accepted"]
        scene.berthmaster.drain()
        assert len(scene.added_subnets()) == 1


@pytest.mark.parametrize("seconds", [10, 25])
def test_a_pause_at_which_aws_fails_for_seconds_is_applied(seconds: float) -> None:
    with a_managed_vpc() as scene:
        scene.cloud.faults.begin_outage(Outage("dynamodb:PutItem", until=scene.cloud.clock.timestamp() + seconds))
        send(scene, "Pause Requested", automation="capacity")
        scene.berthmaster.run(minutes=1)
        assert [kind for kind, _ in answers(scene)] == ["Automation Paused"]


def test_an_answer_that_the_bus_does_not_accept_at_once_is_published_later() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        scene.cloud.faults.begin_outage(Outage("events:PutEvents", until=scene.cloud.clock.timestamp() + 10))
        send(scene, "Proposal Approved", proposal=proposal)
        scene.berthmaster.run(minutes=1)
        assert [kind for kind, _ in answers(scene)] == ["Request Accepted"]


# How people are told


def test_people_are_told_the_account_the_region_and_the_name_of_the_vpc() -> None:
    with a_managed_vpc() as scene:
        scene.cloud.client("ec2").create_tags(Resources=[scene.vpc_id], Tags=[{"Key": "Name", "Value": "production"}])
        expansion = scene.expand()
        scene.request("Retirement Requested", expansion=expansion)
        assert len(scene.berthmaster.published) == 4
        for mail in scene.berthmaster.published:
            first = mail.message.splitlines()[0]
            assert f"{scene.vpc_id} (production)" in first
            assert "account 123456789012, eu-central-1" in first


# While there is much to do


def test_a_request_is_answered_within_a_minute_although_many_vpcs_are_short_at_the_same_time() -> None:
    with a_managed_vpc() as scene:
        for number in range(MANY):
            other = Network.create(scene.cloud, f"10.{number + 1}.0.0/24")
            subnet = other.subnet("a", f"10.{number + 1}.0.0/26")
            other.subnet("b", f"10.{number + 1}.0.64/26")
            fill_with_pods(other, subnet, leave=0)
            scene.put("berthmaster", "Room Needed", bus=BUS, **room_needed(other.vpc_id, subnet))
        scene.berthmaster.run(minutes=0.1)
        send(scene, "Retirement Requested", expansion=EXPANSION)
        scene.berthmaster.run(minutes=1)
        assert [one["subject"] for kind, one in answers(scene)] == [EXPANSION]
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == MANY


def test_each_of_many_requests_is_answered_within_a_minute() -> None:
    with a_managed_vpc() as scene:
        asked = set()
        for number in range(FEW):
            other = Network.create(scene.cloud, f"10.{number + 1}.0.0/26")
            subnet = other.subnet("a", f"10.{number + 1}.0.0/26")
            send(scene, "Expand Requested", vpc=other.vpc_id, subnet=subnet, addresses=50)
            asked.add(other.vpc_id)
        scene.berthmaster.run(minutes=1)
        assert {one["subject"] for _, one in answers(scene)} == asked
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == len(answers(scene)) == FEW


def room_needed(vpc_id: str, subnet_id: str) -> dict[str, Any]:
    """The detail of the watch's event about one subnet."""
    (detail,) = copy.deepcopy(schemas()["Room Needed"]["examples"])
    detail["subnets"][0]["subnet"] = subnet_id
    return {**detail, "vpc": vpc_id, "subnets": detail["subnets"][:1]}
