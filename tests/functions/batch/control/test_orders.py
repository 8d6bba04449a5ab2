"""Requests about very many files go on wherever a function dies, and count each file once."""

from collections import Counter
from datetime import timedelta

import pytest

from berthmaster.batch import orders
from berthmaster.batch.ledger.files import partition
from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import file_id, shard_of
from simulator.faults import CrashAfter, CrashBefore, Outage
from tests.support.batch.reconciling import a_reconciled_scene
from tests.support.batch.scene import CONTROL, INCOMING, BatchScene, a_batch_scene

PAUSED = {"paused": True}


def add_files(scene: BatchScene, count: int, state: State, *, name: str = "") -> None:
    """Files as the ledger has them."""
    now = scene.cloud.clock.now()
    for number in range(count):
        key = f"scans/{name}{number}.tif"
        scene.ledger.save(
            File(
                id=file_id(INCOMING, key, version_id="", etag="e", sequencer="01"),
                pipeline="ocr",
                bucket=INCOMING,
                key=key,
                etag="e",
                sequencer="01",
                received_at=now - timedelta(minutes=1),
                state=state,
                since=now - timedelta(minutes=1),
                due=now - timedelta(minutes=1),
            )
        )


def ends(scene: BatchScene) -> dict[str, tuple[int, int, int]]:
    """By request, how many files were changed, left and failed; an end may be reported twice, but not in two ways."""
    found = {(one["request_id"], one["done"], one["left"], one["failed"]) for one in scene.events("Request Completed")}
    assert len(found) == len({request for request, *_ in found})
    return {request: (done, left, failed) for request, done, left, failed in found}


@pytest.mark.parametrize("side", [CrashBefore, CrashAfter])
def test_a_crash_at_any_call_of_an_order(side: type[CrashBefore | CrashAfter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PAGE", 2)
    with a_batch_scene(pipeline=PAUSED) as scene:
        calls = range(1, 70, 5)
        for call in calls:
            add_files(scene, 10, State.DEAD, name=f"{call}-")
            scene.cloud.faults.set_crash(side(call, CONTROL))
            scene.request("Replay Requested", pipeline="ocr")
            scene.wait(500)
        assert scene.cloud.faults.crashes >= len(calls) - 2, "most of these calls are made for one order"
        assert list(ends(scene).values()) == [(10, 0, 0)] * len(calls)
        assert Counter(file.state for file in scene.files()) == {State.WAITING: 10 * len(calls)}
        assert scene.dead_letters() == []


def test_many_files_are_cancelled_while_other_requests_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "SLICE", timedelta(seconds=3))
    with a_batch_scene(pipeline=PAUSED) as scene:
        add_files(scene, 500, State.WAITING)
        scene.request("Cancel Requested", pipeline="ocr")
        scene.wait(10)
        (begun,) = scene.events("Request Accepted")
        assert begun["text"].startswith("500 files of the pipeline are being cancelled")
        scene.request("File Status Requested", pipeline="ocr")
        scene.wait(20)
        assert len(scene.events("Pipeline Status")) == 1
        scene.wait(600)
        assert list(ends(scene).values()) == [(500, 0, 0)]
        assert {file.state for file in scene.files()} == {State.CANCELLED}


def test_a_file_that_cannot_be_changed_stops_no_others() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        add_files(scene, 20, State.WAITING)
        broken = scene.files()[0]
        scene.cloud.client("dynamodb").update_item(
            TableName=scene.table,
            Key={"pk": {"S": partition(broken.pipeline, shard_of(broken.id))}, "sk": {"S": broken.id}},
            UpdateExpression="SET body = :none",
            ExpressionAttributeValues={":none": {"S": "{"}},
        )
        scene.request("Cancel Requested", pipeline="ocr")
        scene.wait(120)
        assert list(ends(scene).values()) == [(19, 0, 1)]


def test_a_copy_of_a_request_and_an_outage_change_nothing() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        add_files(scene, 5, State.DEAD)
        scene.cloud.faults.begin_outage(Outage("events:PutEvents", scene.cloud.clock.timestamp() + 120))
        scene.request("Replay Requested", pipeline="ocr")
        scene.wait(900)
        assert list(ends(scene).values()) == [(5, 0, 0)]
        (answer, *copies) = scene.events("Request Accepted")
        assert {one["request_id"] for one in copies} <= {answer["request_id"]}


def test_an_order_whose_messages_were_all_lost_goes_on() -> None:
    with a_reconciled_scene(pipeline=PAUSED) as scene:
        add_files(scene, 10, State.DEAD)
        # No invocation gets a lease, and so none does anything, until the message is in the dead-letter queue.
        scene.cloud.faults.begin_outage(Outage("dynamodb:UpdateItem", scene.cloud.clock.timestamp() + 40 * 60))
        scene.request("Replay Requested", pipeline="ocr")
        scene.wait(40 * 60)
        assert "Change Files" in str(scene.berthmaster.dead_letters("BatchControlDeadLetterQueue"))
        assert ends(scene) == {}
        scene.wait(10 * 60)
        assert list(ends(scene).values()) == [(10, 0, 0)]
