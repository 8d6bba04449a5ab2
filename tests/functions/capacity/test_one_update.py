"""A service is updated once per expansion, and its VPC can be expanded meanwhile."""

from simulator.workload.network import MANAGED
from tests.support.capacity.scene import EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room


def updates(scene: CapacityScene) -> int:
    return len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService"))


def reset_by_code(scene: CapacityScene, *, hours: int) -> None:
    """Infrastructure as code sets the list as it was; so many hours later, addresses are needed."""
    scene.cloud.client("ecs").update_service(
        cluster=scene.workload.cluster,
        service="shop",
        networkConfiguration=scene.network.network_configuration(*scene.subnets),
    )
    scene.berthmaster.run(minutes=hours * 60)
    scene.need_room()


def test_a_list_that_is_reset_is_restored_twice_a_day_apart_and_then_proposed() -> None:
    with a_vpc_short_of_room() as scene:
        scene.need_room()
        assert updates(scene) == 1
        reset_by_code(scene, hours=1)
        assert updates(scene) == 2
        reset_by_code(scene, hours=1)
        assert updates(scene) == 2
        assert scene.events("Expansion Proposed") == []
        scene.berthmaster.run(minutes=24 * 60)
        scene.need_room()
        assert updates(scene) == 3
        reset_by_code(scene, hours=30)
        scene.need_room()
        assert updates(scene) == 3
        (proposed,) = scene.events("Expansion Proposed")
        assert any("its list was reset each time" in warning for warning in proposed["warnings"])
        scene.request("Proposal Approved", proposal=proposed["proposal"])
        assert updates(scene) == 4
        assert len(scene.added_subnets()) == 1


def test_another_subnet_is_expanded_while_services_deploy() -> None:
    with a_managed_vpc() as scene:
        for number in range(8):
            scene.workload.service(f"s{number}", scene.network.network_configuration(scene.subnets[0]), 3, tags=MANAGED)
        scene.workload.service("other", scene.network.network_configuration(scene.subnets[2]), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=3)
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        assert updates(scene) > 0
        scene.put(
            "berthmaster.operator",
            "Expand Requested",
            bus="berthmaster",
            vpc=scene.vpc_id,
            subnet=scene.subnets[2],
            addresses=50,
        )
        scene.berthmaster.run(minutes=2)
        assert scene.events("Expansion Completed") == []
        assert {one["AvailabilityZone"][-1] for one in scene.added_subnets()} == {"a", "c"}
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == 2
