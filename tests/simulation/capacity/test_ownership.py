"""A person associates the very block that an expansion is about to: whoever is first, it stays theirs."""

import functools
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from berthmaster.capacity.ledger.expansions import ExpansionState
from simulator.calls import OPERATOR
from tests.simulation.capacity.invariants import every_block_has_the_owner_that_made_it, expansions
from tests.support.capacity.scene import EXPAND, CapacityScene, a_managed_vpc

PARTS = 4
"""Tests that share the moments, so that they can run at the same time."""


def ask(scene: CapacityScene) -> None:
    scene.put(
        "berthmaster.operator",
        "Expand Requested",
        bus="berthmaster",
        vpc=scene.vpc_id,
        subnet=scene.subnets[0],
        addresses=50,
    )


@functools.cache
def moments() -> tuple[list[float], str]:
    """Between any two calls of capacity_expand until the block is associated, in seconds; and the block."""
    with a_managed_vpc() as scene:
        began = scene.cloud.clock.timestamp()
        ask(scene)
        scene.berthmaster.drain()
        calls = list(scene.cloud.calls.of(EXPAND))
        associated = next(number for number, call in enumerate(calls) if call.operation == "AssociateVpcCidrBlock")
        times = [call.at - began for call in calls[: associated + 3]]
        (block,) = scene.secondary_blocks().values()
        return [(before + after) / 2 for before, after in pairwise(times)], block


@pytest.mark.parametrize("part", range(PARTS))
def test_a_block_belongs_to_whoever_associated_it(part: int) -> None:
    times, block = moments()
    owners = set()
    for seconds in times[part::PARTS]:
        with a_managed_vpc() as scene:
            ask(scene)
            scene.berthmaster.run(minutes=seconds / 60)
            owners.add(by := associate(scene, block))
            scene.berthmaster.drain()
            assert (seconds, list(every_block_has_the_owner_that_made_it(scene, expansions(scene)))) == (seconds, [])
            for one in expansions(scene):
                if one.state in {ExpansionState.DONE, ExpansionState.FAILED}:
                    scene.request("Retirement Requested", expansion=one.id)
            scene.berthmaster.run(minutes=2)
            left = [block] if by == OPERATOR else []
            assert (seconds, list(scene.secondary_blocks().values())) == (seconds, left)
    assert owners


def associate(scene: CapacityScene, block: str) -> str:
    """Associate the block as a person, unless it is there already; returns who has done it."""
    try:
        scene.cloud.client("ec2").associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock=block)
    except ClientError:
        return EXPAND
    return OPERATOR
