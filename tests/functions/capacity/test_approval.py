"""A proposal is carried out as it was approved, or refused with the reason."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.workload.network import MANAGED
from tests.functions.capacity.test_requests import room_needed
from tests.support.capacity.scene import BUS, CapacityScene, a_managed_vpc, a_vpc_short_of_room
from tests.support.mails import paste


def approve(scene: CapacityScene, proposal: str, **more: str) -> None:
    scene.request("Proposal Approved", proposal=proposal, by="Ann", **more)


def reject(scene: CapacityScene, proposal: str) -> None:
    scene.request("Proposal Rejected", proposal=proposal, by="Ann")


def test_an_approved_plan_is_carried_out_as_it_was_proposed() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        (proposed,) = scene.events("Expansion Proposed")
        approve(scene, proposal, fingerprint=proposed["fingerprint"])
        (completed,) = scene.events("Expansion Completed")
        assert completed["expansion"] == proposed["expansion"]
        assert (completed["fingerprint"], completed["by"]) == (proposed["fingerprint"], "Ann")
        assert len(scene.added_subnets()) == 1


@pytest.mark.parametrize(
    ("detail_type", "outcome"),
    [("Proposal Approved", "Expansion Completed"), ("Proposal Rejected", "Expansion Rejected")],
)
def test_the_commands_in_the_notification_decide(detail_type: str, outcome: str) -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        scene.propose()
        paste(scene.cloud, scene.berthmaster.published[0].message, detail_type)
        scene.berthmaster.drain()
        assert len(scene.events(outcome)) == 1
        assert len(scene.added_subnets()) == (outcome == "Expansion Completed")


def test_the_command_in_the_notification_of_an_expansion_undoes_it() -> None:
    with a_managed_vpc() as scene:
        scene.expand()
        paste(scene.cloud, scene.berthmaster.published[-1].message, "Retirement Requested")
        scene.berthmaster.drain()
        assert scene.added_subnets() == []


def test_approving_twice_expands_once() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        approve(scene, proposal)
        approve(scene, proposal)
        assert len(scene.added_subnets()) == 1
        assert len(scene.blocks()) == 2


def test_a_plan_that_is_out_of_date_is_proposed_again_and_not_carried_out() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        old = scene.propose()
        scene.cloud.client("ec2").associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock="100.64.0.0/16")
        scene.berthmaster.run(minutes=1)
        approve(scene, old)
        assert scene.added_subnets() == []
        assert [one["proposal"] == old for one in scene.events("Expansion Proposed")] == [True, False]
        (refused,) = scene.events("Request Refused")
        assert (refused["request"], refused["subject"], refused["by"]) == ("Proposal Approved", old, "Ann")
        assert "changed" in refused["reason"]


def change_now_and_then(scene: CapacityScene, *, hours: int) -> None:
    """What happens all the time: services scale and are deployed, and others take addresses and give them back."""
    random = Random(hours)  # noqa: S311 - reproducible on purpose
    ec2, ecs = scene.cloud.client("ec2"), scene.cloud.client("ecs")
    held: list[str] = []
    for _ in range(hours * 6):
        name = random.choice(["cart", "shop", "till"])
        match random.randrange(4):
            case 0:
                ecs.update_service(cluster=scene.workload.cluster, service=name, desiredCount=random.randrange(3, 12))
            case 1:
                scene.workload.deploy(name)
            case 2:
                subnet = random.choice(scene.subnets)
                if scene.network.free(subnet) > 0:
                    created = ec2.create_network_interface(SubnetId=subnet)
                    held.append(created["NetworkInterface"]["NetworkInterfaceId"])
            case _ if held:
                ec2.delete_network_interface(NetworkInterfaceId=held.pop())
        scene.berthmaster.run(minutes=10)


@pytest.mark.parametrize(("mode", "event"), [("approve", "Expansion Proposed"), ("observe", "Expansion Reported")])
def test_six_hours_of_ordinary_change_lead_to_one_proposal(mode: str, event: str) -> None:
    with a_vpc_short_of_room(mode=mode, watched=True) as scene:
        for name in ("cart", "till"):
            scene.workload.service(name, scene.network.network_configuration(), 4, tags=MANAGED)
        change_now_and_then(scene, hours=6)
        assert len(scene.events(event)) == 1


def test_a_proposal_is_replaced_when_another_zone_needs_addresses_too() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        old = scene.propose()
        scene.fill(leave=0, which=1)
        scene.put("berthmaster", "Room Needed", bus=BUS, **room_needed(scene.vpc_id, scene.subnets[1]))
        scene.berthmaster.drain()
        first, second = scene.events("Expansion Proposed")
        assert [len(one["subnets"]) for one in (first, second)] == [1, 2]
        approve(scene, old)
        (refused,) = scene.events("Request Refused")
        assert refused["reason"] == f"it is superseded: {scene.subnets[1]} needs addresses too"
        approve(scene, second["proposal"])
        assert len(scene.added_subnets()) == 2


def test_what_was_approved_is_carried_out_although_the_plan_would_be_a_little_different_by_now() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        (proposed,) = scene.events("Expansion Proposed")
        scene.workload.service("cart", scene.network.network_configuration(), 2, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        approve(scene, proposal, fingerprint=proposed["fingerprint"])
        (completed,) = scene.events("Expansion Completed")
        assert (completed["fingerprint"], completed["steps"]) == (proposed["fingerprint"], proposed["steps"])
        assert scene.service_subnets("cart") == scene.subnets


def test_a_proposal_that_nothing_needs_any_more_ends_quietly_after_a_day() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        scene.network.release(scene.subnets[0])
        scene.need_room()
        assert len(scene.events("Expansion Proposed")) == 1
        scene.berthmaster.run(minutes=24 * 60)
        mails = len(scene.berthmaster.published)
        scene.need_room()
        assert len(scene.berthmaster.published) == mails
        approve(scene, proposal)
        (refused,) = scene.events("Request Refused")
        assert refused["reason"] == "it is expired: no subnet needs addresses any more"


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (reject, "rejected"),
        (lambda scene, _: scene.berthmaster.run(minutes=7 * 1440), "expired"),
    ],
)
def test_a_rejected_or_expired_proposal_cannot_be_approved(
    before: Callable[[CapacityScene, str], None], reason: str
) -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        before(scene, proposal)
        approve(scene, proposal)
        assert scene.writes() == []
        assert reason in scene.events("Request Refused")[0]["reason"]
        assert reason in scene.berthmaster.published[-1].message


def test_the_fingerprint_of_another_plan_approves_nothing() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        approve(scene, scene.propose(), fingerprint="0123456789ab")
        assert scene.writes() == []


def test_a_rejected_plan_is_not_proposed_again() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        reject(scene, scene.propose())
        scene.need_room()
        assert len(scene.events("Expansion Proposed")) == 1


def test_rejecting_an_expansion_in_progress_abandons_it() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        (added,) = scene.added_subnets()
        tags = {tag["Key"]: tag["Value"] for tag in added["Tags"]}
        reject(scene, f"capacity.{tags['berthmaster:expansion']}")
        assert "abandoned by Ann" in scene.events("Expansion Failed")[0]["note"]


def interfaces_of_tests(scene: CapacityScene) -> list[str]:
    found = scene.cloud.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "tag-key", "Values": ["berthmaster:expansion"]}]
    )
    return [one["NetworkInterfaceId"] for one in found["NetworkInterfaces"]]


def an_expansion_that_cannot_end_its_test(scene: CapacityScene) -> str:
    """AWS fails to delete the test interface of an expansion; returns the id of the expansion."""

    def fail(_: Cloud, params: Mapping[str, Any]) -> Any:
        raise AwsError("InternalError", f"{params['NetworkInterfaceId']} is not deleted.", status=500)

    usual = scene.cloud.handlers.get("ec2:DeleteNetworkInterface")
    scene.cloud.handlers["ec2:DeleteNetworkInterface"] = fail
    scene.room_needed()
    scene.berthmaster.run(minutes=3)
    del scene.cloud.handlers["ec2:DeleteNetworkInterface"]
    if usual:
        scene.cloud.handlers["ec2:DeleteNetworkInterface"] = usual
    assert interfaces_of_tests(scene)
    (added,) = scene.added_subnets()
    return next(tag["Value"] for tag in added["Tags"] if tag["Key"] == "berthmaster:expansion")


def test_an_abandoned_expansion_leaves_no_test_interface() -> None:
    with a_vpc_short_of_room() as scene:
        reject(scene, f"capacity.{an_expansion_that_cannot_end_its_test(scene)}")
        assert interfaces_of_tests(scene) == []
        assert len(scene.events("Expansion Failed")) == 1


def test_a_request_waits_while_another_invocation_works_on_the_vpc() -> None:
    with a_managed_vpc(mode="approve") as scene:
        scene.hold_lease(seconds=200)
        scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        assert len(scene.events("Expansion Proposed")) == 1
