"""A scenario of targets that leaves no AWS call out: every way to register and deregister, in each function."""

import json

from simulator.aws.elbv2.target_rules import PER_ZONE_OF_NETWORK_LOAD_BALANCER
from simulator.calls import Calls
from tests.support.targets.scene import BATCH, CLUSTER, GATE, SHOP, TAG, TargetsScene, a_targets_scene, addresses
from tests.template.events import read

BY_HAND = "10.0.0.60"
PODS = {
    TAG: "managed",
    "berthmaster:eks-cluster": "elsewhere",
    "berthmaster:namespace": "shop",
    "berthmaster:k8s-service": "shop",
}


def targets_calls() -> Calls:
    """Every call while tasks start and stop, events are lost, others register, an operator decides and ECS asks."""
    with a_targets_scene(drain=0, TargetsBreakerFloor=1) as scene:
        scene.cloud_map("shop", SHOP, ttl=10)
        scene.target_group("batch", BATCH)
        scene.target_group("pods", PODS)
        scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer())
        # Only in a load balancer that is nearly full does it matter how its zones share the quota.
        scene.cloud.quotas.apply(PER_ZONE_OF_NETWORK_LOAD_BALANCER, 50)
        scene.serve(3)
        scene.request("Drain Requested", task=scene.run_task().arn)
        scene.wait(400)
        lose_events(scene)
        scene.fleet.stop(scene.running()[0])
        scene.wait(120)
        call_gate(scene)
        pause_and_resume(scene)
        assert scene.dead_letters() == []
        return scene.cloud.calls


def lose_events(scene: TargetsScene) -> None:
    """Lose the events of stopped tasks in a group that others use too, so that their removal needs an approval."""
    scene.register_by_hand(BY_HAND)
    with scene.without_events():
        for task in scene.running()[:2]:
            scene.fleet.stop(task)
        scene.wait(200)
    scene.reconcile(times=4)
    for proposal in scene.events("Change Proposed"):
        scene.approve(proposal)
    scene.reconcile(times=2)
    assert scene.targets() == addresses(scene.running()) | {BY_HAND}


def call_gate(scene: TargetsScene) -> None:
    """Let ECS ask about a deployment whose tasks run."""
    revision = scene.fleet.deploy("shop")
    scene.wait(200)
    event = read("targets_gate_post_scale_up")
    event["executionDetails"] |= {
        "serviceArn": f"arn:aws:ecs:eu-central-1:123456789012:service/{CLUSTER}/shop",
        "targetServiceRevisionArn": revision,
    }
    invocation = scene.berthmaster.invoke(GATE, event)
    assert invocation.error is None, json.dumps(event)


def pause_and_resume(scene: TargetsScene) -> None:
    """Pause targets, let it refuse a request, and resume it."""
    scene.pause()
    scene.wait(5)
    scene.request("Drain Requested", task=scene.running()[0].arn)
    scene.wait(5)
    assert scene.events("Request Refused")
    scene.resume()
    scene.wait(5)
