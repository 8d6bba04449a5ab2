"""Targets of a target group, from registration to the end of the deregistration delay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.calls import calling_as
from tests.support.target_groups import deregister, health, make_group, make_load_balancer, register, set_attribute

if TYPE_CHECKING:
    from simulator.cloud import Cloud


def test_a_target_is_checked_before_it_is_healthy_and_drains_before_it_is_gone(
    cloud: Cloud, elbv2: Any, group: str
) -> None:
    key = ("10.0.0.5", 80)
    register(elbv2, group, "10.0.0.5")
    assert health(elbv2, group) == {key: ("initial", "Elb.RegistrationInProgress")}
    time.sleep(10)
    assert health(elbv2, group) == {key: ("initial", "Elb.InitialHealthChecking")}
    time.sleep(5)
    assert health(elbv2, group) == {key: ("healthy", "")}
    deregister(elbv2, group, "10.0.0.5")
    assert health(elbv2, group) == {key: ("draining", "Target.DeregistrationInProgress")}
    assert cloud.targets.routable(group) == set()
    time.sleep(299)
    deregister(elbv2, group, "10.0.0.5")
    assert cloud.targets.state(group, *key) == "draining"
    time.sleep(1)
    assert health(elbv2, group) == {}
    assert health(elbv2, group, {"Id": "10.0.0.5"}) == {key: ("unused", "Target.NotRegistered")}


def test_a_network_load_balancer_takes_longer(elbv2: Any, network_group: str) -> None:
    register(elbv2, network_group, "10.0.0.5")
    time.sleep(89)
    assert health(elbv2, network_group)["10.0.0.5", 80][0] == "initial"
    time.sleep(1)
    assert health(elbv2, network_group)["10.0.0.5", 80][0] == "healthy"


def test_health_is_that_of_whoever_holds_the_address_now(
    cloud: Cloud, elbv2: Any, group: str, network_group: str
) -> None:
    listening = {("10.0.0.5", 8080)}
    cloud.targets.answers = lambda ip, port: (ip, port) in listening
    for arn in (group, network_group):
        register(elbv2, arn, "10.0.0.5", Port=8080)
    time.sleep(90)
    assert health(elbv2, group)["10.0.0.5", 8080] == ("healthy", "")
    listening.clear()
    assert health(elbv2, group)["10.0.0.5", 8080] == ("unhealthy", "Target.Timeout")
    assert health(elbv2, network_group)["10.0.0.5", 8080] == ("unhealthy", "Target.FailedHealthChecks")


def test_no_traffic_without_a_load_balancer_in_the_zone(
    cloud: Cloud, elbv2: Any, vpc_id: str, subnets: list[str]
) -> None:
    group = make_group(elbv2, vpc_id)
    register(elbv2, group, "10.0.0.5", "10.0.1.5")
    assert set(health(elbv2, group).values()) == {("unused", "Target.NotInUse")}
    cloud.targets.attach(group, make_load_balancer(elbv2, subnets[:1]))
    states = health(elbv2, group)
    assert states["10.0.0.5", 80][0] == "initial"
    assert states["10.0.1.5", 80][0] == "unused"


def test_a_listener_attaches_its_group(elbv2: Any, vpc_id: str, subnets: list[str]) -> None:
    group, load_balancer = make_group(elbv2, vpc_id), make_load_balancer(elbv2, subnets)
    forward = {"Type": "forward", "TargetGroupArn": group}
    elbv2.create_listener(LoadBalancerArn=load_balancer, Protocol="HTTP", Port=80, DefaultActions=[forward])
    (found,) = elbv2.describe_target_groups(LoadBalancerArn=load_balancer)["TargetGroups"]
    assert found["LoadBalancerArns"] == [load_balancer]


def test_ports_make_targets_of_their_own(cloud: Cloud, elbv2: Any, group: str) -> None:
    register(elbv2, group, "10.0.0.5")
    register(elbv2, group, "10.0.0.5", Port=8080)
    deregister(elbv2, group, "10.0.0.5")
    assert cloud.targets.routable(group) == {("10.0.0.5", 8080)}
    assert set(health(elbv2, group)) == {("10.0.0.5", 80), ("10.0.0.5", 8080)}


def test_registering_and_deregistering_twice_changes_nothing(cloud: Cloud, elbv2: Any, group: str) -> None:
    with calling_as("First"):
        register(elbv2, group, "10.0.0.5")
    time.sleep(15)
    register(elbv2, group, "10.0.0.5")
    deregister(elbv2, group, "10.0.0.6")
    assert cloud.targets.state(group, "10.0.0.5", 80) == "healthy"
    assert cloud.targets.registered_by(group, "10.0.0.5", 80) == "First"


def test_the_same_address_waits_until_it_has_drained(cloud: Cloud, elbv2: Any, group: str) -> None:
    set_attribute(elbv2, group, "deregistration_delay.timeout_seconds", "30")
    register(elbv2, group, "10.0.0.5", "10.0.0.6")
    deregister(elbv2, group, "10.0.0.5")
    with pytest.raises(ClientError, match="InvalidTarget"):
        register(elbv2, group, "10.0.0.7", "10.0.0.5")
    assert cloud.targets.routable(group) == {("10.0.0.6", 80)}
    register(elbv2, group, "10.0.0.5", Port=8080)
    time.sleep(30)
    register(elbv2, group, "10.0.0.5")
    assert cloud.targets.state(group, "10.0.0.5", 80) == "initial"


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("rdw"), st.integers(4, 8), st.sampled_from([80, 81])), max_size=30))
def test_the_state_seen_by_tests_is_what_the_api_describes(
    cloud: Cloud, elbv2: Any, group: str, steps: list[tuple[str, int, int]]
) -> None:
    for verb, host, port in steps:
        ip = f"10.0.0.{host}"
        if verb == "w":
            time.sleep(host * 10)
        elif verb == "d":
            deregister(elbv2, group, ip, Port=port)
        elif cloud.targets.state(group, ip, port) == "draining":
            with pytest.raises(ClientError, match="InvalidTarget"):
                register(elbv2, group, ip, Port=port)
        else:
            register(elbv2, group, ip, Port=port)
        described = health(elbv2, group)
        routable = {key for key, (state, _) in described.items() if state != "draining"}
        assert cloud.targets.routable(group) == routable
        assert {key: cloud.targets.state(group, *key) for key in described} == {
            key: state for key, (state, _) in described.items()
        }
