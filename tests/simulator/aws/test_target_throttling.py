"""Calls of Elastic Load Balancing have token buckets, for functions only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.calls import calling_as
from simulator.faults import FaultPlan
from simulator.latency import Constant
from tests.support.target_groups import deregister, register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.cloud import Cloud


@pytest.fixture
def function() -> Iterator[None]:
    """Calls are those of a function."""
    with calling_as("TargetsFunction"):
        yield


@pytest.mark.usefixtures("function")
def test_changes_of_targets_share_a_bucket_and_botocore_waits_for_it(cloud: Cloud, elbv2: Any, group: str) -> None:
    cloud.latency = Constant()
    began = time.time()
    for index in range(10):
        register(elbv2, group, f"10.0.0.{10 + index}")
        deregister(elbv2, group, f"10.0.0.{10 + index}")
    assert time.time() == began
    register(elbv2, group, "10.0.0.5")
    last = cloud.calls.all[-1]
    assert (last.outcome, last.attempts > 1) == ("ok", True)
    assert time.time() > began
    assert len(cloud.calls.named("elbv2:RegisterTargets")) == 11
    assert ("10.0.0.5", 80) in cloud.targets.routable(group)


@pytest.mark.usefixtures("function")
def test_reads_have_a_bucket_of_their_own(cloud: Cloud, elbv2: Any, group: str) -> None:
    cloud.latency = Constant()
    for _ in range(20):
        elbv2.describe_target_health(TargetGroupArn=group)
        elbv2.describe_target_groups()
    register(elbv2, group, "10.0.0.5")
    assert {call.attempts for call in cloud.calls.of("TargetsFunction")} == {1}
    elbv2.describe_target_group_attributes(TargetGroupArn=group)
    assert cloud.calls.all[-1].attempts > 1


def test_only_functions_are_throttled_and_throttling_can_be_off(cloud: Cloud, elbv2: Any, group: str) -> None:
    cloud.latency = Constant()
    for _ in range(50):
        register(elbv2, group, "10.0.0.5")
    cloud.targets.throttles = False
    with calling_as("TargetsFunction"):
        for _ in range(50):
            register(elbv2, group, "10.0.0.5")
    assert {call.attempts for call in cloud.calls} == {1}


@pytest.mark.usefixtures("function")
def test_a_call_throttled_for_too_long_fails(cloud: Cloud, elbv2: Any, group: str) -> None:
    cloud.targets.changes.rate = 0.0
    for _ in range(20):
        register(elbv2, group, "10.0.0.5")
    with pytest.raises(ClientError, match="Throttling"):
        register(elbv2, group, "10.0.0.6")
    assert cloud.targets.routable(group) == {("10.0.0.5", 80)}


@pytest.mark.usefixtures("function")
def test_faults_and_throttling_go_together(cloud: Cloud, elbv2: Any, group: str) -> None:
    cloud.faults.plan = FaultPlan(seed=3, throttled=0.1, lost_response=0.1)
    for index in range(40):
        register(elbv2, group, f"10.0.0.{10 + index}")
    assert len(cloud.targets.routable(group)) == 40
