from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.model import Occupancy, Reservation, Subnet
from berthmaster.capacity.observe import occupancy as owners
from berthmaster.capacity.observe.occupancy import Census, holder


def subnet(cidr: str = "10.0.0.0/24", name: str = "subnet-a") -> Subnet:
    return Subnet(id=name, vpc_id="vpc-a", zone="eu-central-1a", cidr=IPv4Network(cidr), free=0)


def interface(
    *addresses: str, prefixes: tuple[str, ...] = (), tags: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    return {
        "SubnetId": "subnet-a",
        "Status": "in-use",
        "InterfaceType": "interface",
        "RequesterManaged": False,
        "Description": "",
        "PrivateIpAddresses": [{"PrivateIpAddress": address} for address in addresses],
        "Ipv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in prefixes],
        "TagSet": [{"Key": key, "Value": "x"} for key in tags],
        **more,
    }


def occupancy(
    subnets: list[Subnet], interfaces: list[dict[str, Any]], reservations: Sequence[Reservation] = ()
) -> dict[str, Occupancy]:
    census = Census(subnets)
    census.count(interfaces)
    census.reserve(reservations)
    return census.occupancy()


def test_an_empty_subnet_can_give_all_blocks_but_the_first_and_the_last() -> None:
    measured = occupancy([subnet()], [])["subnet-a"]

    assert (measured.interfaces, measured.held_prefixes, measured.free_prefixes) == (0, 0, 14)
    assert measured.holders == {}


@pytest.mark.parametrize(("cidr", "free"), [("10.0.0.0/28", 0), ("10.0.0.0/27", 0), ("10.0.0.0/26", 2)])
def test_small_subnets_have_few_blocks_or_none(cidr: str, free: int) -> None:
    assert occupancy([subnet(cidr)], [])["subnet-a"].free_prefixes == free


def test_one_address_blocks_a_whole_prefix() -> None:
    measured = occupancy([subnet()], [interface("10.0.0.17"), interface("10.0.0.100", "10.0.0.111")])["subnet-a"]

    assert measured.interfaces == 2
    assert measured.free_prefixes == 12


def test_prefixes_count_sixteen_addresses_each() -> None:
    node = interface("10.0.0.20", prefixes=("10.0.0.32/28", "10.0.0.48/28"), Attachment={"InstanceId": "i-1"})

    measured = occupancy([subnet()], [node])["subnet-a"]

    assert (measured.held_prefixes, measured.free_prefixes) == (2, 11)
    assert measured.holders == {"EKS pods and nodes": 33}


def test_an_explicit_reservation_takes_blocks_and_one_for_prefixes_does_not() -> None:
    reservations = [
        Reservation(subnet_id="subnet-a", cidr=IPv4Network("10.0.0.64/27"), kind="explicit"),
        Reservation(subnet_id="subnet-a", cidr=IPv4Network("10.0.0.130/32"), kind="explicit"),
        Reservation(subnet_id="subnet-a", cidr=IPv4Network("10.0.0.192/27"), kind="prefix"),
        Reservation(subnet_id="subnet-z", cidr=IPv4Network("10.9.0.0/27"), kind="explicit"),
    ]

    assert occupancy([subnet()], [], reservations)["subnet-a"].free_prefixes == 11


def test_interfaces_of_other_subnets_and_of_none_are_passed_over() -> None:
    regional_nat = {"NetworkInterfaceId": "eni-1", "AssociatedSubnets": ["subnet-a"]}

    measured = occupancy([subnet()], [interface("10.1.0.5", SubnetId="subnet-b"), regional_nat])

    assert measured.keys() == {"subnet-a"}
    assert measured["subnet-a"].interfaces == 0


def test_the_first_interface_of_a_node_is_known_by_those_vpc_cni_added() -> None:
    primary = interface("10.0.0.20", Attachment={"InstanceId": "i-node"})
    added = interface(
        "10.0.0.21", "10.0.0.22", tags=("node.k8s.amazonaws.com/instance_id",), Attachment={"InstanceId": "i-node"}
    )
    bastion = interface("10.0.0.23", Attachment={"InstanceId": "i-bastion"})

    assert occupancy([subnet()], [primary, bastion, added])["subnet-a"].holders == {
        "EKS pods and nodes": 3,
        "EC2 instances": 1,
    }


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            {
                "Description": "arn:aws:ecs:eu-central-1:111122223333:attachment/0a1b2c3d-1111-2222-3333-444455556666",
                "RequesterId": "578734482556",
                "RequesterManaged": True,
            },
            owners.ECS_TASKS,
        ),
        (
            {
                "Description": "arn:aws-cn:ecs:cn-north-1:111122223333:attachment/0a1b2c3d",
                "InterfaceType": "branch",
                "RequesterManaged": True,
            },
            owners.ECS_TASKS,
        ),
        (
            {"Description": "aws-K8S-i-0ad23684d897727a0", "Attachment": {"InstanceId": "i-1"}},
            owners.EKS_PODS_AND_NODES,
        ),
        ({"Description": "aws-k8s-branch-eni", "InterfaceType": "branch"}, owners.EKS_PODS_AND_NODES),
        ({"Description": "Amazon EKS production", "RequesterManaged": True}, owners.EKS_CONTROL_PLANE),
        (
            {"TagSet": [{"Key": "eks:kubernetes-cni-node-name", "Value": "i-1"}], "Attachment": {"InstanceId": "i-1"}},
            owners.EKS_PODS_AND_NODES,
        ),
        (
            {
                "InterfaceType": "lambda",
                "Description": "AWS Lambda VPC ENI-orders-30bb1fd5-e726-4d80-9ff2-52fd62cd548c",
                "RequesterManaged": True,
            },
            owners.LAMBDA,
        ),
        (
            {"RequesterId": "amazon-elb", "Description": "ELB app/web/50dc6c495c0c9188", "RequesterManaged": True},
            owners.LOAD_BALANCERS,
        ),
        ({"InterfaceType": "network_load_balancer", "Description": "ELB net/tcp/1"}, owners.LOAD_BALANCERS),
        ({"InterfaceType": "nat_gateway", "Description": "Interface for NAT Gateway nat-01"}, owners.NAT_GATEWAYS),
        ({"InterfaceType": "vpc_endpoint", "RequesterManaged": True}, owners.VPC_ENDPOINTS),
        ({"InterfaceType": "gateway_load_balancer_endpoint"}, owners.VPC_ENDPOINTS),
        (
            {"Description": "Network Interface for Transit Gateway Attachment tgw-attach-1", "RequesterManaged": True},
            owners.TRANSIT_GATEWAYS,
        ),
        ({"Description": "RDSNetworkInterface", "RequesterManaged": True}, owners.RDS),
        ({"RequesterId": "amazon-rds", "Description": "", "RequesterManaged": True}, owners.RDS),
        ({"Description": "EFS mount target for fs-1 (fsmt-2)", "RequesterManaged": True}, "EFS"),
        ({"Description": "ElastiCache web-001", "RequesterManaged": True}, owners.ELASTICACHE),
        ({"Attachment": {"InstanceId": "i-1"}}, owners.EC2_INSTANCES),
        ({"InterfaceType": "efa", "Attachment": {"InstanceId": "i-1"}}, owners.EC2_INSTANCES),
        ({"Status": "available", "Description": "aws-K8S-i-0ad23684d897727a0"}, owners.DETACHED),
        ({"Status": "available", "InterfaceType": "lambda", "RequesterManaged": True}, owners.LAMBDA),
        ({"Status": "available", "TagSet": [{"Key": "berthmaster:expansion", "Value": "x"}]}, owners.CANARIES),
        ({"RequesterManaged": True, "Description": "something new"}, owners.OTHER_AWS_SERVICES),
        ({}, owners.OTHER),
    ],
)
def test_the_holder_is_named_by_the_shape_of_its_interface(shape: dict[str, Any], expected: str) -> None:
    assert holder(interface("10.0.0.20") | shape) == expected


@given(st.sets(st.integers(4, 1022)), st.sets(st.integers(1, 62)))
def test_free_prefixes_are_what_a_look_at_every_address_finds(hosts: set[int], held: set[int]) -> None:
    base = int(IPv4Address("10.0.0.0"))
    singles = hosts - {block * 16 + offset for block in held for offset in range(16)}
    interfaces = [interface(str(IPv4Address(base + host))) for host in singles]
    interfaces += [interface(prefixes=(f"{IPv4Address(base + block * 16)}/28",)) for block in held]
    taken = {*range(4), 1023, *singles, *(block * 16 + offset for block in held for offset in range(16))}

    measured = occupancy([subnet("10.0.0.0/22")], interfaces)["subnet-a"]

    assert measured.free_prefixes == sum(taken.isdisjoint(range(block * 16, block * 16 + 16)) for block in range(64))
    assert measured.held_prefixes == len(held)
    assert sum(measured.holders.values()) == len(singles) + 16 * len(held)
