"""Where nothing is registered, no deployment is held: in the modes observe and off, and while targets is paused."""

import pytest

from tests.support.targets.gate import a_gate_scene


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_in_the_modes_observe_and_off_no_deployment_is_held(mode: str) -> None:
    with a_gate_scene(mode=mode) as gate:
        gate.group("web")
        assert gate.status(gate.deploy()) == "SUCCEEDED"
        (line,) = gate.logged("deployment not held")
        assert line["level"] == "WARNING"
        assert mode in line["reason"]


def test_while_targets_is_paused_no_deployment_is_held() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        gate.scene.wait(60)
        revision = gate.deploy()
        assert gate.status(revision) == "IN_PROGRESS"
        gate.scene.pause()
        gate.scene.wait(5)
        assert gate.status(revision) == "SUCCEEDED"
        assert "paused by ann" in gate.logged("deployment not held")[0]["reason"]
