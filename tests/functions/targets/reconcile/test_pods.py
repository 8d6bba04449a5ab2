"""Pods follow the EndpointSlices of their Service, and are removed only when the cluster says that they are gone."""

from tests.support.targets.pods import a_pod, pods_of_a_cluster
from tests.support.targets.scene import RECONCILE, addresses

FIRST, SECOND = "10.0.0.21", "10.0.0.22"


def test_pods_are_registered_when_they_are_ready() -> None:
    with pods_of_a_cluster(a_pod(1), a_pod(2, ready=False)) as pods:
        assert pods.targets == {FIRST}
        pods.list_endpoints(a_pod(1), a_pod(2))
        pods.scene.reconcile()
        assert pods.scene.cloud.targets.routable(pods.group) == {(FIRST, 8080), (SECOND, 8080)}
        assert pods.scene.operations(RECONCILE) == 2 * ["RegisterTargets"]


def test_a_terminating_pod_is_deregistered_in_the_first_run() -> None:
    with pods_of_a_cluster(a_pod(1), a_pod(2)) as pods:
        pods.list_endpoints(a_pod(1), a_pod(2, terminating=True))
        pods.scene.reconcile(minutes=0)
        assert pods.targets == {FIRST}


def test_a_deleted_pod_is_deregistered_after_the_cluster_was_asked_by_name() -> None:
    with pods_of_a_cluster(a_pod(1), a_pod(2)) as pods:
        pods.list_endpoints(a_pod(1))
        pods.delete(2)
        pods.scene.reconcile()
        assert pods.targets == {FIRST, SECOND}
        pods.scene.reconcile()
        assert pods.targets == {FIRST}


def test_a_service_without_endpoints_keeps_the_pods_that_live() -> None:
    with pods_of_a_cluster(a_pod(1)) as pods:
        pods.list_endpoints()
        pods.keep(1)
        pods.scene.reconcile(times=4)
        assert pods.targets == {FIRST}


def test_a_cluster_that_fails_is_reported_once_and_keeps_its_pods() -> None:
    with pods_of_a_cluster(a_pod(1)) as pods:
        pods.fail()
        pods.scene.reconcile(times=4)
        assert pods.targets == {FIRST}
        assert pods.scene.targets(pods.scene.shop) == addresses(pods.scene.running())
        ((code, text),) = pods.scene.findings()
        assert code == "not readable"
        assert "HTTP 500" in text
        assert len(pods.scene.mails()) == 1


def test_a_pod_at_the_address_of_a_deleted_one_waits_for_its_drain() -> None:
    with pods_of_a_cluster(a_pod(1)) as pods:
        pods.list_endpoints(a_pod(2) | {"addresses": [FIRST]})
        pods.delete(1)
        pods.scene.reconcile(minutes=0.2)
        assert pods.scene.cloud.targets.state(pods.group, FIRST, 8080) == "draining"
        pods.scene.reconcile(times=2)
        assert pods.targets == {FIRST}
        assert pods.scene.operations(RECONCILE) == ["RegisterTargets", "DeregisterTargets", "RegisterTargets"]


def test_pods_are_adopted_and_addresses_that_nothing_has_are_removed() -> None:
    with pods_of_a_cluster(a_pod(1), a_pod(2), a_pod(3)) as pods:
        pods.scene.retag(pods.group, {"berthmaster:adopt": "true"})
        pods.list_endpoints(a_pod(1), a_pod(2))
        pods.scene.lose_ledger()
        pods.scene.reconcile()
        assert pods.targets == {FIRST, SECOND, "10.0.0.23"}
        pods.list_endpoints(a_pod(1), a_pod(2, terminating=True))
        pods.scene.reconcile()
        assert pods.targets == {FIRST}
