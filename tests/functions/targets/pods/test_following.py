"""Pods follow the EndpointSlices of their Service within seconds, and lists that do not change cost no AWS calls."""

from collections import defaultdict
from itertools import pairwise

import pytest

from simulator.aws.eks.api_server import Pod
from simulator.aws.elbv2.targets import WhileDraining
from simulator.faults import CrashAfter, CrashBefore
from tests.support.targets.pods import FOLLOW, PodsScene, pods_of_a_cluster, tags_of_pods
from tests.support.targets.scene import RECONCILE, SHOP, a_targets_scene

FIRST, SECOND = "10.0.0.21", "10.0.0.22"
PROMISED = 10.0
"""Seconds from the deletion of a pod until it is deregistered."""


def seconds_until_deregistered(pods: PodsScene, pod: Pod) -> float:
    """Delete a pod; returns how long its target stays."""
    pods.cluster.delete(pod)
    begun = pods.cluster.now
    while pod.address in pods.targets:
        pods.wait(0.25)
        assert pods.cluster.now < begun + 120
    return pods.cluster.now - begun


def test_pods_are_registered_when_they_are_ready() -> None:
    with pods_of_a_cluster() as pods:
        pods.pods(1)
        late = pods.cluster.run(2)
        late.ready_at += 30
        pods.wait(25)
        assert pods.targets == {FIRST}
        pods.wait(15)
        assert pods.scene.cloud.targets.routable(pods.group) == {(FIRST, 8080), (SECOND, 8080)}
        assert pods.scene.operations(FOLLOW) == 2 * ["RegisterTargets"]


@pytest.mark.parametrize("seed", range(3))
def test_a_terminating_pod_is_deregistered_within_seconds_at_any_moment(seed: int) -> None:
    with pods_of_a_cluster(seed=seed) as pods:
        running = pods.pods(*range(1, 16))
        waits = []
        for pod in running[:14]:
            waits.append(seconds_until_deregistered(pods, pod))
            pods.wait(17.3)
        assert max(waits) <= PROMISED


def test_a_pod_that_vanishes_is_deregistered_after_the_cluster_was_asked_by_name() -> None:
    with pods_of_a_cluster() as pods:
        _, second = pods.pods(1, 2)
        pods.cluster.delete(second, grace=0)
        pods.wait(15)
        assert pods.targets == {FIRST}
        assert any(path.endswith(second.name) for _, path, _ in pods.cluster.asked)


def test_lists_that_do_not_change_cost_no_aws_call() -> None:
    with pods_of_a_cluster() as pods:
        pods.pods(1, 2)
        pods.wait(120)
        until_minute = 60 - pods.cluster.now % 60
        pods.wait(until_minute + 15)
        seq, asked = len(pods.scene.cloud.calls), len(pods.cluster.asked)
        pods.wait(30)
        assert pods.scene.cloud.calls.since(seq).of(FOLLOW).all == []
        assert len(pods.cluster.asked) - asked >= 5


def test_what_others_change_is_corrected_within_a_minute() -> None:
    with pods_of_a_cluster() as pods:
        pods.pods(1)
        pods.scene.cloud.client("elbv2").deregister_targets(
            TargetGroupArn=pods.group, Targets=[{"Id": FIRST, "Port": 8080}]
        )
        pods.wait(75 + 30)
        assert pods.targets == {FIRST}


def test_a_pod_at_the_address_of_a_deleted_one_is_registered_when_that_has_drained() -> None:
    with pods_of_a_cluster() as pods:
        (first,) = pods.pods(1)
        pods.cluster.delete(first, grace=0)
        pods.cluster.run(2, address=FIRST)
        pods.wait(10)
        assert pods.scene.cloud.targets.state(pods.group, FIRST, 8080) == "draining"
        pods.wait(40)
        assert pods.targets == {FIRST}
        assert pods.scene.operations(FOLLOW) == ["RegisterTargets", "DeregisterTargets", "RegisterTargets"]


@pytest.mark.parametrize("moment", range(0, 60, 20))
def test_a_pod_at_the_address_of_a_deleted_one_is_registered_while_that_drains(moment: int) -> None:
    with pods_of_a_cluster(drain=300) as pods:
        pods.scene.cloud.targets.while_draining = WhileDraining.ACCEPTED
        (first,) = pods.pods(1)
        pods.wait(moment)
        pods.cluster.delete(first, grace=0)
        pods.cluster.run(2, address=FIRST)
        pods.wait(30)
        assert pods.targets == {FIRST}


def test_a_registration_that_is_dropped_when_the_drain_ends_is_made_again_within_seconds() -> None:
    with pods_of_a_cluster(drain=120) as pods:
        pods.scene.cloud.targets.while_draining = WhileDraining.DROPPED
        (first,) = pods.pods(1)
        pods.cluster.delete(first, grace=0)
        pods.cluster.run(2, address=FIRST)
        pods.wait(30)
        gone_at = pods.scene.cloud.targets.of(pods.group)[FIRST, 8080].gone_at
        assert gone_at is not None
        pods.wait(gone_at - pods.scene.cloud.clock.timestamp() + 15)
        assert pods.targets == {FIRST}


def test_the_reconciliation_leaves_pods_alone() -> None:
    with a_targets_scene() as scene:
        cluster = scene.cloud.kubernetes.create("blue")
        cluster.admits |= {FOLLOW, RECONCILE}
        group = scene.target_group("web", tags_of_pods())
        cluster.run(1)
        scene.wait(5)
        scene.reconcile(times=2)
        assert scene.targets(group) == set()
        assert cluster.asked == []


def test_without_destinations_of_pods_a_run_ends_at_once() -> None:
    with a_targets_scene() as scene:
        invocation = scene.berthmaster.invoke(FOLLOW, {})
        assert invocation.error is None
        assert invocation.ended - invocation.started < 10
        assert [call.name for call in scene.cloud.calls.of(FOLLOW).all] == [
            "dynamodb:GetItem",
            "resourcegroupstaggingapi:GetResources",
        ]


def test_two_runs_never_follow_pods_at_the_same_time() -> None:
    with pods_of_a_cluster() as pods:
        pods.pods(1)
        seq = len(pods.scene.cloud.calls)
        assert pods.scene.berthmaster.invoke(FOLLOW, {}).error is None
        pods.wait(120)
        spans: dict[str, list[float]] = defaultdict(list)
        for call in pods.scene.cloud.calls.since(seq).of(FOLLOW).all:
            if call.service == "elbv2":
                spans[call.request_id].append(call.at)
        ordered = sorted(spans.values())
        assert len(ordered) > 1
        assert all(before[-1] < after[0] for before, after in pairwise(ordered))


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
@pytest.mark.parametrize("call", range(1, 11))
def test_a_run_that_is_killed_at_any_call_is_continued_by_the_next(
    crash: type[CrashBefore | CrashAfter], call: int
) -> None:
    with pods_of_a_cluster() as pods:
        first, _ = pods.pods(1, 2)
        pods.cluster.delete(first)
        pods.scene.cloud.faults.set_crash(crash(call, FOLLOW))
        pods.wait(170)
        assert pods.targets == {SECOND}
        assert pods.scene.cloud.faults.crashes == 1


def test_nothing_is_changed_while_targets_is_paused() -> None:
    with pods_of_a_cluster() as pods:
        (first,) = pods.pods(1)
        pods.scene.pause()
        pods.wait(5)
        pods.cluster.delete(first)
        pods.wait(100)
        assert pods.targets == {FIRST}
        pods.scene.resume()
        pods.wait(75)
        assert pods.targets == set()


def test_in_mode_observe_pods_are_only_reported() -> None:
    with pods_of_a_cluster(mode="observe") as pods:
        pods.pods(1)
        pods.wait(120)
        assert pods.targets == set()
        assert len(pods.scene.events("Change Reported")) == 1


def test_a_cluster_that_does_not_answer_delays_no_other() -> None:
    with pods_of_a_cluster() as pods:
        other = pods.scene.cloud.kubernetes.create("green")
        pods.scene.target_group("green", tags_of_pods(cluster="green"))
        other.down = True
        running = pods.pods(*range(1, 9))
        pods.wait(60)
        waits = []
        for pod in running[:6]:
            waits.append(seconds_until_deregistered(pods, pod))
            pods.wait(13)
        assert max(waits) <= PROMISED
        assert any("EKS cluster green" in text for _, text in pods.scene.findings())


def test_polling_once_a_minute_follows_pods_within_a_minute() -> None:
    with pods_of_a_cluster(TargetsPodPollSeconds=60) as pods:
        (first,) = pods.pods(1)
        pods.wait(60)
        assert pods.targets == {FIRST}
        assert seconds_until_deregistered(pods, first) <= 70
        assert all(run.ended - run.started < 20 for run in pods.runs())


def test_pods_are_adopted_and_addresses_that_nothing_has_are_removed() -> None:
    with pods_of_a_cluster(tags=tags_of_pods(adopt="true")) as pods:
        first, second = pods.pods(1, 2)
        pods.scene.register_by_hand("10.0.0.23", pods.group)
        pods.scene.lose_ledger()
        pods.wait(250)
        assert pods.targets == {first.address, second.address}
        pods.cluster.delete(second)
        pods.wait(PROMISED)
        assert pods.targets == {first.address}


def test_a_group_that_belonged_to_tasks_is_left_to_the_pods() -> None:
    """The role of the function may not call ECS."""
    with pods_of_a_cluster(tags=SHOP) as pods:
        scene = pods.scene
        (task,) = scene.serve(1, spread=False)
        assert scene.targets(pods.group) == {task.address}
        scene.cloud.client("elbv2").remove_tags(ResourceArns=[pods.group], TagKeys=list(SHOP))
        scene.retag(pods.group, tags_of_pods())
        pods.cluster.run(1)
        pods.cluster.run(2)
        scene.wait(180)
        assert pods.targets == {FIRST, SECOND}
        assert [call.name for call in scene.cloud.calls.of(FOLLOW).all if call.service == "ecs"] == []
