"""A scenario of targets that leaves no AWS call out: every way to register and deregister, in each function."""

import json

from simulator.calls import Calls
from tests.target_scenes import CLUSTER, SHOP, TAG, Quay, a_quay, tags_of
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
    with a_quay(drain=0, TargetsBreakerFloor=1) as quay:
        quay.cloud_map("shop", SHOP, ttl=10)
        quay.target_group("batch", tags_of(family="batch"))
        quay.target_group("pods", PODS)
        quay.target_group("tcp", SHOP, protocol="TCP", balancer=quay.network_load_balancer())
        quay.serve(3)
        quay.tell("Drain Requested", task=quay.run_task().arn)
        quay.wait(400)
        events_are_lost(quay)
        quay.fleet.stop(quay.running()[0])
        quay.wait(120)
        ecs_asks(quay)
        assert quay.letters() == []
        return quay.cloud.calls


def events_are_lost(quay: Quay) -> None:
    """Events of tasks are lost in a group where others register too, and the breaker asks before it removes so many."""
    quay.cloud.client("elbv2").register_targets(TargetGroupArn=quay.shop, Targets=[{"Id": "10.0.0.60", "Port": 80}])
    with quay.deaf():
        for task in quay.running()[:2]:
            quay.fleet.stop(task)
        quay.wait(200)
    quay.reconcile(times=4)
    for asked in quay.events("Change Proposed"):
        quay.tell("Change Approved", change=asked["change"])
    quay.reconcile(times=2)
    assert quay.targets() == {task.address for task in quay.running()} | {"10.0.0.60"}


def ecs_asks(quay: Quay) -> None:
    """A deployment waits for its tasks."""
    revision = quay.fleet.deploy("shop")
    quay.wait(200)
    event = read("targets_gate_post_scale_up")
    event["executionDetails"] |= {
        "serviceArn": f"arn:aws:ecs:eu-central-1:123456789012:service/{CLUSTER}/shop",
        "targetServiceRevisionArn": revision,
    }
    invocation = quay.berthmaster.invoke(GATE, event)
    assert invocation.error is None, json.dumps(event)
