"""What is left when the mode is turned off: it is reported, and goes on in another mode."""

from typing import Any

from tests.support.batch.reconciling import a_reconciled_scene, calls
from tests.support.batch.scene import CONTROL, BatchScene, ocr


def slow_ocr(task: Any) -> int:
    """Work for some minutes."""
    task.sleep(240)
    return ocr(task)


def reports(scene: BatchScene) -> int:
    """How often the metric behind the alarm was written."""
    return sum(len(record.get("UnfinishedWork", [])) for record in scene.berthmaster.logs.metrics(CONTROL))


def turn_off(scene: BatchScene) -> None:
    """As a deployment does: AWS's events and the schedule are disabled, too."""
    scene.deploy_mode("off")
    scene.berthmaster.schedules_enabled = False
    for name in ("BatchTaskStateRule", "BatchObjectRule"):
        scene.cloud.client("events").disable_rule(Name=scene.berthmaster.template.identity(name).name)


def turn_on(scene: BatchScene) -> None:
    """As a deployment does."""
    scene.deploy_mode("enforce")
    scene.berthmaster.schedules_enabled = True
    for name in ("BatchTaskStateRule", "BatchObjectRule"):
        scene.cloud.client("events").enable_rule(Name=scene.berthmaster.template.identity(name).name)


def test_files_that_off_leaves_are_reported_until_they_are_finished() -> None:
    with a_reconciled_scene(program=slow_ocr) as scene:
        scene.put("scans/a.tif")
        scene.wait(120)
        assert scene.states() == {"scans/a.tif": ["running"]}
        turn_off(scene)
        scene.wait(180)
        at_first = reports(scene)
        assert at_first > 0
        scene.wait(1800)
        assert reports(scene) > at_first
        assert scene.states() == {"scans/a.tif": ["running"]}
        turn_on(scene)
        scene.wait(960)
        assert scene.states() == {"scans/a.tif": ["committed"]}
        reported = reports(scene)
        turn_off(scene)
        scene.wait(1800)
        assert reports(scene) == reported
        assert scene.dead_letters() == []


def test_off_without_work_reports_nothing() -> None:
    with a_reconciled_scene() as scene:
        scene.put("scans/a.tif")
        scene.settle()
        scene.wait(180)
        before = len(calls(scene, "SendMessage"))
        turn_off(scene)
        scene.wait(1800)
        assert reports(scene) == 0
        assert len(calls(scene, "SendMessage")) == before
