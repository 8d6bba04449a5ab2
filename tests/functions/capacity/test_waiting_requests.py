"""A request that waits for its VPC never multiplies, is carried out once, and is answered in the end."""

import pytest

from simulator.faults import CrashAfter, CrashBefore
from tests.support.capacity.scene import EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room
from tests.support.lost_responses import every_message_sent_twice

CALLS_OF_A_DEFERRAL = 7
"""The switch, the turn, the tag of the VPC, the lease; then the message and the end of the turn, and one more."""


def request_addresses(scene: CapacityScene) -> None:
    scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50, by="Ann")


def sent(scene: CapacityScene) -> int:
    """How often the function has sent a message to its own queue."""
    return len(scene.cloud.calls.of(EXPAND).named("sqs:SendMessage"))


def test_messages_whose_answers_are_lost_do_not_multiply() -> None:
    with a_managed_vpc(mode="approve") as scene, every_message_sent_twice(scene.cloud, EXPAND):
        scene.hold_lease(seconds=300)
        request_addresses(scene)
        assert sent(scene) == 11
        assert len(scene.events("Expansion Proposed")) == 1
        assert len(scene.berthmaster.invocations) == 12


@pytest.mark.parametrize("call", range(1, CALLS_OF_A_DEFERRAL + 1))
@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_crash_at_any_call_leaves_one_message_that_waits(
    call: int, crash: type[CrashBefore] | type[CrashAfter]
) -> None:
    with a_managed_vpc(mode="approve") as scene, every_message_sent_twice(scene.cloud, EXPAND):
        scene.hold_lease(seconds=1500)
        scene.cloud.faults.set_crash(crash(call, EXPAND))
        request_addresses(scene)
        assert scene.cloud.faults.crashes == 1
        assert sent(scene) <= 1500 / 30 + 2
        assert len(scene.events("Expansion Proposed")) == 1
        assert scene.dead_letters() == []


def test_a_request_that_eventbridge_delivers_twice_is_carried_out_once() -> None:
    with a_managed_vpc() as scene:
        request_addresses(scene)
        (request,) = [
            one.event for one in scene.berthmaster.bus_events if one.event["detail-type"] == "Expand Requested"
        ]
        scene.berthmaster.put_event(request, bus="berthmaster")
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == 1
        scene.berthmaster.run(minutes=60)
        scene.berthmaster.put_event(request, bus="berthmaster")
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == 1


def test_a_request_that_has_waited_for_an_hour_is_refused() -> None:
    with a_managed_vpc(mode="approve") as scene, every_message_sent_twice(scene.cloud, EXPAND):
        scene.hold_lease(seconds=2 * 3600)
        request_addresses(scene)
        (refused,) = scene.events("Request Refused")
        assert (refused["request"], refused["subject"], refused["by"]) == ("Expand Requested", scene.vpc_id, "Ann")
        assert "60 minutes" in refused["reason"]
        assert refused["reason"] in scene.berthmaster.published[-1].message
        assert scene.berthmaster.is_idle


def test_an_expansion_that_waits_is_resumed_by_one_message_although_each_is_sent_twice() -> None:
    with a_vpc_short_of_room() as scene, every_message_sent_twice(scene.cloud, EXPAND):
        scene.need_room()
        assert len(scene.events("Expansion Completed")) == 1
        waits = [line for line in scene.berthmaster.logs.records(EXPAND) if line.get("message") == "expansion waits"]
        handed_on = 1
        assert sent(scene) == len(waits) + handed_on


def test_messages_that_are_kept_in_mode_off_do_not_multiply() -> None:
    with a_vpc_short_of_room() as scene, every_message_sent_twice(scene.cloud, EXPAND):
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        scene.deploy_mode("off")
        before = sent(scene)
        scene.berthmaster.run(minutes=5 * 60)
        assert sent(scene) - before == 5 * 60 / 15
