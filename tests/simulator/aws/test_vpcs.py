"""CIDR associations: AWS's rules, states and delays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.ec2.association_rules import VpcNetwork, refusal

if TYPE_CHECKING:
    from simulator.cloud import Cloud

# Existing blocks, candidate, whether AWS accepts it: the table of the VPC User Guide, row by row.
TABLE = [
    (("10.2.0.0/16",), "172.16.0.0/16", False),
    (("10.2.0.0/16",), "192.168.0.0/16", False),
    (("10.2.0.0/16",), "198.19.0.0/16", False),
    (("10.2.0.0/16",), "10.3.0.0/16", True),
    (("10.2.0.0/16",), "10.0.0.0/16", True),
    (("10.2.0.0/16",), "100.64.0.0/16", True),
    (("10.2.0.0/16",), "203.1.0.0/16", True),
    (("10.1.0.0/16",), "10.0.0.0/20", False),
    (("10.0.0.0/20",), "10.0.16.0/20", False),
    (("10.0.0.0/20",), "10.1.0.0/16", True),
    (("172.16.0.0/16",), "10.0.0.0/16", False),
    (("172.16.0.0/16",), "172.31.0.0/20", False),
    (("172.16.0.0/16",), "172.30.0.0/16", True),
    (("192.168.0.0/20",), "10.0.0.0/16", False),
    (("192.168.0.0/20",), "192.168.16.0/20", True),
    (("198.19.0.0/20",), "10.0.0.0/16", False),
    (("198.19.0.0/20",), "100.64.0.0/16", True),
    (("100.64.0.0/16",), "10.0.0.0/16", False),
    (("100.64.0.0/16",), "198.19.0.0/16", False),
    (("100.64.0.0/16",), "100.65.0.0/16", True),
    (("10.2.0.0/16", "100.64.0.0/16"), "10.3.0.0/16", True),
    (("10.2.0.0/16",), "127.0.0.0/16", False),
    (("10.2.0.0/16",), "169.254.0.0/16", False),
    (("10.2.0.0/16",), "224.0.0.0/16", False),
    (("10.2.0.0/16",), "0.0.0.0/16", False),
    (("10.2.0.0/16",), "100.64.0.0/10", False),
    (("10.2.0.0/16",), "100.64.0.0/29", False),
    (("10.2.0.0/16",), "10.2.128.0/20", False),
]


@pytest.mark.parametrize(("cidrs", "candidate", "accepted"), TABLE)
def test_association_table(cidrs: tuple[str, ...], candidate: str, accepted: bool) -> None:  # noqa: FBT001
    assert (refusal(candidate, VpcNetwork(cidrs=cidrs)) is None) == accepted


@pytest.mark.parametrize(
    ("network", "candidate", "accepted"),
    [
        ({"destinations": ("100.64.1.0/24",)}, "100.64.1.0/24", False),
        ({"destinations": ("100.64.1.0/24",)}, "100.64.0.0/16", False),
        ({"destinations": ("100.64.1.0/24",)}, "100.64.1.0/25", True),
        ({"destinations": ("0.0.0.0/0",)}, "100.64.0.0/16", True),
        ({"peers": ("100.64.0.0/20",)}, "100.64.0.0/16", False),
        ({"peers": ("100.65.0.0/20",)}, "100.64.0.0/16", True),
        ({"requested_peering": True}, "100.64.0.0/16", False),
        ({"quota": 1}, "100.64.0.0/16", False),
    ],
)
def test_routes_peers_and_quota(network: dict[str, Any], candidate: str, accepted: bool) -> None:  # noqa: FBT001
    assert (refusal(candidate, VpcNetwork(cidrs=("10.2.0.0/16",), **network)) is None) == accepted


def states(cloud: Cloud, vpc_id: str) -> dict[str, str]:
    vpc = cloud.client("ec2").describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]
    return {item["CidrBlock"]: item["CidrBlockState"]["State"] for item in vpc["CidrBlockAssociationSet"]}


def test_a_block_is_usable_only_once_associated(cloud: Cloud, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.9.9/16")
    assert states(cloud, vpc_id)["100.64.0.0/16"] == "associating"
    with pytest.raises(ClientError, match=r"InvalidSubnet\.Range"):
        ec2.create_subnet(VpcId=vpc_id, CidrBlock="100.64.0.0/24")
    time.sleep(20)
    assert states(cloud, vpc_id)["100.64.0.0/16"] == "associated"
    ec2.create_subnet(VpcId=vpc_id, CidrBlock="100.64.0.0/24")
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["RouteTables"]
    assert [
        (route["DestinationCidrBlock"], route["GatewayId"])
        for table in tables
        for route in table["Routes"]
        if route["DestinationCidrBlock"].startswith("100.")
    ] == [("100.64.0.0/16", "local")]


def test_an_association_may_fail(cloud: Cloud, vpc_id: str) -> None:
    cloud.faults.fail_next_association("no space in this universe")
    ec2 = cloud.client("ec2")
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16")
    assert states(cloud, vpc_id)["100.64.0.0/16"] == "failing"
    time.sleep(30)
    vpc = ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]
    assert vpc["CidrBlockAssociationSet"][1]["CidrBlockState"] == {
        "State": "failed",
        "StatusMessage": "no space in this universe",
    }


def test_a_block_leaves_when_empty_and_never_when_primary(cloud: Cloud, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16")
    time.sleep(20)
    primary, secondary = (
        item["AssociationId"] for item in ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]["CidrBlockAssociationSet"]
    )
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="100.64.0.0/24")["Subnet"]["SubnetId"]
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        ec2.disassociate_vpc_cidr_block(AssociationId=primary)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.disassociate_vpc_cidr_block(AssociationId=secondary)
    ec2.delete_subnet(SubnetId=subnet_id)
    ec2.disassociate_vpc_cidr_block(AssociationId=secondary)
    time.sleep(20)
    assert states(cloud, vpc_id)["100.64.0.0/16"] == "disassociated"
    time.sleep(60)
    assert list(states(cloud, vpc_id)) == ["10.0.0.0/16"]
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16")


def test_the_applied_quota_counts(cloud: Cloud, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    for block in range(4):
        ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock=f"100.{64 + block}.0.0/16")
    with pytest.raises(ClientError, match="CidrLimitExceeded"):
        ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.99.0.0/16")
    cloud.quotas.apply("L-83CA0A9D", 6)
    quota = cloud.client("service-quotas").get_service_quota(ServiceCode="vpc", QuotaCode="L-83CA0A9D")["Quota"]
    assert quota["Value"] == 6.0
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.99.0.0/16")


def test_prefix_list_routes_and_peers_are_seen(cloud: Cloud, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    prefix_list = ec2.create_managed_prefix_list(
        PrefixListName="office", AddressFamily="IPv4", MaxEntries=5, Entries=[{"Cidr": "100.64.3.0/24"}]
    )["PrefixList"]["PrefixListId"]
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    ec2.create_route(RouteTableId=table, DestinationPrefixListId=prefix_list, GatewayId=gateway)
    with pytest.raises(ClientError, match=r"route to 100\.64\.3\.0/24"):
        ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16")

    peer = ec2.create_vpc(CidrBlock="100.70.0.0/16")["Vpc"]["VpcId"]
    request = ec2.create_vpc_peering_connection(VpcId=vpc_id, PeerVpcId=peer)
    connection = request["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    with pytest.raises(ClientError, match="pending acceptance"):
        ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.71.0.0/16")
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
    with pytest.raises(ClientError, match="peered VPC"):
        ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.70.0.0/20")
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.71.0.0/16")
    described = ec2.describe_vpc_peering_connections()["VpcPeeringConnections"][0]
    assert described["AccepterVpcInfo"]["CidrBlockSet"] == [{"CidrBlock": "100.70.0.0/16"}]


def test_a_block_from_an_ipam_pool(cloud: Cloud, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    pool = cloud.ipam.create_pool("100.64.0.0/14")
    preview = ec2.allocate_ipam_pool_cidr(IpamPoolId=pool, NetmaskLength=16, PreviewNextCidr=True)
    assert preview["IpamPoolAllocation"] == {"Cidr": "100.64.0.0/16"}
    answer = ec2.associate_vpc_cidr_block(VpcId=vpc_id, Ipv4IpamPoolId=pool, Ipv4NetmaskLength=16)
    assert answer["CidrBlockAssociation"]["CidrBlock"] == "100.64.0.0/16"
    assert ec2.get_ipam_pool_allocations(IpamPoolId=pool)["IpamPoolAllocations"][0]["ResourceId"] == vpc_id
    assert ec2.get_ipam_pool_cidrs(IpamPoolId=pool)["IpamPoolCidrs"][0]["Cidr"] == "100.64.0.0/14"
