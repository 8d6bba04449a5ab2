"""What was in a bucket before is counted, proposed, and processed behind all else once it is approved."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from berthmaster.batch.model.balance import Balance
from berthmaster.batch.model.files import State
from berthmaster.batch.plan import backfills
from berthmaster.items import Items
from simulator.aws.s3 import listings
from simulator.faults import CrashAfter, CrashBefore
from tests.support.batch.backfills import a_scene_with_history, answered, approve, request, wait_for
from tests.support.batch.reconciling import a_reconciled_scene
from tests.support.batch.scene import CONTROL, INCOMING, BatchScene


@pytest.mark.parametrize("versioned", [True, False])
def test_objects_from_before_are_counted_and_processed_once_approved(*, versioned: bool) -> None:
    with a_scene_with_history(12, versioned=versioned) as scene:
        scene.put("scans/empty.tif", b"")
        scene.settle()
        proposed = request(scene, prefix="scans/00")
        assert (proposed["files"], proposed["bytes"], proposed["known"], proposed["outside"]) == (10, 60, 0, 0)
        assert (proposed["expected_seconds"], proposed["expected_dollars"]) == (None, None)
        assert scene.states() == {"scans/empty.tif": ["skipped"]}, "nothing is received yet"
        assert "10 files are received" in approve(scene, proposed)
        done = wait_for(scene, "Backfill Completed")
        assert (done["planned"], done["files"], done["bytes"], done["failed"]) == (10, 10, 60, 0)
        scene.settle()
        assert Counter(file.state for file in scene.files()) == {State.COMMITTED: 10, State.SKIPPED: 1}
        assert len(scene.events("File Completed")) == 10
        scene.wait(300)
        again = request(scene)
        assert (again["files"], again["known"], again["empty"]) == (2, 10, 1)
        # Each task was billed for a minute, and at least two are needed one after the other at most.
        (paid,) = {file.dollars for file in scene.files() if file.state is State.COMMITTED}
        assert again["expected_dollars"] == pytest.approx(2 * paid, abs=1e-4)
        assert 30 < again["expected_seconds"] < 180
        assert "as the last 10 files" in again["message"]
        approve(scene, again)
        scene.settle()
        scene.wait(120)
        assert "there is nothing to do" in approve(scene, request(scene))
        assert scene.dead_letters() == []


def test_what_was_observed_is_processed_by_a_backfill_and_by_nothing_else() -> None:
    with a_reconciled_scene(mode="observe") as scene:
        for number in range(5):
            scene.put(f"scans/{number}.tif")
        scene.wait(400)
        proposed = request(scene)
        assert (proposed["files"], proposed["observed"]) == (5, 5)
        assert "BatchMode" in proposed["message"]
        assert approve(scene, proposed) == "no: the mode is observe, so nothing would be launched"
        scene.deploy_mode("enforce")
        scene.wait(600)
        assert {file.state for file in scene.files()} == {State.OBSERVED}
        assert "5 files are received" in approve(scene, proposed)
        done = wait_for(scene, "Backfill Completed")
        assert (done["files"], done["observed"], done["known"]) == (5, 5, 0)
        scene.settle()
        assert {file.state for file in scene.files()} == {State.COMMITTED}
        assert out_of_balance(scene) == 0


@pytest.mark.parametrize("versioned", [True, False])
def test_objects_that_change_meanwhile_are_processed_once_and_in_their_newest_version(*, versioned: bool) -> None:
    with a_scene_with_history(30, versioned=versioned, pipeline={"limits": {"tasks": 3}}) as scene:
        proposed = request(scene)
        scene.request("Proposal Approved", proposal=proposed["proposal"])
        # Before, while, and after the backfill receives them.
        for number in range(10):
            scene.put(f"scans/{number:03}.tif", f"new scan {number}".encode())
            scene.wait(0.7)
        scene.cloud.client("s3").delete_object(Bucket=INCOMING, Key="scans/029.tif")
        scene.settle(limit=7200)
        wait_for(scene, "Backfill Completed")
        texts = {key: body for key, body in scene.objects("ocr/").items() if ".berthmaster" not in key}
        assert texts == {
            f"ocr/{number:03}.tif/text.txt": (f"NEW SCAN {number}" if number < 10 else f"SCAN {number}").encode()
            for number in range(29)
        }
        results = [file.key for file in scene.files() if file.state is State.COMMITTED and file.key >= "scans/010"]
        assert len(results) == len(set(results)) == 19
        assert out_of_balance(scene) == 0
        assert scene.dead_letters() == []


def test_live_files_come_before_those_of_a_backfill() -> None:
    with a_scene_with_history(20, pipeline={"limits": {"tasks": 2}}) as scene:
        approve(scene, request(scene))
        scene.wait(120)
        (status,) = asked(scene)
        assert status["behind"] > 10
        assert (status["backfill"]["stage"], status["backfill"]["received"]) == ("running", 20)
        for number in range(6):
            scene.put(f"scans/live {number}.tif")
        scene.settle(limit=7200)
        launched = sorted(scene.files(), key=lambda file: file.launch.requested_at if file.launch else file.received_at)
        order = [file.key.startswith("scans/live") for file in launched]
        first = order.index(True)
        assert sum(order[first : first + 8]) == 6, "none waits for more than those that had begun"


def test_a_cancelled_backfill_receives_no_more_and_launches_no_more() -> None:
    with a_scene_with_history(20, pipeline={"limits": {"tasks": 2}}) as scene:
        proposed = request(scene)
        approve(scene, proposed)
        scene.wait(90)
        assert "no more files" in answered(scene, "Cancel Requested", backfill=proposed["proposal"], by="ann")
        done = wait_for(scene, "Backfill Cancelled")
        assert (done["reason"], done["files"]) == ("cancelled by ann", 20)
        scene.settle()
        states = Counter(file.state for file in scene.files())
        assert states[State.CANCELLED] >= 14
        assert states.total() == 20
        assert set(states) == {State.CANCELLED, State.COMMITTED}
        assert scene.events("Request Completed")[0]["done"] == states[State.CANCELLED]
        assert "cancelled before" in answered(scene, "Cancel Requested", backfill=proposed["proposal"])
        assert "there is no backfill" in answered(scene, "Cancel Requested", backfill="batch.ocr.20200101T000000Z")


def test_what_was_approved_is_what_is_done_or_it_is_proposed_anew() -> None:
    with a_scene_with_history(6) as scene:
        proposed = request(scene, prefix="scans/00", until=(scene.cloud.clock.now()).isoformat())
        assert proposed["files"] == 6
        scene.put_pipeline(output={"prefix": "elsewhere/"})
        text = approve(scene, proposed)
        assert "the document of the pipeline has changed since" in text
        scene.wait(60)
        again = scene.events("Backfill Proposed")[-1]
        assert (again["files"], again["proposal"] != proposed["proposal"]) == (6, True)
        assert again["fingerprint"] != proposed["fingerprint"]
        assert "is proposed instead" in approve(scene, proposed)
        assert answered(scene, "Proposal Rejected", proposal=again["proposal"]) == (
            "it is rejected, and nothing of it is received"
        )
        assert "rejected before" in approve(scene, again)
        assert scene.files() == []


def test_what_came_by_events_takes_no_place_of_what_was_approved() -> None:
    with a_scene_with_history(3, versioned=False) as scene:
        for number in range(4):
            scene.put(f"scans/{number:03} live.tif")
        scene.settle()
        scene.wait(400)
        proposed = request(scene)
        assert (proposed["files"], proposed["known"]) == (3, 4)
        approve(scene, proposed)
        done = wait_for(scene, "Backfill Completed")
        assert (done["files"], done["known"]) == (3, 4)
        assert "more objects than were approved" not in done["message"]


@pytest.mark.long
@pytest.mark.parametrize("side", [CrashBefore, CrashAfter])
def test_a_backfill_goes_on_wherever_a_function_dies(
    side: type[CrashBefore | CrashAfter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfills, "STRIDE", 4)
    monkeypatch.setattr(listings, "PAGE", 4)
    with a_scene_with_history(40, pipeline={"limits": {"tasks": 100}}) as scene:
        for turn, call in enumerate(range(6, 86, 20)):
            scene.cloud.faults.set_crash(side(call, CONTROL))
            scene.request("Backfill Requested", pipeline="ocr", prefix=f"scans/0{turn}")
            while len(proposed := {one["proposal"]: one for one in scene.events("Backfill Proposed")}) <= turn:
                scene.wait(30)
            scene.cloud.faults.set_crash(side(call, CONTROL))
            scene.request("Proposal Approved", proposal=max(proposed))
            while len({one["backfill"] for one in scene.events("Backfill Completed")}) <= turn:
                scene.wait(30)
        done = {
            one["backfill"]: (one["files"], one["known"], one["failed"]) for one in scene.events("Backfill Completed")
        }
        assert list(done.values()) == [(10, 0, 0)] * 4
        assert scene.cloud.faults.crashes >= 4
        scene.settle()
        assert Counter(file.state for file in scene.files()) == {State.COMMITTED: 40}
        assert scene.dead_letters() == []
        assert out_of_balance(scene) == 0


def test_more_files_are_received_as_those_before_are_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "MOST_BEHIND", 5)
    with a_scene_with_history(30, pipeline={"limits": {"tasks": 4}}) as scene:
        approve(scene, request(scene))
        most = 0
        while not scene.events("Backfill Completed"):
            scene.wait(10)
            most = max(most, sum(file.state is State.WAITING for file in scene.files()))
        assert most == 5
        scene.settle()
        assert Counter(file.state for file in scene.files()) == {State.COMMITTED: 30}


def asked(scene: BatchScene) -> list[Mapping[str, Any]]:
    """What a pipeline waits for."""
    scene.request("File Status Requested", pipeline="ocr")
    scene.wait(10)
    return scene.events("Pipeline Status")


def out_of_balance(scene: BatchScene) -> int:
    """How many files are missing, when batch_reconcile has counted them after all that has happened."""
    scene.wait(15 * 60)
    balances = Items(scene.cloud.client("dynamodb"), scene.table, "balance", Balance).query()
    (found,) = [one for one in balances if one.pipeline == "ocr"]
    return found.out_of_balance
