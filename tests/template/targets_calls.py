"""A scenario of targets that leaves no AWS call out: every way to register and deregister, in each function."""

import json

from simulator.calls import Calls
from tests.support.targets.scene import CLUSTER, SHOP, TAG, TargetsScene, a_targets_scene, tags_of
from tests.template.events import read

GATE = "TargetsGateFunction"
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
        scene.target_group("batch", tags_of(family="batch"))
        scene.target_group("pods", PODS)
        scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer())
        scene.serve(3)
        scene.tell("Drain Requested", task=scene.run_task().arn)
        scene.wait(400)
        events_are_lost(scene)
        scene.fleet.stop(scene.running()[0])
        scene.wait(120)
        ecs_asks(scene)
        assert scene.letters() == []
        return scene.cloud.calls


def events_are_lost(scene: TargetsScene) -> None:
    """Events of tasks are lost in a group where others register too, and the breaker asks before it removes so many."""
    scene.cloud.client("elbv2").register_targets(TargetGroupArn=scene.shop, Targets=[{"Id": "10.0.0.60", "Port": 80}])
    with scene.deaf():
        for task in scene.running()[:2]:
            scene.fleet.stop(task)
        scene.wait(200)
    scene.reconcile(times=4)
    for asked in scene.events("Change Proposed"):
        scene.tell("Change Approved", change=asked["change"])
    scene.reconcile(times=2)
    assert scene.targets() == {task.address for task in scene.running()} | {"10.0.0.60"}


def ecs_asks(scene: TargetsScene) -> None:
    """A deployment waits for its tasks."""
    revision = scene.fleet.deploy("shop")
    scene.wait(200)
    event = read("targets_gate_post_scale_up")
    event["executionDetails"] |= {
        "serviceArn": f"arn:aws:ecs:eu-central-1:123456789012:service/{CLUSTER}/shop",
        "targetServiceRevisionArn": revision,
    }
    invocation = scene.berthmaster.invoke(GATE, event)
    assert invocation.error is None, json.dumps(event)
