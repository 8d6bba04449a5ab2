"""What Elastic Load Balancing refuses to register."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.target_groups import ZONES, deregister, health, make_group, register, set_attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.cloud import Cloud


def test_an_address_outside_the_subnets_needs_a_zone(cloud: Cloud, elbv2: Any, group: str) -> None:
    with pytest.raises(ClientError, match=r"The Availability Zone is required for IP address '172\.16\.0\.5'"):
        register(elbv2, group, "10.0.0.5", "172.16.0.5")
    assert cloud.targets.routable(group) == set()
    with pytest.raises(ClientError, match=r"is required for IP address '10\.0\.9\.5'"):
        register(elbv2, group, "10.0.9.5")
    with pytest.raises(ClientError, match="must be 'all' or a valid"):
        register(elbv2, group, "172.16.0.5", AvailabilityZone="us-east-1a")
    register(elbv2, group, "172.16.0.5", AvailabilityZone="all")
    register(elbv2, group, "172.16.0.6", AvailabilityZone=ZONES[0])
    answer = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [item["Target"]["AvailabilityZone"] for item in answer] == ["all", ZONES[0]]


def test_a_subnet_of_a_secondary_block_is_in_the_vpc(cloud: Cloud, elbv2: Any, group: str, vpc_id: str) -> None:
    ec2 = cloud.client("ec2")
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16")
    time.sleep(60)
    ec2.create_subnet(VpcId=vpc_id, CidrBlock="100.64.0.0/24", AvailabilityZone=ZONES[1])
    register(elbv2, group, "100.64.0.5")
    with pytest.raises(ClientError, match="cannot have its Availability Zone overridden to 'all' from"):
        register(elbv2, group, "100.64.0.6", AvailabilityZone="all")


def test_without_cross_zone_an_outside_address_needs_a_real_zone(elbv2: Any, group: str) -> None:
    set_attribute(elbv2, group, "load_balancing.cross_zone.enabled", "false")
    with pytest.raises(ClientError, match="you must specify an Availability Zone"):
        register(elbv2, group, "172.16.0.5", AvailabilityZone="all")
    register(elbv2, group, "172.16.0.5", AvailabilityZone=ZONES[0])


@pytest.mark.parametrize("ip", ["8.8.8.8", "fd00::1", "web", "i-0123456789abcdef0"])
def test_only_private_addresses_are_targets(elbv2: Any, group: str, ip: str) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        register(elbv2, group, ip, AvailabilityZone="all")


def test_an_instance_target_group_refuses_addresses(elbv2: Any, vpc_id: str) -> None:
    with pytest.raises(ClientError, match="InvalidTarget"):
        register(elbv2, make_group(elbv2, vpc_id, kind="instance"), "10.0.0.5")


def test_an_unknown_group_is_not_found(elbv2: Any, group: str) -> None:
    for call in (register, deregister, health):
        with pytest.raises(elbv2.exceptions.TargetGroupNotFoundException):
            call(elbv2, f"{group}0")
        with pytest.raises(ClientError, match="is not a valid target group ARN"):
            call(elbv2, "web")


@pytest.mark.parametrize("call", [register, deregister])
def test_one_invalid_target_refuses_the_whole_call(
    cloud: Cloud, elbv2: Any, group: str, call: Callable[..., None]
) -> None:
    register(elbv2, group, "10.0.0.4", "10.0.0.6")
    cloud.targets.is_invalid = lambda ip, port: (ip, port) == ("10.0.0.6", 80)
    with pytest.raises(elbv2.exceptions.InvalidTargetException, match=r": '10\.0\.0\.6'$"):
        call(elbv2, group, "10.0.0.4", "10.0.0.5", "10.0.0.6")
    assert cloud.targets.routable(group) == {("10.0.0.4", 80), ("10.0.0.6", 80)}
    call(elbv2, group, "10.0.0.6", Port=8080)


def test_deregistering_what_is_not_registered_succeeds(cloud: Cloud, elbv2: Any, group: str) -> None:
    register(elbv2, group, "10.0.0.4")
    deregister(elbv2, group, "10.0.0.4", "10.0.0.5", "172.16.0.5")
    assert cloud.targets.routable(group) == set()
