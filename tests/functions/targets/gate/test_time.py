"""However slow AWS is, the gate answers before Lambda ends it: ECS rolls a deployment back if a hook fails."""

from simulator.latency import Constant
from tests.support.targets.gate import SERVICE, a_gate_scene
from tests.support.targets.scene import GATE


def test_many_slow_groups_are_read_in_the_time_there_is() -> None:
    with a_gate_scene() as gate:
        for number in range(30):
            gate.group(f"web-{number}")
        revision = gate.deploy()
        gate.scene.wait(240)
        gate.scene.cloud.latency = Constant(1.5)
        answer, seconds = gate.until_answered(revision)
        assert answer == {"hookStatus": "SUCCEEDED"}
        assert seconds < 120


def test_what_ecs_registers_itself_is_read_again_at_each_call() -> None:
    with a_gate_scene() as gate:
        arn = gate.group("web")
        gate.scene.wait(120)
        revision = gate.deploy()
        gate.scene.registered_by_ecs("shop", arn)
        gate.scene.wait(30)
        event = {"serviceArn": SERVICE, "targetServiceRevisionArn": revision}
        assert gate.call(event)["hookStatus"] == "SUCCEEDED"
        # ECS drops the group; until then the gate had nothing to wait for.
        gate.scene.registered_by_ecs("shop", arn="arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/o/1")
        gate.scene.cloud.targets.answers = lambda _ip, _port: False
        second = gate.deploy()
        gate.scene.wait(30)
        assert gate.call(event | {"targetServiceRevisionArn": second})["hookStatus"] == "IN_PROGRESS"


def test_one_call_asks_ecs_about_the_service_once() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        gate.status(gate.deploy())
        assert len(gate.scene.cloud.calls.of(GATE).named("ecs:DescribeServices")) == 1
