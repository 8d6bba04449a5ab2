"""Before production traffic shifts, the gate does not demand what targets does not do before; then it demands all."""

from typing import Any

import pytest

from simulator.aws.ecs.lifecycle_hooks import HookTargets
from tests.support.targets.gate import GateScene, a_gate_scene
from tests.support.targets.scene import CLUSTER, GATE, addresses
from tests.support.targets.traffic_shift import BLUE_GREEN, STAGES, ShiftScene

SHIFT = "PRODUCTION_TRAFFIC_SHIFT"
ROLE = "arn:aws:iam::123456789012:role/hooks"
HOOK = "arn:aws:lambda:eu-central-1:123456789012:function:gate"


def configure(gate: GateScene, configuration: dict[str, Any]) -> None:
    """Let the service deploy like that from now on, when its first tasks are healthy."""
    gate.scene.wait(120)
    gate.scene.cloud.client("ecs").update_service(
        cluster=CLUSTER, service="shop", deploymentConfiguration=configuration
    )


@pytest.mark.parametrize("stage", ["POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"])
def test_before_the_shift_only_running_tasks_are_demanded(stage: str) -> None:
    with a_gate_scene() as gate:
        group, shift = gate.group("web"), ShiftScene(gate.scene)
        configure(gate, shift.configuration())
        shift.answers = {stage: "IN_PROGRESS"}
        revision = gate.deploy()
        assert gate.status(revision, stage) == "IN_PROGRESS"
        assert gate.logged("deployment waits")[0]["reason"] == "0 of 2 new tasks run"
        gate.scene.wait(90)
        assert gate.status(revision, stage) == "SUCCEEDED"
        (line,) = gate.logged("deployment continues")
        assert line["reason"] == "2 of 2 new tasks run; in web they are registered when production traffic shifts"
        assert not addresses(gate.new_tasks(revision)) & gate.scene.targets(group)


def test_from_the_shift_on_all_are_demanded() -> None:
    with a_gate_scene() as gate:
        group, shift = gate.group("web"), ShiftScene(gate.scene)
        configure(gate, shift.configuration())
        shift.answers = {SHIFT: "IN_PROGRESS"}
        revision = gate.deploy()
        while SHIFT not in shift.reached:
            gate.scene.wait(1)
        weights = {"productionTrafficWeights": {revision: 100}}
        assert gate.status(revision, SHIFT, **weights) == "IN_PROGRESS"
        answer, seconds = gate.until_answered(revision, SHIFT, **weights)
        assert answer == {"hookStatus": "SUCCEEDED"}
        assert seconds < 120
        assert all(gate.scene.state(task, group) == "healthy" for task in gate.new_tasks(revision))


def test_before_a_further_step_all_are_demanded() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        shift = ShiftScene(gate.scene)
        configure(gate, shift.configuration(strategy="CANARY"))
        shift.answers = {"POST_SCALE_UP": "IN_PROGRESS"}
        revision = gate.deploy()
        gate.scene.wait(90)
        stage = "PRE_PRODUCTION_TRAFFIC_SHIFT"
        assert gate.status(revision, stage, productionTrafficWeights={revision: 0}) == "SUCCEEDED"
        assert gate.status(revision, stage, productionTrafficWeights={revision: 5}) == "IN_PROGRESS"


def test_a_deployment_that_asks_the_gate_at_every_stage_comes_to_its_end() -> None:
    with a_gate_scene() as gate:
        scene, group = gate.scene, gate.group("web")
        scene.cloud.state(HookTargets).functions[HOOK] = gate.call
        hooks = [{"hookTargetArn": HOOK, "roleArn": ROLE, "lifecycleStages": ["PRE_SCALE_UP", *STAGES]}]
        configure(gate, {**BLUE_GREEN, "lifecycleHooks": hooks})
        revision = gate.deploy()
        for _ in range(100):
            scene.wait(10)
            assert len(scene.targets(group)) >= 2
        assert scene.running() == gate.new_tasks(revision)
        assert scene.targets(group) == addresses(scene.running())
        (deployment,) = scene.cloud.client("ecs").describe_services(cluster=CLUSTER, services=["shop"])["services"][0][
            "deployments"
        ]
        assert deployment["rolloutState"] == "COMPLETED"
        assert scene.logged(GATE, "deployment fails") == []
