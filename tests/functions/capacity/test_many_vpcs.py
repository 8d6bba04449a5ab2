"""Several VPCs of an account are short at the same moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from simulator.errors import Crashed
from simulator.latency import Realistic
from simulator.workload.network import MANAGED, Network
from tests.support.capacity.scene import CapacityScene, a_managed_vpc

VPCS = 6


@contextmanager
def several_vpcs_short(*, seed: int, **parameters: str) -> Iterator[tuple[CapacityScene, list[Network]]]:
    """A scene whose VPC and five others are full, each with a service of its own."""
    with a_managed_vpc(seed=seed, **parameters) as scene:
        networks = [scene.network]
        for number in range(1, VPCS):
            network = Network.create(scene.cloud, f"10.1.{number}.0/24", name=f"vpc-{number}")
            for zone, end in {"a": "0/26", "b": "64/26", "c": "128/25"}.items():
                network.subnet(zone, f"10.1.{number}.{end}")
            networks.append(network)
        for number, network in enumerate(networks):
            scene.workload.service(f"shop-{number}", network.network_configuration(), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        for network in networks:
            network.occupy(next(iter(network.subnets)), leave=1)
        scene.cloud.latency = Realistic(seed=seed)
        yield scene, networks


def report(scene: CapacityScene, networks: list[Network]) -> None:
    for network in networks:
        scene.room_needed(next(iter(network.subnets)), vpc=network.vpc_id)


def added_blocks(scene: CapacityScene) -> list[str]:
    vpcs = scene.cloud.client("ec2").describe_vpcs()["Vpcs"]
    return [one["CidrBlock"] for vpc in vpcs for one in vpc["CidrBlockAssociationSet"][1:]]


@pytest.mark.parametrize("seed", range(3))
def test_each_gets_a_block_that_no_other_has(seed: int) -> None:
    with several_vpcs_short(seed=seed) as (scene, networks):
        report(scene, networks)
        scene.berthmaster.run(minutes=5)
        report(scene, networks)
        scene.berthmaster.run(minutes=25)
        blocks = added_blocks(scene)
        assert len(blocks) == VPCS
        assert len(set(blocks)) == VPCS


def test_proposals_for_several_do_not_exclude_each_other() -> None:
    with several_vpcs_short(seed=1, mode="approve") as (scene, networks):
        report(scene, networks)
        scene.berthmaster.run(minutes=10)
        proposals = [one["proposal"] for one in scene.events("Expansion Proposed")]
        assert len(proposals) == VPCS
        for one in proposals:
            scene.request("Proposal Approved", proposal=one, by="Ann")
        assert len(scene.events("Expansion Completed")) == VPCS
        assert len(set(added_blocks(scene))) == VPCS


def test_a_proposal_that_has_expired_keeps_its_block_from_nobody() -> None:
    with several_vpcs_short(seed=1, mode="approve") as (scene, networks):
        for network in networks[:2]:
            report(scene, [network])
            scene.berthmaster.run(minutes=8 * 24 * 60)
        first, second = (one["block"] for one in scene.events("Expansion Proposed"))
        assert first == second


def test_a_run_that_dies_while_it_chooses_keeps_nobody_from_it() -> None:
    with several_vpcs_short(seed=1) as (scene, networks):
        die_at_the_first_record(scene)
        report(scene, networks)
        scene.berthmaster.run(minutes=30)
        assert len(set(added_blocks(scene))) == VPCS


def die_at_the_first_record(scene: CapacityScene) -> None:
    """A run dies with the lease under which blocks are chosen."""

    def die(*_: Any) -> Any:
        scene.cloud.handlers.pop("dynamodb:PutItem")
        raise Crashed("killed before PutItem")

    scene.cloud.handlers["dynamodb:PutItem"] = die
