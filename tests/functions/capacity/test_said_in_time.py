"""What an expansion waits for is said once and within minutes; what an invocation has no time for is done soon."""

from collections.abc import Mapping
from typing import Any

from simulator.aws.ecs.task_events import api_call_failed
from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.workload.network import Network
from tests.support.capacity.pods import fill_with_pods
from tests.support.capacity.scene import EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room


def deny(scene: CapacityScene, operation: str) -> None:
    def refuse(_: Cloud, params: Mapping[str, Any]) -> Any:
        raise AwsError("UnauthorizedOperation", f"You may not do this to {params['VpcId']}.", status=403)

    scene.cloud.handlers[operation] = refuse


def test_a_call_that_aws_denies_is_said_once_and_the_expansion_goes_on_when_it_is_allowed() -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        usual = scene.cloud.handlers.get("ec2:CreateSubnet")
        deny(scene, "ec2:CreateSubnet")
        scene.berthmaster.run(minutes=10)
        (said,) = scene.events("Failure Diagnosed")
        assert said["cause"] == "permission"
        assert "UnauthorizedOperation" in said["text"]
        scene.berthmaster.run(minutes=60)
        assert len(scene.events("Failure Diagnosed")) == 1
        assert len(scene.berthmaster.published) == 1
        assert scene.dead_letters() == []

        del scene.cloud.handlers["ec2:CreateSubnet"]
        if usual:
            scene.cloud.handlers["ec2:CreateSubnet"] = usual
        scene.berthmaster.run(minutes=10)
        assert len(scene.events("Expansion Completed")) == 1


def test_a_call_that_aws_denies_for_two_hours_ends_the_expansion_with_the_reason() -> None:
    with a_vpc_short_of_room() as scene:
        deny(scene, "ec2:CreateSubnet")
        scene.need_room()
        (failed,) = scene.events("Expansion Failed")
        assert "no progress" in failed["note"]
        assert "UnauthorizedOperation" in failed["note"]


def test_shortages_of_many_vpcs_are_all_handled_within_ten_minutes() -> None:
    with a_managed_vpc() as scene:
        networks = []
        for number in range(20):
            network = Network.create(scene.cloud, f"10.{number + 1}.0.0/26")
            network.subnet("a", f"10.{number + 1}.0.0/26")
            fill_with_pods(network, next(iter(network.subnets)), leave=0)
            networks.append(network)
        began = scene.cloud.clock.timestamp()
        for network in networks:
            scene.berthmaster.put_event(api_call_failed(scene.cloud, subnet_id=next(iter(network.subnets))))
        scene.berthmaster.run(minutes=10)
        done = {one["vpc"] for one in scene.events("Expansion Completed")}
        assert len(done) == len(networks)
        scene.berthmaster.drain()
        last = max(call.at for call in scene.cloud.calls.of(EXPAND))
        assert last - began < 600
