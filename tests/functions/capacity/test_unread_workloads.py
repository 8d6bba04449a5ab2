"""What runs tasks cannot be read: a subnet is built for the tasks that are seen, and nobody is told it is of no use."""

from typing import Any

import pytest

from simulator.errors import AwsError
from simulator.workload.network import MANAGED
from tests.support.capacity.scene import CapacityScene, a_managed_vpc

LISTS = ["ecs:ListClusters", "ecs:ListServices", "ecs:DescribeServices", "scheduler:ListScheduleGroups"]


def deny(scene: CapacityScene, operation: str) -> Any:
    """AWS denies an operation from now on; returns what answered it until now."""

    def denied(*_: Any) -> Any:
        raise AwsError("AccessDeniedException", "no")

    usual = scene.cloud.handlers.get(operation)
    scene.cloud.handlers[operation] = denied
    return usual


@pytest.mark.parametrize("operation", LISTS)
def test_tasks_get_a_subnet_although_what_runs_them_cannot_be_read(operation: str) -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        deny(scene, operation)
        scene.need_room()
        assert len(scene.added_subnets()) == 1
        assert scene.events("Expansion Impossible") == []
        (completed,) = scene.events("Expansion Completed")
        assert any("could not be read" in warning for warning in completed["warnings"])


def test_a_subnet_that_was_built_for_what_could_not_be_read_is_listed_when_it_can_be() -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        usual = deny(scene, "ecs:ListServices")
        for _ in range(3):
            scene.need_room()
            scene.berthmaster.run(minutes=60)
        (added,) = scene.added_subnets()
        assert added["SubnetId"] not in scene.service_subnets("shop")
        scene.cloud.handlers["ecs:ListServices"] = usual
        scene.need_room()
        assert added["SubnetId"] in scene.service_subnets("shop")


def test_no_subnet_is_built_for_a_database_because_services_cannot_be_read() -> None:
    with a_managed_vpc() as scene:
        scene.network.occupy(scene.subnets[0], leave=1, description="RDSNetworkInterface", requester="amazon-rds")
        scene.workload.service("shop", scene.network.network_configuration(*scene.subnets[1:]), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        deny(scene, "ecs:ListServices")
        scene.need_room()
        assert scene.added_subnets() == []
        (impossible,) = scene.events("Expansion Impossible")
        assert any("could not be read" in one for one in impossible["warnings"])
