"""An account has thousands of services, most of them in other VPCs: capacity_expand does not wait for all of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulator.calls import Call
from simulator.errors import AwsError
from simulator.latency import Delay, Realistic
from simulator.workload.many_services import add_services
from simulator.workload.network import MANAGED, Network
from tests.support.capacity.scene import EXPAND, WATCH, CapacityScene, a_managed_vpc

EVENTS = Path(__file__).parents[3] / "events"

CLUSTERS, EACH = 50, 100


class Sluggish(Realistic):
    """A call of ECS takes 0.2 seconds."""

    def of_call(self, call: Call) -> Delay:
        return Delay(0.1, 0.1) if call.service == "ecs" else super().of_call(call)


@contextmanager
def a_vpc_with_room() -> Iterator[CapacityScene]:
    """A scene whose service `shop` runs in all three subnets."""
    with a_managed_vpc() as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        yield scene


def another_vpc(scene: CapacityScene) -> Network:
    """A VPC that is not managed, with one subnet."""
    network = Network.create(scene.cloud, "10.9.0.0/16", name="other", zones=("a",), managed=False)
    network.subnet("a", "10.9.0.0/20")
    return network


def add_elsewhere(scene: CapacityScene, network: Network) -> None:
    """5,000 services in another VPC."""
    for number in range(CLUSTERS):
        names = [f"service-{number}-{which}" for which in range(EACH)]
        add_services(scene.cloud, f"elsewhere-{number}", names, network.network_configuration())


def watch(scene: CapacityScene, cycles: int) -> None:
    for _ in range(cycles):
        assert scene.berthmaster.invoke(WATCH, {}).error is None
        scene.berthmaster.run(minutes=5)


def seconds_until_written(scene: CapacityScene, since: float) -> float:
    """From a moment to the first write of capacity_expand to EC2."""
    return min(call.at for call in scene.cloud.calls.of(EXPAND) if call.service == "ec2" and not call.is_read) - since


def described(scene: CapacityScene) -> list[Any]:
    return [
        service
        for call in scene.cloud.calls.of(EXPAND).named("ecs:DescribeServices")
        for service in call.params["services"]
    ]


def seen_by_watch(scene: CapacityScene) -> list[str]:
    """The clusters that the table has, by name."""
    found = scene.cloud.client("dynamodb").query(
        TableName=scene.table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
        ExpressionAttributeValues={":pk": {"S": "inventory"}, ":prefix": {"S": "cluster "}},
    )
    return [item["sk"]["S"].rpartition("/")[2] for item in found["Items"]]


def move(scene: CapacityScene, cluster: str, service: str, network: Network) -> None:
    scene.cloud.client("ecs").update_service(
        cluster=cluster, service=service, networkConfiguration=network.network_configuration()
    )


def task_failed(scene: CapacityScene, cluster: str, service: str) -> None:
    """ECS reports a task of a service that found no address in the first subnet."""
    (record,) = json.loads((EVENTS / "capacity_expand_task_stopped.json").read_text())["Records"]
    event = json.loads(record["body"])
    event["detail"]["clusterArn"] = f"arn:aws:ecs:{scene.cloud.region}:{scene.cloud.account_id}:cluster/{cluster}"
    event["detail"]["group"] = f"service:{service}"
    reason = f"Unexpected EC2 error while attempting to Create Network Interface in subnet '{scene.subnets[0]}'"
    event["detail"]["stoppedReason"] = f"{reason}: InsufficientFreeAddressesInSubnet"
    scene.put("aws.ecs", "ECS Task State Change", **event["detail"])
    scene.berthmaster.drain()


def test_a_vpc_is_expanded_in_time_although_5000_services_run_elsewhere() -> None:
    with a_vpc_with_room() as scene:
        add_elsewhere(scene, another_vpc(scene))
        scene.cloud.latency = Sluggish(seed=1)
        watch(scene, 14)
        assert len(seen_by_watch(scene)) == 1 + CLUSTERS
        scene.berthmaster.drain()
        scene.fill(leave=1)
        began = scene.cloud.clock.timestamp()
        scene.room_needed()
        scene.berthmaster.drain()
        assert seconds_until_written(scene, began) < 10
        assert {service.rpartition("/")[2] for service in described(scene)} == {"shop"}
        assert not [one.error for one in scene.berthmaster.invocations if one.error]
        assert len(scene.events("Expansion Completed")) == 1
        assert len(scene.service_subnets("shop")) == 4


def test_even_with_nothing_known_subnets_are_added_before_all_services_are_read() -> None:
    with a_vpc_with_room() as scene:
        add_elsewhere(scene, another_vpc(scene))
        scene.cloud.latency = Sluggish(seed=1)
        scene.fill(leave=1)
        began = scene.cloud.clock.timestamp()
        scene.need_room()
        assert seconds_until_written(scene, began) < 45
        assert not [one.error for one in scene.berthmaster.invocations if one.error]
        (completed,) = scene.events("Expansion Completed")
        assert any("could not be read" in warning for warning in completed["warnings"])


def test_a_service_that_is_new_in_a_cluster_of_the_vpc_is_found_at_once() -> None:
    with a_vpc_with_room() as scene:
        watch(scene, 1)
        add_services(scene.cloud, "web", ["new"], scene.network.network_configuration(), tags=MANAGED)
        scene.fill(leave=1)
        scene.need_room()
        assert len(scene.service_subnets("new")) == 4


def test_a_service_that_is_gone_since_the_watch_read_its_cluster_is_not_missed() -> None:
    with a_vpc_with_room() as scene:
        add_services(scene.cloud, "web", ["gone"], scene.network.network_configuration(), tags=MANAGED)
        watch(scene, 1)
        scene.cloud.client("ecs").delete_service(cluster="web", service="gone", force=True)
        scene.fill(leave=1)
        scene.need_room()
        assert len(scene.service_subnets("shop")) == 4
        assert len(scene.events("Expansion Completed")) == 1
        assert "gone" not in str(scene.events("Expansion Completed"))


def test_a_service_that_came_from_another_vpc_is_found_when_one_of_its_tasks_fails() -> None:
    with a_vpc_with_room() as scene:
        add_services(scene.cloud, "other", ["moved"], another_vpc(scene).network_configuration(), tags=MANAGED)
        watch(scene, 2)
        move(scene, "other", "moved", scene.network)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        scene.need_room()
        (added,) = scene.added_subnets()
        assert added["SubnetId"] not in subnets_of(scene, "other", "moved")
        task_failed(scene, "other", "moved")
        assert added["SubnetId"] in subnets_of(scene, "other", "moved")


def test_a_service_that_came_from_another_vpc_is_found_when_the_watch_has_read_it_again() -> None:
    with a_vpc_with_room() as scene:
        add_services(scene.cloud, "other", ["moved"], another_vpc(scene).network_configuration(), tags=MANAGED)
        watch(scene, 2)
        move(scene, "other", "moved", scene.network)
        watch(scene, 1)
        scene.fill(leave=1)
        scene.need_room()
        assert len(subnets_of(scene, "other", "moved")) == 4


def test_a_cluster_that_ecs_does_not_show_now_is_taken_as_the_watch_read_it() -> None:
    with a_vpc_with_room() as scene:
        watch(scene, 1)
        scene.fill(leave=1)
        usual = scene.cloud.handlers["ecs:ListServices"]
        scene.cloud.handlers["ecs:ListServices"] = denied
        scene.need_room()
        scene.cloud.handlers["ecs:ListServices"] = usual
        assert len(scene.service_subnets("shop")) == 4
        (completed,) = scene.events("Expansion Completed")
        assert any("services in cluster web could not be read" in warning for warning in completed["warnings"])


def denied(*_: Any) -> Any:
    raise AwsError("AccessDeniedException", "no")


def subnets_of(scene: CapacityScene, cluster: str, service: str) -> list[str]:
    (found,) = scene.cloud.client("ecs").describe_services(cluster=cluster, services=[service])["services"]
    subnets: list[str] = found["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    return subnets
