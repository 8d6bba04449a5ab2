"""A new subnet is made where its sibling is: its zone, its IPv6 range, its owner."""

from typing import Any

from simulator.aws.ec2.subnets import LOCAL_ZONES
from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment
from simulator.workload.network import MANAGED, Network
from simulator.workload.services import Workload
from tests.support.capacity.scene import UNSCHEDULED, CapacityScene, a_vpc_short_of_room

OUTPOST = "arn:aws:outposts:eu-central-1:123456789012:outpost/op-0a1b2c3d4e5f60718"


def a_scene(cloud: Cloud, **place: Any) -> CapacityScene:
    """A VPC whose only subnet is in that place, with the service `shop`."""
    network = Network.create(cloud, "10.0.0.0/26")
    ec2 = cloud.client("ec2")
    if "Ipv6CidrBlock" in place:
        ec2.associate_vpc_cidr_block(VpcId=network.vpc_id, AmazonProvidedIpv6CidrBlock=True)
        vpc = ec2.describe_vpcs(VpcIds=[network.vpc_id])["Vpcs"][0]
        place["Ipv6CidrBlock"] = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    subnet = ec2.create_subnet(VpcId=network.vpc_id, CidrBlock="10.0.0.0/26", **place)["Subnet"]["SubnetId"]
    network.subnets[subnet] = "a"
    scene = CapacityScene(
        cloud,
        network,
        Workload(cloud),
        Deployment(cloud, parameters={"CapacityMode": "enforce"}, unscheduled=UNSCHEDULED),
    )
    scene.berthmaster.schedules_enabled = False
    scene.workload.service("shop", network.network_configuration(), 2, tags=MANAGED)
    scene.berthmaster.run(minutes=5)
    scene.fill(leave=1)
    return scene


def test_in_a_local_zone_and_a_wavelength_zone_the_new_subnet_is_in_the_same_zone() -> None:
    for name in LOCAL_ZONES:
        with Cloud(seed=1) as cloud:
            scene = a_scene(cloud, AvailabilityZone=f"{cloud.region}-{name}")
            scene.need_room()
            (added,) = scene.added_subnets()
            assert added["AvailabilityZone"] == f"{cloud.region}-{name}"
            assert added["SubnetId"] in scene.service_subnets("shop")


def test_a_dual_stack_subnet_gets_a_dual_stack_sibling() -> None:
    with Cloud(seed=1) as cloud:
        scene = a_scene(cloud, Ipv6CidrBlock="")
        ec2 = cloud.client("ec2")
        ec2.modify_subnet_attribute(SubnetId=scene.subnets[0], AssignIpv6AddressOnCreation={"Value": True})
        scene.need_room()
        (added,) = scene.added_subnets()
        (ipv6,) = added["Ipv6CidrBlockAssociationSet"]
        assert ipv6["Ipv6CidrBlock"].endswith("01::/64")
        assert added["AssignIpv6AddressOnCreation"]


def test_a_subnet_on_an_outpost_is_reported_and_nothing_is_made_elsewhere() -> None:
    with Cloud(seed=1) as cloud:
        scene = a_scene(cloud, OutpostArn=OUTPOST)
        scene.need_room()
        assert scene.added_subnets() == []
        (impossible,) = scene.events("Expansion Impossible")
        assert any("outpost" in one for one in impossible["obstacles"])


def test_a_shared_vpc_is_reported_and_nothing_is_tried_in_it() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.backend("ec2").get_vpc(scene.vpc_id).shared_by = "210987654321"
        scene.need_room()
        assert scene.writes() == []
        (impossible,) = scene.events("Expansion Impossible")
        assert any("account 210987654321 owns the VPC" in one for one in impossible["obstacles"])
