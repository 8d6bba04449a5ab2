"""A retirement survives that its function dies before and after every write: it is completed, or all is as it was."""

import functools
from typing import Any

import pytest

from simulator.aws.ec2.lookup import find_subnet
from simulator.aws.ecs.task_interfaces import create_interface, delete_interface
from simulator.faults import CrashAfter, CrashBefore
from simulator.workload.network import MANAGED
from tests.simulation.capacity.invariants import broken
from tests.support.capacity.scene import BUS, EXPAND, CapacityScene, a_managed_vpc


def prepared(scene: CapacityScene) -> tuple[str, str, Any]:
    """An expansion, its subnet, which a service lists, and a task in it that no service runs."""
    expansion = scene.expand()
    subnet = str(scene.added_subnets()[0]["SubnetId"])
    scene.workload.service("shop", scene.network.network_configuration(*scene.subnets, subnet), 6, tags=MANAGED)
    scene.berthmaster.run(minutes=5)
    found = find_subnet(scene.cloud, subnet)
    address = scene.cloud.interfaces.pool_of(found).pick()
    task = create_interface(scene.cloud, found, [], address=address, attachment="0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    scene.berthmaster.schedules_enabled = True
    return expansion, subnet, task


def send(scene: CapacityScene, detail_type: str, **detail: Any) -> None:
    scene.put("berthmaster.operator", detail_type, bus=BUS, by="Ann", **detail)


def tags_of(scene: CapacityScene, subnet: str) -> dict[str, str]:
    (found,) = scene.cloud.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"]
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


@functools.cache
def writes_of_a_retirement() -> list[int]:
    """The numbers of its writes to EC2 and ECS, and of those to the ledger before them, counted from its first call."""
    with a_managed_vpc() as scene:
        expansion, _, task = prepared(scene)
        before = len(scene.cloud.calls.of(EXPAND))
        send(scene, "Retirement Requested", expansion=expansion, drain=True)
        scene.berthmaster.run(minutes=12)
        delete_interface(scene.cloud, task)
        scene.berthmaster.run(minutes=15)
        assert scene.added_subnets() == []
        calls = list(scene.cloud.calls.of(EXPAND))
        own = list(enumerate(calls[before:], 1))
        last = max(number for number, call in own if call.service in {"ec2", "ecs"} and not call.is_read)
        return [number for number, call in own if number <= last and not call.is_read]


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_retirement_is_completed_wherever_its_function_dies(
    crash: type[CrashBefore | CrashAfter], stride: int
) -> None:
    writes = writes_of_a_retirement()
    assert len(writes) > 10
    for number in writes[crash is CrashAfter :: 2 * stride]:
        with a_managed_vpc() as scene:
            expansion, _, task = prepared(scene)
            scene.cloud.faults.set_crash(crash(number, EXPAND))
            send(scene, "Retirement Requested", expansion=expansion, drain=True)
            scene.berthmaster.run(minutes=12)
            delete_interface(scene.cloud, task)
            scene.berthmaster.run(minutes=60)
            assert (number, scene.added_subnets(), scene.blocks()) == (number, [], ["10.0.0.0/24"])
            assert len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")) <= 1 + (crash is CrashBefore)
            assert broken(scene) == []


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_retirement_that_is_stopped_leaves_the_tags_as_they_were(
    crash: type[CrashBefore | CrashAfter], stride: int
) -> None:
    writes = writes_of_a_retirement()
    for number in writes[1 + (crash is CrashAfter) :: 3 * stride]:
        with a_managed_vpc() as scene:
            expansion, subnet, _ = prepared(scene)
            tags = tags_of(scene, subnet)
            scene.cloud.faults.set_crash(crash(number, EXPAND))
            send(scene, "Retirement Requested", expansion=expansion, drain=True)
            scene.berthmaster.run(minutes=30)
            send(scene, "Proposal Rejected", proposal=f"capacity.{expansion}")
            scene.berthmaster.run(minutes=30)
            assert (number, tags_of(scene, subnet)) == (number, tags)
