"""An expansion survives the death of the function before and after every single AWS call."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from simulator.faults import CrashAfter, CrashBefore
from tests.scenes import DEAD_LETTERS, EXPAND, QUEUE, Harbour, a_harbour_short_of_room
from tests.simulation.invariants import broken

MOST_CALLS = 120
"""More than an expansion makes; calls beyond the last one are told apart by `crashes`."""
STEP = 4


def outcome(harbour: Harbour) -> dict[str, Any]:
    """What an expansion leaves, ids aside."""
    by_id = {one["SubnetId"]: one["CidrBlock"] for one in harbour.berths()}
    return {
        "blocks": harbour.blocks(),
        "berths": [
            (one["CidrBlock"], one["AvailabilityZone"], sorted(tag["Key"] for tag in one["Tags"]))
            for one in harbour.berths()
        ],
        "shop": [by_id.get(subnet, "first") for subnet in harbour.service_subnets("shop")],
    }


@functools.cache
def calls_of_a_clean_run() -> tuple[int, dict[str, Any]]:
    with a_harbour_short_of_room() as harbour:
        harbour.room_needed()
        harbour.berthmaster.drain()
        return len(harbour.cloud.calls.of(EXPAND)), outcome(harbour)


def redelivered(harbour: Harbour) -> None:
    """The queue brings the message of the dead run back."""
    harbour.berthmaster.drain()


def told_again(harbour: Harbour) -> None:
    """The queue forgot everything; a later event about the same VPC comes."""
    harbour.cloud.client("sqs").purge_queue(QueueUrl=harbour.berthmaster.template.identity(QUEUE).ref)
    harbour.berthmaster.run(minutes=10)
    harbour.room_needed()
    harbour.berthmaster.drain()


def watched(harbour: Harbour) -> None:
    """The queue forgot everything; the watch finds the expansion stalled, or room needed."""
    harbour.cloud.client("sqs").purge_queue(QueueUrl=harbour.berthmaster.template.identity(QUEUE).ref)
    harbour.berthmaster.schedules_enabled = True
    harbour.berthmaster.run(minutes=25)
    harbour.berthmaster.drain()


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("recovery", [redelivered, told_again, watched])
@pytest.mark.parametrize("first", range(1, STEP + 1))
def test_wherever_it_dies_the_end_is_the_same(
    crash: type[CrashBefore | CrashAfter], recovery: Callable[[Harbour], None], first: int
) -> None:
    count, clean = calls_of_a_clean_run()
    assert count < MOST_CALLS
    step = STEP if recovery is redelivered else 3 * STEP
    for number in range(first, count + 1, step):
        with a_harbour_short_of_room() as harbour:
            harbour.cloud.faults.set_crash(crash(number, EXPAND))
            harbour.room_needed()
            harbour.berthmaster.run(minutes=2)
            recovery(harbour)
            assert harbour.cloud.faults.crashes == 1
            assert (number, broken(harbour)) == (number, [])
            assert (number, outcome(harbour)) == (number, clean)
            assert harbour.berthmaster.dead_letters(DEAD_LETTERS) == []
