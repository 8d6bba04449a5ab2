"""An expansion survives that its function dies before and after every write, and that any answer is lost.

A read changes nothing, so to die before or after a read is to die before the next write.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from simulator.calls import Call
from simulator.faults import CrashAfter, CrashBefore
from tests.simulation.capacity.invariants import broken
from tests.support.capacity.scene import EXPAND, QUEUE, CapacityScene, a_vpc_short_of_room

PARTS = 4
"""Tests that share the writes, so that they can run at the same time."""
NOT_RETRIED = "ecs:UpdateService"
"""The SDK does not repeat it, since each replaces all tasks of a service."""


def outcome(scene: CapacityScene) -> dict[str, Any]:
    """What an expansion leaves, without ids."""
    added = scene.added_subnets()
    by_id = {one["SubnetId"]: one["CidrBlock"] for one in added}
    return {
        "blocks": scene.blocks(),
        "subnets": [
            (one["CidrBlock"], one["AvailabilityZone"], sorted(tag["Key"] for tag in one["Tags"])) for one in added
        ],
        "shop": [by_id.get(subnet, "first") for subnet in scene.service_subnets("shop")],
    }


@functools.cache
def without_a_crash() -> tuple[list[int], dict[str, Any]]:
    """The numbers of the calls that write, and the outcome."""
    with a_vpc_short_of_room() as scene:
        scene.need_room()
        calls = scene.cloud.calls.of(EXPAND)
        return [number for number, call in enumerate(calls, 1) if not call.is_read], outcome(scene)


def redelivered(scene: CapacityScene) -> None:
    """The queue delivers the message of the dead invocation again."""
    scene.berthmaster.drain()


def reported_again(scene: CapacityScene) -> None:
    """The queue loses everything; later another event about the VPC arrives."""
    lose_messages(scene)
    scene.berthmaster.run(minutes=10)
    scene.need_room()


def watched(scene: CapacityScene) -> None:
    """The queue loses everything; the watch finds the expansion stalled, or addresses needed."""
    lose_messages(scene)
    scene.berthmaster.schedules_enabled = True
    scene.berthmaster.run(minutes=25)
    scene.berthmaster.drain()


def lose_messages(scene: CapacityScene) -> None:
    scene.cloud.client("sqs").purge_queue(QueueUrl=scene.berthmaster.template.identity(QUEUE).ref)


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("recovery", [redelivered, reported_again, watched])
@pytest.mark.parametrize("part", range(PARTS))
def test_the_outcome_does_not_depend_on_where_the_function_dies(
    crash: type[CrashBefore | CrashAfter], recovery: Callable[[CapacityScene], None], part: int, stride: int
) -> None:
    writes, expected = without_a_crash()
    assert len(writes) > 20
    for number in writes[part :: PARTS * stride]:
        with a_vpc_short_of_room() as scene:
            scene.cloud.faults.set_crash(crash(number, EXPAND))
            scene.room_needed()
            scene.berthmaster.run(minutes=2)
            recovery(scene)
            assert scene.cloud.faults.crashes == 1
            assert (number, broken(scene)) == (number, [])
            assert (number, outcome(scene)) == (number, expected)
            assert scene.dead_letters() == []


@pytest.mark.parametrize("part", range(PARTS))
def test_the_outcome_does_not_depend_on_which_answer_is_lost(part: int, stride: int) -> None:
    writes, expected = without_a_crash()
    for number in writes[part :: PARTS * stride]:
        with a_vpc_short_of_room() as scene:
            lost = lose_response_of(scene, number)
            scene.need_room()
            scene.berthmaster.run(minutes=2)
            retried = [call.name for call in scene.cloud.calls.of(EXPAND) if call.attempts > 1]
            assert retried or lost == [NOT_RETRIED]
            assert (number, broken(scene)) == (number, [])
            assert (number, outcome(scene)) == (number, expected)
            assert scene.dead_letters() == []


def lose_response_of(scene: CapacityScene, number: int) -> list[str]:
    """Lose the response of the n-th call; returns its name, as soon as it is made."""
    numbers, lost = itertools.count(1), []

    def is_lost(call: Call) -> bool:
        if call.caller != EXPAND or next(numbers) != number:
            return False
        lost.append(call.name)
        return True

    scene.cloud.faults.lose_response(is_lost)
    return lost
