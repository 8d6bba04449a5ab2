"""What is not listed, or cannot be read, has not left: the cluster must say that a pod is gone."""

import pytest

from tests.support.targets.pods import FOLLOW, pods_of_a_cluster
from tests.support.targets.scene import TAG

FIRST, SECOND = "10.0.0.21", "10.0.0.22"


def test_a_service_without_endpoints_keeps_the_pods_that_live() -> None:
    with pods_of_a_cluster() as pods:
        (first,) = pods.pods(1)
        first.service = "renamed"
        pods.wait(300)
        assert pods.targets == {FIRST}
        assert ("no endpoints", "the Service shop/web has no endpoints; registered pods stay") in pods.scene.findings()


def test_a_pod_that_is_missing_while_its_endpoint_is_moved_stays_registered() -> None:
    with pods_of_a_cluster() as pods:
        first, _ = pods.pods(1, 2)
        first.service = "being moved"
        pods.wait(40)
        first.service = "web"
        pods.wait(200)
        assert pods.targets == {FIRST, SECOND}
        assert pods.scene.operations(FOLLOW) == ["RegisterTargets"]


def test_a_pod_that_no_longer_belongs_to_the_service_is_deregistered_after_some_time() -> None:
    with pods_of_a_cluster() as pods:
        first, _ = pods.pods(1, 2)
        first.service = "other"
        pods.wait(50)
        assert pods.targets == {FIRST, SECOND}
        pods.wait(150)
        assert pods.targets == {SECOND}


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
def test_a_cluster_that_refuses_keeps_its_pods_and_is_reported_once(status: int) -> None:
    with pods_of_a_cluster() as pods:
        first, _ = pods.pods(1, 2)
        pods.cluster.refuses = status
        pods.cluster.delete(first, grace=0)
        pods.wait(240)
        assert pods.targets == {FIRST, SECOND}
        found = [text for code, text in pods.scene.findings() if code == "not readable"]
        assert len(found) == 1
        assert ("expired" if status == 410 else f"HTTP {status}") in found[0]
        assert all(run.error is None for run in pods.runs())
        pods.cluster.refuses = 0
        pods.wait(30)
        assert pods.targets == {SECOND}


def test_a_cluster_that_is_down_keeps_its_pods() -> None:
    with pods_of_a_cluster() as pods:
        first, _ = pods.pods(1, 2)
        pods.cluster.down = True
        pods.cluster.delete(first, grace=0)
        pods.wait(200)
        assert pods.targets == {FIRST, SECOND}
        pods.cluster.down = False
        pods.wait(45)
        assert pods.targets == {SECOND}


def test_aws_failing_to_describe_the_cluster_removes_nothing() -> None:
    with pods_of_a_cluster() as pods:
        pods.pods(1)
        pods.scene.begin_outage("eks:DescribeCluster", 1800)
        pods.scene.berthmaster.runtime.kill_containers()
        pods.wait(300)
        assert pods.targets == {FIRST}
        pods.wait(1800)
        assert pods.targets == {FIRST}


def test_a_destination_that_is_detached_loses_its_pods() -> None:
    with pods_of_a_cluster() as pods:
        pods.pods(1, 2)
        pods.scene.retag(pods.group, {TAG: "detached"})
        pods.wait(75)
        assert pods.targets == set()


def test_many_pods_of_which_the_cluster_says_that_they_are_gone_need_no_approval() -> None:
    with pods_of_a_cluster() as pods:
        for pod in pods.pods(*range(1, 11)):
            pods.cluster.delete(pod, grace=0)
        pods.wait(100)
        assert pods.targets == set()
        assert pods.scene.events("Change Proposed") == []
