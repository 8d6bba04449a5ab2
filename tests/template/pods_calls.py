"""A scenario of pods that leaves no AWS call out: every way to register and deregister, and both kinds of endpoints."""

from simulator.aws.elbv2.target_rules import PER_ZONE_OF_NETWORK_LOAD_BALANCER
from simulator.calls import Calls
from tests.support.targets.pods import PRIVATE, pods_of_a_cluster, tags_of_pods

BY_HAND = "10.0.0.60"


def pods_calls() -> Calls:
    """Every call while pods start and stop, in a cluster with a private endpoint."""
    with pods_of_a_cluster(public=False, **PRIVATE) as pods:
        pods.scene.cloud_map("web", tags_of_pods(), ttl=10)
        pods.scene.target_group(
            "tcp", tags_of_pods(), protocol="TCP", balancer=pods.scene.network_load_balancer(), drain=0
        )
        # Only in a load balancer that is nearly full does it matter how its zones share the quota.
        pods.scene.cloud.quotas.apply(PER_ZONE_OF_NETWORK_LOAD_BALANCER, 50)
        pods.scene.berthmaster.runtime.kill_containers()
        pods.wait(60)
        pods.scene.register_by_hand(BY_HAND, pods.group)
        first, second = pods.pods(1, 2)
        pods.cluster.delete(first)
        pods.cluster.delete(second, grace=0)
        pods.wait(120)
        assert pods.targets == {BY_HAND}
        return pods.scene.cloud.calls
