"""What a plan reads: nothing that only leads to a warning stops an expansion, and what it shows is heeded."""

from collections.abc import Callable
from typing import Any

import pytest

from simulator.aws.ec2.routing import Unshared
from simulator.errors import AwsError
from tests.support.capacity.scene import CapacityScene, a_vpc_short_of_room


def warnings_of(scene: CapacityScene) -> list[str]:
    scene.need_room()
    (completed,) = scene.events("Expansion Completed")
    assert scene.dead_letters() == []
    return list(completed["warnings"])


def a_prefix_list(scene: CapacityScene, cidr: str) -> str:
    listed = scene.cloud.client("ec2").create_managed_prefix_list(
        PrefixListName="office", MaxEntries=2, AddressFamily="IPv4", Entries=[{"Cidr": cidr}]
    )
    return str(listed["PrefixList"]["PrefixListId"])


def in_a_route_table(scene: CapacityScene, prefix_list: str) -> None:
    ec2 = scene.cloud.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=scene.vpc_id)
    ec2.create_route(
        RouteTableId=scene.network.route_tables["a"], DestinationPrefixListId=prefix_list, GatewayId=gateway
    )


def in_a_security_group(scene: CapacityScene, prefix_list: str) -> None:
    scene.cloud.client("ec2").authorize_security_group_ingress(
        GroupId=scene.network.security_group_id,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": prefix_list}]}
        ],
    )


@pytest.mark.parametrize("place", [in_a_route_table, in_a_security_group])
def test_a_prefix_list_that_is_no_longer_shared_prevents_no_expansion(
    place: Callable[[CapacityScene, str], None],
) -> None:
    with a_vpc_short_of_room() as scene:
        prefix_list = a_prefix_list(scene, "192.168.0.0/24")
        place(scene, prefix_list)
        scene.cloud.state(Unshared).add(prefix_list)
        assert any(f"could not be read: prefix list {prefix_list}" in one for one in warnings_of(scene))


def test_a_block_that_contains_an_entry_that_cannot_be_read_is_refused_and_the_next_one_is_added() -> None:
    with a_vpc_short_of_room(CapacityPools="100.64.0.0/19") as scene:
        prefix_list = a_prefix_list(scene, "100.64.3.0/24")
        in_a_route_table(scene, prefix_list)
        scene.cloud.state(Unshared).add(prefix_list)
        scene.need_room()
        scene.berthmaster.run(minutes=1)
        scene.need_room()
        assert scene.blocks() == ["10.0.0.0/24", "100.64.16.0/20"]


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "RequestLimitExceeded", "InternalError"])
@pytest.mark.parametrize("operation", ["ec2:DescribeSecurityGroups", "ec2:DescribeIpamScopes", "eks:ListClusters"])
def test_a_read_that_only_leads_to_warnings_prevents_no_expansion(operation: str, code: str) -> None:
    def refuse(*_: Any) -> Any:
        raise AwsError(code, "no")

    with a_vpc_short_of_room() as scene:
        scene.cloud.handlers[operation] = refuse
        assert any(one.startswith("could not be read: ") and code in one for one in warnings_of(scene))


def test_the_services_of_an_eks_cluster_are_avoided() -> None:
    with a_vpc_short_of_room(CapacityPools="10.100.0.0/15") as scene:
        scene.cloud.client("eks").create_cluster(
            name="shop",
            roleArn="arn:aws:iam::123456789012:role/eks",
            resourcesVpcConfig={"subnetIds": scene.subnets[:2]},
            kubernetesNetworkConfig={"serviceIpv4Cidr": "10.100.0.0/16"},
        )
        scene.need_room()
        assert scene.blocks() == ["10.0.0.0/24", "10.101.0.0/20"]


def test_no_block_is_tried_if_a_route_table_is_full() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.quotas.apply("L-93826ACB", 1)
        scene.need_room()
        (impossible,) = scene.events("Expansion Impossible")
        assert any("route-quota" in one for one in impossible["obstacles"])
        assert "AssociateVpcCidrBlock" not in scene.writes()
