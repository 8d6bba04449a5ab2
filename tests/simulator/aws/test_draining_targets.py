"""An address that still drains in a group is registered there again, in each way that AWS may take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.aws.elbv2.target_rules import PER_GROUP
from simulator.aws.elbv2.targets import WhileDraining
from simulator.calls import calling_as
from tests.support.target_groups import deregister, health, register, set_attribute

if TYPE_CHECKING:
    from simulator.cloud import Cloud

KEY = ("10.0.0.5", 80)
OTHER = ("10.0.0.6", 80)
ANSWERED = [one for one in WhileDraining if one is not WhileDraining.REFUSED]


@pytest.fixture
def draining(elbv2: Any, group: str) -> str:
    """A group whose only target drains for 30 more seconds of 40."""
    set_attribute(elbv2, group, "deregistration_delay.timeout_seconds", "40")
    with calling_as("First"):
        register(elbv2, group, "10.0.0.5")
    time.sleep(20)
    deregister(elbv2, group, "10.0.0.5")
    time.sleep(10)
    return group


def state(elbv2: Any, group: str) -> str:
    return health(elbv2, group).get(KEY, ("", ""))[0]


def test_it_is_refused_unless_said_otherwise(cloud: Cloud, elbv2: Any, draining: str) -> None:
    assert cloud.targets.while_draining is WhileDraining.REFUSED
    with pytest.raises(elbv2.exceptions.InvalidTargetException, match=r"'10\.0\.0\.5'"):
        register(elbv2, draining, "10.0.0.6", "10.0.0.5")
    assert cloud.targets.routable(draining) == set()
    assert state(elbv2, draining) == "draining"


def test_accepted_the_drain_ends_and_the_target_begins_anew(cloud: Cloud, elbv2: Any, draining: str) -> None:
    cloud.targets.while_draining = WhileDraining.ACCEPTED
    with calling_as("Second"):
        register(elbv2, draining, "10.0.0.6", "10.0.0.5")
    assert health(elbv2, draining) == dict.fromkeys((KEY, OTHER), ("initial", "Elb.RegistrationInProgress"))
    assert cloud.targets.registered_by(draining, *KEY) == "Second"
    time.sleep(15)
    assert state(elbv2, draining) == "healthy"
    time.sleep(3600)
    assert cloud.targets.routable(draining) == {KEY, OTHER}


def test_accepted_a_later_deregistration_drains_for_the_whole_delay(cloud: Cloud, elbv2: Any, draining: str) -> None:
    cloud.targets.while_draining = WhileDraining.ACCEPTED
    register(elbv2, draining, "10.0.0.5")
    deregister(elbv2, draining, "10.0.0.5")
    time.sleep(39)
    assert state(elbv2, draining) == "draining"
    time.sleep(1)
    assert state(elbv2, draining) == ""


def test_ignored_the_target_drains_on(cloud: Cloud, elbv2: Any, draining: str) -> None:
    cloud.targets.while_draining = WhileDraining.IGNORED
    with calling_as("Second"):
        register(elbv2, draining, "10.0.0.6", "10.0.0.5")
    assert state(elbv2, draining) == "draining"
    assert cloud.targets.registered_by(draining, *KEY) == "First"
    deregister(elbv2, draining, "10.0.0.5")
    time.sleep(30)
    assert set(health(elbv2, draining)) == {OTHER}
    register(elbv2, draining, "10.0.0.5")
    assert state(elbv2, draining) == "initial"


def test_dropped_the_target_is_healthy_until_the_drain_would_have_ended(
    cloud: Cloud, elbv2: Any, draining: str
) -> None:
    cloud.targets.while_draining = WhileDraining.DROPPED
    with calling_as("Second"):
        register(elbv2, draining, "10.0.0.6", "10.0.0.5")
    assert cloud.targets.registered_by(draining, *KEY) == "Second"
    time.sleep(29)
    assert state(elbv2, draining) == "healthy"
    assert cloud.targets.routable(draining) == {KEY, OTHER}
    time.sleep(1)
    assert cloud.targets.routable(draining) == {OTHER}
    assert set(health(elbv2, draining)) == {OTHER}
    register(elbv2, draining, "10.0.0.5")
    time.sleep(3600)
    assert state(elbv2, draining) == "healthy"


def test_dropped_and_deregistered_it_drains_no_longer_than_before(cloud: Cloud, elbv2: Any, draining: str) -> None:
    cloud.targets.while_draining = WhileDraining.DROPPED
    register(elbv2, draining, "10.0.0.5")
    time.sleep(20)
    deregister(elbv2, draining, "10.0.0.5")
    assert state(elbv2, draining) == "draining"
    register(elbv2, draining, "10.0.0.5")
    assert state(elbv2, draining) == "initial"
    time.sleep(10)
    assert state(elbv2, draining) == ""


@pytest.mark.parametrize("way", ANSWERED)
def test_it_takes_no_more_room(cloud: Cloud, elbv2: Any, draining: str, way: WhileDraining) -> None:
    cloud.targets.while_draining = way
    cloud.quotas.apply(PER_GROUP, 1)
    register(elbv2, draining, "10.0.0.5")
    with pytest.raises(ClientError, match="TooManyTargets"):
        register(elbv2, draining, "10.0.0.6")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(ANSWERED),
    st.lists(st.tuples(st.sampled_from("rdw"), st.integers(4, 8), st.sampled_from([80, 81])), max_size=30),
)
def test_what_tests_see_is_what_the_api_describes(
    cloud: Cloud, elbv2: Any, group: str, way: WhileDraining, steps: list[tuple[str, int, int]]
) -> None:
    cloud.targets.while_draining = way
    for verb, host, port in steps:
        ip = f"10.0.0.{host}"
        if verb == "w":
            time.sleep(host * 10)
        elif verb == "d":
            deregister(elbv2, group, ip, Port=port)
        else:
            register(elbv2, group, ip, Port=port)
        # Read before the API is: it forgets what is gone.
        routable = cloud.targets.routable(group)
        states = {(f"10.0.0.{host}", port): "" for host in range(4, 9) for port in (80, 81)}
        states = {key: cloud.targets.state(group, *key) for key in states}
        described = {key: state for key, (state, _) in health(elbv2, group).items()}
        assert routable == {key for key, state in described.items() if state != "draining"}
        assert {key: state for key, state in states.items() if state} == described
