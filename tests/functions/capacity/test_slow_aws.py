"""AWS is slow, or there is much to read: an invocation ends in time, and what it has done is not lost."""

import json
from pathlib import Path

from simulator.calls import Call
from simulator.latency import Delay, Realistic
from tests.support.capacity.scene import EXPAND, WATCH, CapacityScene, a_managed_vpc, a_vpc_short_of_room

EVENT = json.loads((Path(__file__).parents[3] / "events" / "capacity_watch.json").read_text())


class Slow(Realistic):
    """Calls of EC2 and ECS take so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seed=1)
        self._seconds = seconds

    def of_call(self, call: Call) -> Delay:
        return Delay(self._seconds, 0.0) if call.service in {"ec2", "ecs"} else super().of_call(call)


def add_clusters(scene: CapacityScene, count: int) -> None:
    """Clusters with a service each that is not managed."""
    ecs = scene.cloud.client("ecs")
    ecs.register_task_definition(
        family="other", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
    )
    for number in range(count):
        ecs.create_cluster(clusterName=f"cluster-{number}")
        ecs.create_service(
            cluster=f"cluster-{number}",
            serviceName=f"service-{number}",
            taskDefinition="other",
            desiredCount=0,
            networkConfiguration=scene.network.network_configuration(),
        )


def test_a_cycle_reports_in_time_although_each_call_takes_seconds() -> None:
    with a_managed_vpc() as scene:
        add_clusters(scene, 30)
        scene.fill(leave=0)
        scene.cloud.latency = Slow(8)
        invocation = scene.berthmaster.invoke(WATCH, EVENT)
        assert invocation.error is None
        assert len(scene.events("Room Needed")) == 1


def test_a_vpc_with_many_clusters_and_subnets_of_prefixes_is_read_in_seconds() -> None:
    with a_managed_vpc() as scene:
        add_clusters(scene, 100)
        ec2 = scene.cloud.client("ec2")
        vpc = scene.network
        ec2.associate_vpc_cidr_block(VpcId=vpc.vpc_id, CidrBlock="100.64.0.0/20")
        scene.berthmaster.run(minutes=1)
        for number in range(60):
            subnet = vpc.subnet("a", f"100.64.{number // 4}.{number % 4 * 64}/26")
            ec2.create_network_interface(SubnetId=subnet, Ipv4PrefixCount=1)
        scene.fill(leave=0)
        scene.room_needed()
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == 1
        calls = list(scene.cloud.calls.of(EXPAND))
        first = min(call.at for call in calls)
        written = min(call.at for call in calls if not call.is_read and call.service == "ec2")
        assert written - first < 15


def test_an_invocation_without_time_leaves_the_rest_of_the_writes_to_the_next() -> None:
    with a_vpc_short_of_room() as scene:
        for which in (1, 2):
            scene.fill(which=which, leave=0)
        scene.cloud.latency = Slow(5)
        scene.berthmaster.schedules_enabled = True
        scene.room_needed()
        scene.berthmaster.run(minutes=40)
        assert [one.error for one in scene.berthmaster.invocations if one.error] == []
        assert len(scene.events("Expansion Completed")) == 1


def test_an_approval_ends_in_time_although_each_call_takes_seconds() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        add_clusters(scene, 60)
        scene.cloud.latency = Slow(8)
        scene.request("Proposal Approved", proposal=proposal)
        assert [one.error for one in scene.berthmaster.invocations if one.error] == []
        assert len(scene.events("Request Accepted", "Request Refused")) == 1
