"""An expansion survives the death of the function before and after every single AWS call."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from simulator.faults import CrashAfter, CrashBefore
from tests.simulation.invariants import broken
from tests.support.capacity.scene import DEAD_LETTERS, EXPAND, QUEUE, CapacityScene, a_vpc_short_of_room

MOST_CALLS = 120
"""More than an expansion makes; calls beyond the last one are told apart by `crashes`."""
STEP = 4


def outcome(scene: CapacityScene) -> dict[str, Any]:
    """What an expansion leaves, ids aside."""
    by_id = {one["SubnetId"]: one["CidrBlock"] for one in scene.berths()}
    return {
        "blocks": scene.blocks(),
        "berths": [
            (one["CidrBlock"], one["AvailabilityZone"], sorted(tag["Key"] for tag in one["Tags"]))
            for one in scene.berths()
        ],
        "shop": [by_id.get(subnet, "first") for subnet in scene.service_subnets("shop")],
    }


@functools.cache
def calls_of_a_clean_run() -> tuple[int, dict[str, Any]]:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.drain()
        return len(scene.cloud.calls.of(EXPAND)), outcome(scene)


def redelivered(scene: CapacityScene) -> None:
    """The queue brings the message of the dead run back."""
    scene.berthmaster.drain()


def told_again(scene: CapacityScene) -> None:
    """The queue forgot everything; a later event about the same VPC comes."""
    scene.cloud.client("sqs").purge_queue(QueueUrl=scene.berthmaster.template.identity(QUEUE).ref)
    scene.berthmaster.run(minutes=10)
    scene.room_needed()
    scene.berthmaster.drain()


def watched(scene: CapacityScene) -> None:
    """The queue forgot everything; the watch finds the expansion stalled, or room needed."""
    scene.cloud.client("sqs").purge_queue(QueueUrl=scene.berthmaster.template.identity(QUEUE).ref)
    scene.berthmaster.schedules_enabled = True
    scene.berthmaster.run(minutes=25)
    scene.berthmaster.drain()


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("recovery", [redelivered, told_again, watched])
@pytest.mark.parametrize("first", range(1, STEP + 1))
def test_wherever_it_dies_the_end_is_the_same(
    crash: type[CrashBefore | CrashAfter], recovery: Callable[[CapacityScene], None], first: int
) -> None:
    count, clean = calls_of_a_clean_run()
    assert count < MOST_CALLS
    step = STEP if recovery is redelivered else 3 * STEP
    for number in range(first, count + 1, step):
        with a_vpc_short_of_room() as scene:
            scene.cloud.faults.set_crash(crash(number, EXPAND))
            scene.room_needed()
            scene.berthmaster.run(minutes=2)
            recovery(scene)
            assert scene.cloud.faults.crashes == 1
            assert (number, broken(scene)) == (number, [])
            assert (number, outcome(scene)) == (number, clean)
            assert scene.berthmaster.dead_letters(DEAD_LETTERS) == []
