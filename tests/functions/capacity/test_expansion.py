"""capacity_expand adds addresses to a VPC that is short of them, as far as its mode allows."""

from typing import Any

import pytest

from simulator.errors import AwsError
from simulator.workload.network import MANAGED
from tests.support.capacity.scene import a_managed_vpc, a_vpc_short_of_room


def test_enforce_adds_a_block_and_a_wired_subnet_and_notifies() -> None:
    with a_vpc_short_of_room() as scene:
        scene.need_room()
        assert scene.blocks() == ["10.0.0.0/24", "100.64.0.0/20"]
        (added,) = scene.added_subnets()
        assert added["AvailabilityZone"] == "eu-central-1a"
        assert added["SubnetId"] in scene.service_subnets("shop")
        ec2 = scene.cloud.client("ec2")
        of_subnet = [{"Name": "association.subnet-id", "Values": [added["SubnetId"]]}]
        tables = ec2.describe_route_tables(Filters=of_subnet)["RouteTables"]
        assert [table["RouteTableId"] for table in tables] == [scene.network.route_tables["a"]]
        acls = ec2.describe_network_acls(Filters=of_subnet)["NetworkAcls"]
        assert [acl["NetworkAclId"] for acl in acls] == [scene.network.acl_id]
        assert len(scene.events("Expansion Completed")) == 1
        assert "was expanded" in scene.berthmaster.published[-1].subject


def test_every_new_subnet_is_tested_with_an_interface_that_is_deleted_again() -> None:
    with a_vpc_short_of_room() as scene:
        scene.need_room()
        writes = scene.writes()
        assert writes.count("CreateNetworkInterface") == writes.count("DeleteNetworkInterface") == 1


@pytest.mark.parametrize("mode", ["observe", "approve"])
def test_without_permission_nothing_is_changed_and_people_are_notified_once(mode: str) -> None:
    with a_vpc_short_of_room(mode=mode) as scene:
        for _ in range(3):
            scene.need_room()
            scene.berthmaster.run(minutes=5)
        assert scene.writes() == []
        assert len(scene.berthmaster.published) == 1
        assert "100.64.0.0/20" in scene.berthmaster.published[0].message


def test_a_vpc_without_the_tag_is_not_touched() -> None:
    with a_vpc_short_of_room(managed=False) as scene:
        scene.room_needed()
        scene.request("Expand Requested", vpc=scene.vpc_id)
        assert scene.writes() == []
        (refused,) = scene.events("Request Refused")
        assert "has no tag berthmaster:capacity=managed" in refused["reason"]
        assert len(scene.berthmaster.published) == 1


def test_an_event_about_a_vpc_with_room_changes_nothing() -> None:
    with a_managed_vpc() as scene:
        scene.need_room()
        assert scene.writes() == []


def test_free_addresses_inside_the_vpc_are_used_without_a_new_block() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.client("ec2").associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock="100.70.0.0/16")
        scene.berthmaster.run(minutes=1)
        scene.need_room()
        assert scene.blocks() == ["10.0.0.0/24", "100.70.0.0/16"]
        assert len(scene.added_subnets()) == 1


def test_if_an_added_subnet_has_room_a_second_shortage_only_wires() -> None:
    with a_vpc_short_of_room() as scene:
        scene.need_room()
        scene.workload.service("late", scene.network.network_configuration(scene.subnets[0]), 0, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        (added,) = scene.added_subnets()
        assert added["SubnetId"] in scene.service_subnets("late")


def test_a_subnet_that_failed_its_test_is_not_used() -> None:
    def refuse(*_: Any) -> None:
        raise AwsError("InvalidNetworkAclID.NotFound", "The network ACL does not exist.")

    with a_vpc_short_of_room() as scene:
        scene.cloud.handlers["ec2:ReplaceNetworkAclAssociation"] = refuse
        scene.need_room()
        (added,) = scene.added_subnets()
        assert "berthmaster:sibling" not in {tag["Key"] for tag in added["Tags"]}
        assert added["SubnetId"] not in scene.service_subnets("shop")
        assert len(scene.events("Expansion Failed")) == 1
