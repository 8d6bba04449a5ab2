"""Addresses by user, and free /28 blocks, counted from network interfaces."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.model.vpc import Occupancy, Reservation, Subnet
from berthmaster.capacity.observe.occupancy import OccupancyCounter
from tests.support.capacity.interfaces import interface


def subnet(cidr: str = "10.0.0.0/24", name: str = "subnet-a") -> Subnet:
    return Subnet(id=name, vpc_id="vpc-a", zone="eu-central-1a", cidr=IPv4Network(cidr), free=0)


def occupancy(
    subnets: list[Subnet], interfaces: list[dict[str, Any]], reservations: Sequence[Reservation] = ()
) -> dict[str, Occupancy]:
    counter = OccupancyCounter(subnets)
    counter.count(interfaces)
    counter.reserve(reservations)
    return counter.occupancy()


def test_in_an_empty_subnet_all_blocks_but_the_first_and_the_last_are_free() -> None:
    measured = occupancy([subnet()], [])["subnet-a"]

    assert (measured.interfaces, measured.held_prefixes, measured.free_prefixes) == (0, 0, 14)
    assert measured.holders == {}


@pytest.mark.parametrize(("cidr", "free"), [("10.0.0.0/28", 0), ("10.0.0.0/27", 0), ("10.0.0.0/26", 2)])
def test_small_subnets_have_few_blocks_or_none(cidr: str, free: int) -> None:
    assert occupancy([subnet(cidr)], [])["subnet-a"].free_prefixes == free


def test_one_address_takes_a_whole_block() -> None:
    measured = occupancy([subnet()], [interface("10.0.0.17"), interface("10.0.0.100", "10.0.0.111")])["subnet-a"]

    assert measured.interfaces == 2
    assert measured.free_prefixes == 12


def test_a_prefix_counts_as_sixteen_addresses() -> None:
    node = interface("10.0.0.20", prefixes=("10.0.0.32/28", "10.0.0.48/28"), Attachment={"InstanceId": "i-1"})

    measured = occupancy([subnet()], [node])["subnet-a"]

    assert (measured.held_prefixes, measured.free_prefixes) == (2, 11)
    assert measured.holders == {"EKS pods and nodes": 33}


def test_explicit_reservations_take_blocks_and_those_for_prefixes_do_not() -> None:
    reservations = [
        Reservation(subnet_id="subnet-a", cidr=IPv4Network("10.0.0.64/27"), kind="explicit"),
        Reservation(subnet_id="subnet-a", cidr=IPv4Network("10.0.0.130/32"), kind="explicit"),
        Reservation(subnet_id="subnet-a", cidr=IPv4Network("10.0.0.192/27"), kind="prefix"),
        Reservation(subnet_id="subnet-z", cidr=IPv4Network("10.9.0.0/27"), kind="explicit"),
    ]

    assert occupancy([subnet()], [], reservations)["subnet-a"].free_prefixes == 11


def test_interfaces_of_other_subnets_and_of_none_are_ignored() -> None:
    regional_nat = {"NetworkInterfaceId": "eni-1", "AssociatedSubnets": ["subnet-a"]}

    measured = occupancy([subnet()], [interface("10.1.0.5", SubnetId="subnet-b"), regional_nat])

    assert measured.keys() == {"subnet-a"}
    assert measured["subnet-a"].interfaces == 0


def test_an_instance_with_an_interface_of_vpc_cni_is_a_node() -> None:
    primary = interface("10.0.0.20", Attachment={"InstanceId": "i-node"})
    added = interface(
        "10.0.0.21", "10.0.0.22", tags=("node.k8s.amazonaws.com/instance_id",), Attachment={"InstanceId": "i-node"}
    )
    bastion = interface("10.0.0.23", Attachment={"InstanceId": "i-bastion"})

    assert occupancy([subnet()], [primary, bastion, added])["subnet-a"].holders == {
        "EKS pods and nodes": 3,
        "EC2 instances": 1,
    }


@given(st.sets(st.integers(4, 1022)), st.sets(st.integers(1, 62)))
def test_free_prefixes_agree_with_a_check_of_every_address(hosts: set[int], held: set[int]) -> None:
    base = int(IPv4Address("10.0.0.0"))
    singles = hosts - {block * 16 + offset for block in held for offset in range(16)}
    interfaces = [interface(str(IPv4Address(base + host))) for host in singles]
    interfaces += [interface(prefixes=(f"{IPv4Address(base + block * 16)}/28",)) for block in held]
    taken = {*range(4), 1023, *singles, *(block * 16 + offset for block in held for offset in range(16))}

    measured = occupancy([subnet("10.0.0.0/22")], interfaces)["subnet-a"]

    assert measured.free_prefixes == sum(taken.isdisjoint(range(block * 16, block * 16 + 16)) for block in range(64))
    assert measured.held_prefixes == len(held)
    assert sum(measured.holders.values()) == len(singles) + 16 * len(held)
