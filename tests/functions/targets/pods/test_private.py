"""Clusters without a public endpoint are read by a function in their VPC, which calls no AWS API."""

from typing import Any

import pytest

from berthmaster.errors import InvalidEvent
from tests.support.targets.pods import FOLLOW, PRIVATE, READER, PodsScene, pods_of_a_cluster

FIRST, SECOND = "10.0.0.21", "10.0.0.22"


def test_pods_of_a_private_cluster_are_followed() -> None:
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        first, _ = pods.pods(1, 2)
        assert pods.targets == {FIRST, SECOND}
        pods.cluster.delete(first)
        pods.wait(10)
        assert pods.targets == {SECOND}
        assert {caller for caller, _, _ in pods.cluster.asked} == {READER}


def test_the_function_in_the_vpc_calls_no_aws_api() -> None:
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        pods.pods(1)
        assert pods.scene.cloud.calls.of(READER).all == []


def test_a_list_that_does_not_change_costs_only_its_invocation() -> None:
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        pods.pods(1)
        pods.wait(120)
        pods.wait(60 - pods.cluster.now % 60 + 15)
        seq = len(pods.scene.cloud.calls)
        pods.wait(30)
        assert {call.name for call in pods.scene.cloud.calls.since(seq).of(FOLLOW).all} == {"lambda:Invoke"}


def test_a_public_cluster_is_not_read_from_the_vpc() -> None:
    with pods_of_a_cluster(**PRIVATE) as pods:
        pods.pods(1)
        assert pods.targets == {FIRST}
        assert {caller for caller, _, _ in pods.cluster.asked} == {FOLLOW}


def limit_public_access(pods: PodsScene) -> None:
    """Let the public endpoint allow certain addresses only, and the VPC reach the private one."""
    pods.scene.cloud.backend("eks").clusters["blue"].resources_vpc_config |= {
        "endpointPrivateAccess": True,
        "publicAccessCidrs": ["192.0.2.0/24"],
    }
    pods.cluster.is_private = True


def test_a_cluster_whose_public_endpoint_is_limited_is_read_from_the_vpc() -> None:
    with pods_of_a_cluster(**PRIVATE) as pods:
        pods.pods(1)
        limit_public_access(pods)
        pods.pods(2)
        pods.wait(60)
        assert pods.targets == {FIRST, SECOND}


def test_without_the_function_a_finding_says_how_to_get_it() -> None:
    with pods_of_a_cluster(public=False) as pods:
        pods.pods(1)
        pods.wait(120)
        ((code, text),) = pods.scene.findings()
        assert code == "not readable"
        assert "private endpoint" in text
        assert "set TargetsPodSubnets and TargetsPodSecurityGroups" in text


def test_without_an_access_entry_a_finding_says_so() -> None:
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        pods.pods(1)
        pods.cluster.admits.clear()
        pods.pods(2)
        pods.wait(60)
        assert pods.targets == {FIRST}
        assert any("HTTP 401" in text and "access entry" in text for _, text in pods.scene.findings())


def test_a_private_endpoint_that_does_not_answer_is_reported_and_its_pods_stay() -> None:
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        first, _ = pods.pods(1, 2)
        pods.cluster.down = True
        pods.cluster.delete(first, grace=0)
        pods.wait(120)
        assert pods.targets == {FIRST, SECOND}
        assert any("by way of" in text for _, text in pods.scene.findings())


def test_a_function_that_fails_is_reported_and_pods_stay() -> None:
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        first, _ = pods.pods(1, 2)
        pods.cluster.delete(first, grace=0)
        with pods.scene.failing("lambda:Invoke", code="TooManyRequestsException", status=429):
            pods.wait(120)
        assert pods.targets == {FIRST, SECOND}
        assert any("cannot be invoked" in text for _, text in pods.scene.findings())
        pods.wait(60)
        assert pods.targets == {SECOND}


@pytest.mark.parametrize("path", ["/api/v1/secrets", "/api/v1/namespaces/shop/secrets/key", "/version", "/../x", ""])
def test_nothing_but_slices_and_pods_is_read(path: str) -> None:
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        server = {"cluster": "blue", "url": f"https://{pods.cluster.host}", "authority": "x"}
        event: dict[str, Any] = {"server": server, "path": path, "query": {}}
        asked = len(pods.cluster.asked)
        error = pods.scene.berthmaster.invoke(READER, event).error
        assert type(error).__name__ == InvalidEvent.__name__
        assert "path" in str(error)
        assert all(path != one for _, one, _ in pods.cluster.asked[asked:])
