"""A VPC is short, and capacity_expand cannot read it: people are notified, whatever ends the invocations."""

from collections.abc import Callable
from typing import Any

import pytest

from simulator.calls import Call
from simulator.errors import AwsError
from simulator.latency import Delay, Realistic
from tests.support.capacity.scene import EXPAND, CapacityScene, a_vpc_short_of_room


class Hanging(Realistic):
    """One operation takes longer than an invocation may."""

    def of_call(self, call: Call) -> Delay:
        return Delay(130.0, 0.0) if call.name == "ec2:DescribeRouteTables" else super().of_call(call)


def hang(scene: CapacityScene) -> None:
    scene.cloud.latency = Hanging(seed=1)


def refuse(scene: CapacityScene) -> None:
    def denied(*_: Any) -> Any:
        raise AwsError("UnauthorizedOperation", "no")

    scene.cloud.handlers["ec2:DescribeRouteTables"] = denied


def mend(scene: CapacityScene) -> None:
    scene.cloud.latency = Realistic(seed=1)
    scene.cloud.handlers.pop("ec2:DescribeRouteTables", None)


def findings(scene: CapacityScene) -> list[tuple[str, str]]:
    return [(one["resource"], one["code"]) for one in scene.events("Finding Reported")]


@pytest.mark.parametrize("disturb", [hang, refuse])
def test_a_vpc_that_no_invocation_can_read_is_a_finding_and_expanded_when_one_can(
    disturb: Callable[[CapacityScene], None],
) -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        disturb(scene)
        scene.berthmaster.run(minutes=18)
        assert findings(scene) == []
        scene.berthmaster.run(minutes=60)
        assert findings(scene) == [(scene.vpc_id, "not planned")]
        assert any(scene.vpc_id in mail.message for mail in scene.berthmaster.published)
        mend(scene)
        scene.berthmaster.run(minutes=30)
        assert len(scene.events("Expansion Completed")) == 1
        disturb(scene)
        scene.fill(leave=0, which=1)
        scene.fill(leave=0, which=2)
        scene.berthmaster.run(minutes=60)
        assert findings(scene) == [(scene.vpc_id, "not planned")] * 2


@pytest.mark.parametrize("mode", ["observe", "approve"])
def test_a_vpc_that_stays_short_as_the_mode_wants_it_is_no_finding(mode: str) -> None:
    with a_vpc_short_of_room(watched=True, mode=mode) as scene:
        scene.berthmaster.run(minutes=60)
        assert findings(scene) == []
        assert scene.cloud.calls.of(EXPAND).named("ec2:DescribeRouteTables") != []


def test_a_vpc_that_stays_short_while_capacity_is_paused_is_no_finding() -> None:
    with a_vpc_short_of_room() as scene:
        scene.pause()
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=60)
        assert findings(scene) == []
        scene.resume()
        scene.berthmaster.run(minutes=20)
        assert findings(scene) == []
