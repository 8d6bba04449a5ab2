"""Addresses in an `explicit` reservation are not free room, whether AWS's count includes them or not."""

import pytest

from tests.support.capacity.scene import CapacityScene, a_vpc_short_of_room


def reserve(scene: CapacityScene, *, is_counted: bool) -> None:
    """Reserve half of the third subnet, which tasks and others have filled otherwise."""
    scene.cloud.interfaces.explicit_is_free = is_counted
    scene.cloud.client("ec2").create_subnet_cidr_reservation(
        SubnetId=scene.subnets[2], Cidr="10.0.0.192/26", ReservationType="explicit"
    )


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_subnet_whose_only_free_addresses_are_reserved_is_expanded(*, is_counted: bool) -> None:
    with a_vpc_short_of_room(CapacityHorizonDays=1) as scene:
        reserve(scene, is_counted=is_counted)
        scene.fill(which=2, leave=64 if is_counted else 1)
        scene.room_needed(scene.subnets[2])
        scene.berthmaster.drain()
        assert "eu-central-1c" in {one["AvailabilityZone"] for one in scene.added_subnets()}


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_reservation_beside_free_addresses_is_no_shortage(*, is_counted: bool) -> None:
    with a_vpc_short_of_room() as scene:
        scene.network.release(scene.subnets[0])
        reserve(scene, is_counted=is_counted)
        scene.room_needed(scene.subnets[2])
        scene.berthmaster.drain()
        assert scene.added_subnets() == []
