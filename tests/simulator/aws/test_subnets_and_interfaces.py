"""Subnets and the addresses in them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.ec2.lookup import subnets_of

if TYPE_CHECKING:
    from simulator.cloud import Cloud


@pytest.fixture
def subnet_id(cloud: Cloud, vpc_id: str) -> str:
    answer = cloud.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/26", AvailabilityZone="eu-central-1b")
    identifier: str = answer["Subnet"]["SubnetId"]
    return identifier


def free(cloud: Cloud, subnet_id: str) -> int:
    count: int = cloud.client("ec2").describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]["AvailableIpAddressCount"]
    return count


def test_a_subnet_becomes_available(cloud: Cloud, subnet_id: str) -> None:
    ec2 = cloud.client("ec2")
    assert ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]["State"] == "pending"
    time.sleep(3)
    (subnet,) = ec2.describe_subnets(
        Filters=[{"Name": "state", "Values": ["avail*"]}, {"Name": "subnet-id", "Values": [subnet_id]}]
    )["Subnets"]
    assert (subnet["AvailabilityZone"], subnet["AvailableIpAddressCount"]) == ("eu-central-1b", 64 - 5)
    assert not subnet["MapPublicIpOnLaunch"]


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.0.0.32/27", r"InvalidSubnet\.Conflict"),
        ("10.1.0.0/24", r"InvalidSubnet\.Range"),
        ("10.0.1.0/29", r"InvalidSubnet\.Range"),
        ("ten", "InvalidParameterValue"),
        ("10.0.1.0/24", "DryRunOperation"),
    ],
)
def test_the_cidr_of_a_subnet(cloud: Cloud, vpc_id: str, subnet_id: str, cidr: str, code: str) -> None:
    with pytest.raises(ClientError, match=code):
        cloud.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock=cidr, DryRun=True)
    assert len(subnets_of(cloud, vpc_id)) == 1
    assert subnet_id


def test_the_quota_of_subnets(cloud: Cloud, vpc_id: str, subnet_id: str) -> None:
    cloud.quotas.apply("L-407747CB", 1)
    with pytest.raises(ClientError, match="SubnetLimitExceeded"):
        cloud.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")
    assert subnet_id


def test_a_subnet_in_use_stays(cloud: Cloud, vpc_id: str, subnet_id: str) -> None:
    ec2 = cloud.client("ec2")
    eni_id = ec2.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]["NetworkInterfaceId"]
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet_id)
    ec2.delete_network_interface(NetworkInterfaceId=eni_id)
    ec2.delete_subnet(SubnetId=subnet_id)
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["NetworkAcls"]
    assert acls[0]["Associations"] == []


def test_each_address_is_held_once(cloud: Cloud, subnet_id: str) -> None:
    ec2 = cloud.client("ec2")
    interfaces = [ec2.create_network_interface(SubnetId=subnet_id)["NetworkInterface"] for _ in range(59)]
    assert len({interface["PrivateIpAddress"] for interface in interfaces}) == 59
    assert free(cloud, subnet_id) == 0
    with pytest.raises(ClientError, match="InsufficientFreeAddressesInSubnet"):
        ec2.create_network_interface(SubnetId=subnet_id)
    ec2.delete_network_interface(NetworkInterfaceId=interfaces[7]["NetworkInterfaceId"])
    again = ec2.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]
    assert again["PrivateIpAddress"] == interfaces[7]["PrivateIpAddress"]


def test_secondary_addresses_and_prefixes_count(cloud: Cloud, subnet_id: str) -> None:
    ec2 = cloud.client("ec2")
    eni = ec2.create_network_interface(SubnetId=subnet_id, SecondaryPrivateIpAddressCount=3, Ipv4PrefixCount=1)
    assert free(cloud, subnet_id) == 59 - 4 - 16
    (shown,) = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])[
        "NetworkInterfaces"
    ]
    assert len(shown["Ipv4Prefixes"]) == 1
    eni_id = eni["NetworkInterface"]["NetworkInterfaceId"]
    ec2.unassign_private_ip_addresses(
        NetworkInterfaceId=eni_id, Ipv4Prefixes=[item["Ipv4Prefix"] for item in shown["Ipv4Prefixes"]]
    )
    assert free(cloud, subnet_id) == 59 - 4
    assigned = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni_id, SecondaryPrivateIpAddressCount=2)
    assert len(assigned["AssignedPrivateIpAddresses"]) == 2
    ec2.delete_network_interface(NetworkInterfaceId=eni_id)
    assert free(cloud, subnet_id) == 59


def test_fragmentation_leaves_addresses_and_no_prefix(cloud: Cloud, subnet_id: str) -> None:
    ec2 = cloud.client("ec2")
    for address in ("10.0.0.20", "10.0.0.40"):
        eni = ec2.create_network_interface(SubnetId=subnet_id, PrivateIpAddress=address)["NetworkInterface"]
        assert eni["PrivateIpAddress"] == address
    assert free(cloud, subnet_id) == 57
    with pytest.raises(ClientError, match="InsufficientCidrBlocks"):
        ec2.assign_private_ip_addresses(NetworkInterfaceId=eni["NetworkInterfaceId"], Ipv4PrefixCount=1)


def test_a_prefix_reservation_keeps_single_addresses_out(cloud: Cloud, subnet_id: str) -> None:
    ec2 = cloud.client("ec2")
    ec2.create_subnet_cidr_reservation(SubnetId=subnet_id, Cidr="10.0.0.16/28", ReservationType="prefix")
    assert free(cloud, subnet_id) == 59 - 16
    for _ in range(43):
        ec2.create_network_interface(SubnetId=subnet_id)
    with pytest.raises(ClientError, match="InsufficientFreeAddressesInSubnet"):
        ec2.create_network_interface(SubnetId=subnet_id)
    (first, *_) = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])[
        "NetworkInterfaces"
    ]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.assign_private_ip_addresses(NetworkInterfaceId=first["NetworkInterfaceId"], Ipv4PrefixCount=1)
    reservations = ec2.get_subnet_cidr_reservations(SubnetId=subnet_id)["SubnetIpv4CidrReservations"]
    assert [(item["Cidr"], item["ReservationType"]) for item in reservations] == [("10.0.0.16/28", "prefix")]


@pytest.mark.parametrize(
    ("attribute", "value", "path"),
    [
        ("MapPublicIpOnLaunch", {"Value": True}, ("MapPublicIpOnLaunch",)),
        ("EnableDns64", {"Value": True}, ("EnableDns64",)),
        ("AssignIpv6AddressOnCreation", {"Value": True}, ("AssignIpv6AddressOnCreation",)),
        ("PrivateDnsHostnameTypeOnLaunch", "resource-name", ("PrivateDnsNameOptionsOnLaunch", "HostnameType")),
        (
            "EnableResourceNameDnsARecordOnLaunch",
            {"Value": True},
            ("PrivateDnsNameOptionsOnLaunch", "EnableResourceNameDnsARecord"),
        ),
    ],
)
def test_subnet_attributes(cloud: Cloud, subnet_id: str, attribute: str, value: Any, path: tuple[str, ...]) -> None:
    ec2 = cloud.client("ec2")
    ec2.modify_subnet_attribute(SubnetId=subnet_id, **{attribute: value})
    shown: Any = ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]
    for key in path:
        shown = shown[key]
    assert shown == (value["Value"] if isinstance(value, dict) else value)
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        ec2.modify_subnet_attribute(
            SubnetId=subnet_id, MapPublicIpOnLaunch={"Value": True}, EnableDns64={"Value": True}
        )


def test_route_table_and_acl_associations(cloud: Cloud, vpc_id: str, subnet_id: str) -> None:
    ec2 = cloud.client("ec2")
    first, second = (ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"] for _ in range(2))
    association = ec2.associate_route_table(RouteTableId=first, SubnetId=subnet_id)["AssociationId"]
    assert ec2.associate_route_table(RouteTableId=first, SubnetId=subnet_id)["AssociationId"] == association
    with pytest.raises(ClientError, match=r"Resource\.AlreadyAssociated"):
        ec2.associate_route_table(RouteTableId=second, SubnetId=subnet_id)
    acl_id = ec2.create_network_acl(VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]
    (default,) = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet_id]}])[
        "NetworkAcls"
    ]
    (held,) = default["Associations"]
    ec2.replace_network_acl_association(AssociationId=held["NetworkAclAssociationId"], NetworkAclId=acl_id)
    with pytest.raises(ClientError, match=r"InvalidAssociationID\.NotFound"):
        ec2.replace_network_acl_association(AssociationId=held["NetworkAclAssociationId"], NetworkAclId=acl_id)


def test_any_value_of_a_filter_will_do(cloud: Cloud, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    subnets = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{index}.0/24")["Subnet"]["SubnetId"] for index in (1, 2)
    ]
    tables = [ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"] for _ in subnets]
    for table, subnet in zip(tables, subnets, strict=True):
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    found = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [*subnets, "subnet-x"]}])
    assert {table["RouteTableId"] for table in found["RouteTables"]} == set(tables)
    main = [{"Name": "association.main", "Values": ["true"]}, {"Name": "vpc-id", "Values": [vpc_id]}]
    assert len(ec2.describe_route_tables(Filters=main)["RouteTables"]) == 1
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.describe_network_acls(Filters=[{"Name": "colour", "Values": ["blue"]}])


def test_pages_and_filter_limits(cloud: Cloud, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    for index in range(7):
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{index}.0/24")
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}]
    page = ec2.describe_subnets(Filters=filters, MaxResults=5)
    assert len(page["Subnets"]) == 5
    assert len(ec2.describe_subnets(Filters=filters, NextToken=page["NextToken"])["Subnets"]) == 2
    paged = ec2.get_paginator("describe_subnets").paginate(Filters=filters, PaginationConfig={"PageSize": 5})
    assert len({subnet["SubnetId"] for answer in paged for subnet in answer["Subnets"]}) == 7
    with pytest.raises(ClientError, match="FilterLimitExceeded"):
        ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [f"vpc-{index}" for index in range(201)]}])
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        ec2.describe_vpcs(VpcIds=[vpc_id], MaxResults=5)
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.describe_route_tables(MaxResults=1000)
