"""DeregisterTargets that succeeds and leaves targets registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.calls import WORKLOAD, calling_as
from simulator.cloud import Cloud
from tests.support.target_groups import deregister, make_group, register

if TYPE_CHECKING:
    from collections.abc import Callable

IPS = [f"10.0.0.{host}" for host in range(10, 60)]


def left(cloud: Cloud, group: str) -> set[str]:
    return {ip for ip, _ in cloud.targets.routable(group)}


def test_none_is_carried_out_in_a_group_that_loses_them(cloud: Cloud, elbv2: Any, group: str, vpc_id: str) -> None:
    other = make_group(elbv2, vpc_id, "other")
    cloud.targets.lost_deregistrations.groups.add(group)
    for arn in (group, other):
        register(elbv2, arn, *IPS)
        with calling_as("TargetsFunction"):
            deregister(elbv2, arn, *IPS)
    assert left(cloud, group) == set(IPS)
    assert left(cloud, other) == set()
    cloud.targets.lost_deregistrations.groups.clear()
    with calling_as("TargetsFunction"):
        deregister(elbv2, group, *IPS)
    assert left(cloud, group) == set()


@pytest.mark.parametrize("caller", [WORKLOAD, "operator"])
def test_only_functions_lose_them(cloud: Cloud, elbv2: Any, group: str, caller: str) -> None:
    cloud.targets.lost_deregistrations.groups.add(group)
    cloud.targets.lost_deregistrations.per_call = cloud.targets.lost_deregistrations.per_target = 1.0
    register(elbv2, group, *IPS)
    with calling_as(caller):
        deregister(elbv2, group, *IPS)
    assert left(cloud, group) == set()


def drawn(seed: int, group_of: Callable[[Cloud], str], **probabilities: float) -> list[set[str]]:
    """What is left in ten rounds of deregistering everything."""
    rounds = []
    with Cloud(seed=seed) as cloud:
        group, elbv2 = group_of(cloud), cloud.client("elbv2")
        cloud.targets.throttles = False
        for name, probability in probabilities.items():
            setattr(cloud.targets.lost_deregistrations, name, probability)
        for number in range(10):
            ips = [f"10.0.{number}.{host}" for host in range(10, 30)]
            register(elbv2, group, *ips, AvailabilityZone="all")
            with calling_as("TargetsFunction"):
                deregister(elbv2, group, *ips)
            rounds.append(left(cloud, group) & set(ips))
    return rounds


def a_group(cloud: Cloud) -> str:
    return make_group(cloud.client("elbv2"), cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])


def test_a_whole_call_is_lost_or_carried_out() -> None:
    sizes = {len(remaining) for remaining in drawn(1, a_group, per_call=0.5)}
    assert sizes == {0, 20}


def test_some_targets_of_a_call_are_lost() -> None:
    sizes = [len(remaining) for remaining in drawn(1, a_group, per_target=0.5)]
    assert all(0 < size < 20 for size in sizes)


def test_the_same_seed_loses_the_same() -> None:
    first = drawn(1, a_group, per_target=0.5)
    assert drawn(1, a_group, per_target=0.5) == first
    assert drawn(2, a_group, per_target=0.5) != first
