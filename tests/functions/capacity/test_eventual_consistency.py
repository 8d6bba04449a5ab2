"""EC2 shows its own writes late, or a subnet fails: an expansion waits for the one and ends with the other."""

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.calls import is_function
from simulator.cloud import Cloud
from tests.support.capacity.scene import EXPAND, CapacityScene, a_vpc_short_of_room

LATE = 5
"""Seconds."""


def shown_late(scene: CapacityScene, write: str, read: str, empty: Mapping[str, Any]) -> None:
    """For some seconds after a write, a read of the functions shows nothing."""
    usual = {name: scene.cloud.handlers.get(name) for name in (write, read)}
    written = [0.0]

    def writing(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        written[0] = cloud.clock.timestamp()
        handler = usual[write]
        return handler(cloud, params) if handler else None

    def reading(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        if is_function() and cloud.clock.timestamp() < written[0] + LATE:
            return dict(empty)
        handler = usual[read]
        return handler(cloud, params) if handler else None

    scene.cloud.handlers[write], scene.cloud.handlers[read] = writing, reading


@pytest.mark.parametrize(
    ("write", "read", "empty"),
    [
        ("ec2:AssociateRouteTable", "ec2:DescribeRouteTables", {"RouteTables": []}),
        ("ec2:ReplaceNetworkAclAssociation", "ec2:DescribeNetworkAcls", {"NetworkAcls": []}),
        ("ec2:CreateSubnet", "ec2:DescribeNetworkAcls", {"NetworkAcls": []}),
        ("ec2:CreateSubnet", "ec2:DescribeSubnets", {"Subnets": []}),
    ],
)
def test_an_expansion_completes_although_ec2_shows_its_writes_late(
    write: str, read: str, empty: Mapping[str, Any]
) -> None:
    with a_vpc_short_of_room() as scene:
        shown_late(scene, write, read, empty)
        scene.need_room()
        assert scene.events("Expansion Failed") == []
        assert len(scene.events("Expansion Completed")) == 1
        assert [one for one in scene.berthmaster.logs.records(EXPAND) if one["level"] == "ERROR"] == []


def test_a_subnet_that_fails_ends_the_expansion_at_once() -> None:
    with a_vpc_short_of_room() as scene:
        usual = scene.cloud.handlers["ec2:DescribeSubnets"]

        def failed(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            answer = usual(cloud, params)
            for subnet in (answer or {}).get("Subnets", ()):
                if any(tag["Key"] == "berthmaster:expansion" for tag in subnet.get("Tags", ())):
                    subnet["State"] = "failed"
            return answer

        scene.cloud.handlers["ec2:DescribeSubnets"] = failed
        scene.room_needed()
        scene.berthmaster.run(minutes=5)
        (event,) = scene.events("Expansion Failed")
        assert "CreateSubnet: failed" in event["note"]
