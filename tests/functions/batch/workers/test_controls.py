"""Workers claim nothing while they may not: what they read before each claim is right at once, and stays right."""

from typing import Any

import pytest

from berthmaster.batch.ledger.controls import Control, Controls
from berthmaster.items import Conflict
from simulator.workload.workers import taking
from tests.support.batch.scene import BatchScene
from tests.support.batch.workers import a_worker_pipeline, put, wait_for

AT_ONCE = 10.0


def why_not(scene: BatchScene) -> str | None:
    return Controls(scene.cloud.client("dynamodb"), scene.table).get("ocr").why_not


def claims(scene: BatchScene) -> int:
    """How often files were claimed so far."""
    return sum(file.launch.number for file in scene.files() if file.launch)


def test_a_pause_ends_claims_at_once_and_what_is_being_worked_on_is_finished() -> None:
    with a_worker_pipeline(taking(30)) as scene:
        put(scene, 10)
        wait_for(scene, "running")
        scene.request("Pause Requested", automation="batch", by="alex")
        scene.wait(AT_ONCE)
        assert "paused by alex" in (why_not(scene) or "")
        before = claims(scene)
        assert 0 < before < 10
        scene.wait(300)
        assert claims(scene) == before
        assert scene.cloud.tasks.alive() == [], "a worker that may claim nothing for a minute ends"
        scene.request("Resume Requested", automation="batch")
        scene.wait(AT_ONCE)
        assert why_not(scene) == ""
        scene.settle()
        assert {state for states in scene.states().values() for state in states} == {"committed"}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"paused": True, "run": {"contract": "worker"}}, "`paused`"),
        ({"run": {"contract": "command"}}, "contract"),
        (None, "not in force"),
    ],
    ids=["paused", "another contract", "removed"],
)
def test_a_document_that_lets_workers_claim_nothing_does_so_at_once(document: Any, reason: str) -> None:
    with a_worker_pipeline() as scene:
        assert why_not(scene) == ""
        scene.berthmaster.schedules_enabled = False
        if document is None:
            scene.delete_document()
        else:
            scene.put_document(**document)
        scene.wait(AT_ONCE)
        assert reason in (why_not(scene) or "")


def test_a_control_item_that_is_wrong_is_right_within_a_minute() -> None:
    with a_worker_pipeline() as scene:
        scene.cloud.client("dynamodb").delete_item(
            TableName=scene.table, Key={"pk": {"S": "worker ocr"}, "sk": {"S": "control"}}
        )
        scene.wait(90)
        assert why_not(scene) == ""
        scene.cloud.client("dynamodb").put_item(
            TableName=scene.table, Item={"pk": {"S": "worker ocr"}, "sk": {"S": "control"}, "claims": {"S": "yes"}}
        )
        scene.wait(90)
        assert why_not(scene) == ""
        scene.deploy_mode("observe")
        scene.wait(90)
        assert why_not(scene) == "the mode is observe"


def test_who_has_read_the_item_before_another_wrote_it_does_not_write_over_it() -> None:
    with a_worker_pipeline() as scene:
        controls = Controls(scene.cloud.client("dynamodb"), scene.table)
        read = controls.get("ocr")
        controls.save("ocr", read, "a pause")
        with pytest.raises(Conflict):
            controls.save("ocr", read, "")
        assert controls.get("ocr") == Control(why_not="a pause", version=read.version + 1)
