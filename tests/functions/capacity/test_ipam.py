"""Blocks from an IPAM pool: named by the plan, within the pool's rules, associated once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment
from simulator.workload.network import Network
from simulator.workload.services import Workload
from tests.support.capacity.scene import UNSCHEDULED, CapacityScene

ASSOCIATE = "ec2:AssociateVpcCidrBlock"


@contextmanager
def a_vpc_with_a_pool(*cidrs: str, parameters: dict[str, str] | None = None, **rules: Any) -> Iterator[CapacityScene]:
    """A full VPC, and Berthmaster with an IPAM pool of these CIDRs."""
    with Cloud() as cloud:
        pool = cloud.ipam.create_pool(*cidrs, **rules)
        network = Network.create(cloud, "10.5.0.0/26")
        network.subnet("a", "10.5.0.0/26")
        configured = {"CapacityMode": "enforce", "CapacityIpamPool": pool, **(parameters or {})}
        berthmaster = Deployment(cloud, parameters=configured, unscheduled=UNSCHEDULED)
        berthmaster.schedules_enabled = False
        yield CapacityScene(cloud, network, Workload(cloud), berthmaster)


def pool_of(scene: CapacityScene) -> Any:
    (pool,) = scene.cloud.ipam.pools.values()
    return pool


def allocated(scene: CapacityScene) -> list[str]:
    return [str(one.cidr) for one in pool_of(scene).allocations]


def ask(scene: CapacityScene) -> None:
    scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)


def test_the_block_is_taken_from_the_pool_and_given_back() -> None:
    with a_vpc_with_a_pool("10.64.0.0/16") as scene:
        expansion = scene.expand()
        assert scene.blocks()[1:] == allocated(scene) == ["10.64.0.0/20"]
        scene.request("Retirement Requested", expansion=expansion)
        scene.berthmaster.run(minutes=2)
        assert (scene.blocks()[1:], allocated(scene)) == ([], [])


def test_a_lost_answer_associates_one_block() -> None:
    with a_vpc_with_a_pool("10.64.0.0/16") as scene:
        scene.cloud.faults.lose_response(lambda call: call.name == ASSOCIATE)
        scene.expand()
        assert scene.blocks()[1:] == allocated(scene) == ["10.64.0.0/20"]


def test_a_block_that_was_allocated_meanwhile_is_refused_and_the_next_plan_takes_another() -> None:
    with a_vpc_with_a_pool("10.64.0.0/16") as scene:
        usual = scene.cloud.handlers[ASSOCIATE]

        def late(cloud: Cloud, params: Any) -> Any:
            scene.cloud.handlers[ASSOCIATE] = usual
            cloud.ipam.allocate(params["Ipv4IpamPoolId"], params["CidrBlock"], "vpc", "vpc-0f0e0d0c0b0a09080")
            return usual(cloud, params)

        scene.cloud.handlers[ASSOCIATE] = late
        ask(scene)
        (failed,) = scene.events("Expansion Failed")
        assert "is not available" in failed["note"]
        assert scene.blocks()[1:] == []
        scene.expand()
        assert scene.blocks()[1:] == ["10.64.16.0/20"]


def test_the_pools_rules_are_kept() -> None:
    with a_vpc_with_a_pool("10.64.0.0/16", largest=24, smallest=24) as scene:
        scene.expand()
        assert scene.blocks()[1:] == ["10.64.0.0/24"]


def test_what_is_to_be_avoided_is_avoided_in_the_pool() -> None:
    with a_vpc_with_a_pool("10.64.0.0/16", parameters={"CapacityAvoid": "10.64.0.0/19"}) as scene:
        scene.expand()
        assert scene.blocks()[1:] == ["10.64.32.0/20"]


def test_a_vpc_without_the_tags_that_the_pool_requires_is_refused_with_the_reason() -> None:
    with a_vpc_with_a_pool("10.64.0.0/16", tags={"Owner": "net"}) as scene:
        ask(scene)
        (refused,) = scene.events("Request Refused")
        assert "Owner=net" in refused["reason"]
        assert scene.blocks()[1:] == []
        tags = [{"Key": "Owner", "Value": "net"}]
        scene.cloud.client("ec2").create_tags(Resources=[scene.vpc_id], Tags=tags)
        scene.expand()
        assert scene.blocks()[1:] == ["10.64.0.0/20"]


def test_what_was_approved_is_not_carried_out_when_the_pools_rules_have_changed() -> None:
    with a_vpc_with_a_pool("10.64.0.0/16", parameters={"CapacityMode": "approve"}) as scene:
        ask(scene)
        (proposed,) = scene.events("Expansion Proposed")
        pool_of(scene).largest = 24
        scene.request("Proposal Approved", proposal=proposed["proposal"], by="Ann")
        assert scene.blocks()[1:] == []
        (refused,) = scene.events("Request Refused")
        assert "allocates no /20" in refused["reason"]
