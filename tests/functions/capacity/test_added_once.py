"""A request for addresses adds them once, whatever fails between the first write and the answer."""

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.faults import CrashAfter, CrashBefore, Outage
from tests.support.capacity.scene import BUS, EXPAND, CapacityScene, a_managed_vpc


def ask(scene: CapacityScene) -> None:
    wanted = {"vpc": scene.vpc_id, "subnet": scene.subnets[0], "addresses": 50}
    scene.put("berthmaster.operator", "Expand Requested", bus=BUS, **wanted)


def added_once(scene: CapacityScene) -> None:
    assert len(scene.added_subnets()) == 1
    assert len(scene.blocks()) == 2
    assert len(scene.events("Expansion Completed")) == 1
    assert scene.events("Request Refused") == []
    assert scene.dead_letters() == []


@pytest.mark.parametrize("seconds", [10, 60, 600])
def test_although_the_bus_does_not_accept_the_answer(seconds: float) -> None:
    with a_managed_vpc(watched=True) as scene:
        ask(scene)
        scene.cloud.faults.begin_outage(Outage("events:PutEvents", until=scene.cloud.clock.timestamp() + seconds))
        scene.berthmaster.run(minutes=120)
        added_once(scene)
        assert scene.events("Request Accepted")


def test_although_people_cannot_be_notified() -> None:
    def refuse(_: Cloud, _params: Mapping[str, Any]) -> Any:
        raise AwsError("AuthorizationError", "You may not publish to this topic.", status=403)

    with a_managed_vpc(watched=True) as scene:
        scene.cloud.handlers["sns:Publish"] = refuse
        ask(scene)
        scene.berthmaster.run(minutes=120)
        added_once(scene)
        assert len(scene.events("Request Accepted")) == 1


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("operation", ["PutEvents", "AssociateVpcCidrBlock", "CreateSubnet"])
def test_although_the_invocation_dies(crash: type[CrashBefore] | type[CrashAfter], operation: str) -> None:
    with a_managed_vpc() as scene:
        ask(scene)
        scene.berthmaster.run(minutes=5)
        calls = scene.cloud.calls.of(EXPAND)
        number = 1 + [call.operation for call in calls].index(operation)
    with a_managed_vpc(watched=True) as scene:
        scene.cloud.faults.set_crash(crash(number, EXPAND))
        ask(scene)
        scene.berthmaster.run(minutes=120)
        assert scene.cloud.faults.crashes == 1
        added_once(scene)


@pytest.mark.parametrize("operation", ["ec2:AssociateVpcCidrBlock", "ec2:CreateSubnet", "ec2:CreateNetworkInterface"])
def test_although_aws_fails_after_the_answer(operation: str) -> None:
    with a_managed_vpc(watched=True) as scene:
        ask(scene)
        scene.cloud.faults.begin_outage(Outage(operation, until=scene.cloud.clock.timestamp() + 60))
        scene.berthmaster.run(minutes=120)
        added_once(scene)
