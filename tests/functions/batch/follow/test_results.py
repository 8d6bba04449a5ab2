"""What workers report becomes of their files, as long as they have the claim."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.sizes import Size
from tests.support.batch import claims
from tests.support.batch.refusals import refused
from tests.support.batch.scene import RESULTS, BatchScene, a_batch_scene
from tests.support.batch.worker_records import a_worker

KEY = "scans/a.tif"


@pytest.fixture
def scene() -> Iterator[BatchScene]:
    """Files of a paused pipeline wait for no worker but ours."""
    with a_batch_scene(pipeline={"run": {"contract": "worker"}, "paused": True}) as scene:
        yield scene


def claimed(scene: BatchScene, *, lease: str = "lease-1") -> File:
    """A file that a worker works on, whose record the ledger has."""
    if not scene.files():
        scene.put(KEY)
        scene.wait(10)
        a_worker(scene, "w1", Size(256, 512))
    (file,) = scene.files()
    claims.claim(scene.cloud.client("dynamodb"), scene.table, file, at=scene.cloud.clock.now(), lease=lease)
    (file,) = scene.files()
    return file


def write(scene: BatchScene, file: File, name: str = "text.txt", body: bytes = b"SCAN") -> None:
    """As its worker writes a result."""
    assert file.launch
    key = f"ocr/.berthmaster/attempts/{file.id}/{file.launch.number}/{name}"
    scene.cloud.client("s3").put_object(Bucket=RESULTS, Key=key, Body=body)


def report(scene: BatchScene, file: File, *, seconds: float = 10, **detail: Any) -> File:
    """As its worker reports it; the file as it is some seconds later."""
    sqs = scene.cloud.client("sqs")
    queue = sqs.get_queue_url(QueueName=scene.berthmaster.template.identity("BatchResultQueue").name)["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=claims.result(file, at=scene.cloud.clock.now(), **detail))
    scene.wait(seconds)
    (file,) = scene.files()
    return file


def test_what_a_worker_has_done_is_committed_with_its_share_of_the_price(scene: BatchScene) -> None:
    file = claimed(scene)
    write(scene, file)
    file = report(scene, file)
    assert (file.state, file.result_of, file.claim) == (State.COMMITTED, 1, None)
    assert scene.objects("ocr/a.tif/") == {"ocr/a.tif/text.txt": b"SCAN"}
    (manifest,) = scene.objects("ocr/.berthmaster/manifests/").values()
    assert json.loads(manifest)["task"] == claims.TASK
    assert file.dollars == pytest.approx(10 / 3600 * (0.25 * 0.04656 + 0.5 * 0.00511))


def test_a_worker_that_has_lost_its_claim_reports_in_vain(scene: BatchScene) -> None:
    file = claimed(scene)
    write(scene, file)
    before = report(scene, file, lease="another")
    assert (before.state, before.claim) == (State.RUNNING, file.claim)


def test_a_result_that_comes_twice_is_committed_once(scene: BatchScene) -> None:
    file = claimed(scene)
    write(scene, file)
    with refused(scene, "ocr/.berthmaster/manifests/"):
        assert report(scene, file).state is State.COMMITTING
        assert report(scene, file).state is State.COMMITTING
    file = report(scene, file, seconds=120)
    assert file.state is State.COMMITTED
    assert len(scene.events("File Completed")) == 1
    assert report(scene, file).version == file.version


@pytest.mark.parametrize(
    ("detail", "state", "charged"),
    [
        ({"exitCode": 1}, State.WAITING, (1, 0)),
        ({"exitCode": 3}, State.DEAD, (0, 0)),
        ({"exitCode": 4}, State.SKIPPED, (0, 0)),
        ({"exitCode": 75}, State.WAITING, (0, 1)),
        ({"exitCode": None, "outcome": "timed out"}, State.WAITING, (1, 0)),
        ({"exitCode": None, "outcome": "failed"}, State.WAITING, (0, 1)),
        ({"exitCode": 143, "outcome": "handed back"}, State.WAITING, (0, 1)),
        ({"exitCode": None, "outcome": "lost input"}, State.VANISHED, (0, 0)),
    ],
)
def test_how_the_work_has_ended_decides_what_follows(
    scene: BatchScene, detail: dict[str, Any], state: State, charged: tuple[int, int]
) -> None:
    file = report(scene, claimed(scene), reason="line 7", **detail)
    assert (file.state, file.claim) == (state, None)
    assert (file.attempts, file.failures) == charged
    assert "line 7" in file.reason


def test_what_is_handed_back_waits_for_nothing_and_is_claimed_under_a_higher_fence(scene: BatchScene) -> None:
    file = report(scene, claimed(scene), exitCode=None, outcome="handed back")
    assert file.due <= scene.cloud.clock.now()
    launch = claimed(scene, lease="lease-2").launch
    assert launch
    assert launch.number == 2


def test_a_file_that_is_out_of_memory_gets_a_larger_task_of_its_own(scene: BatchScene) -> None:
    file = report(scene, claimed(scene), exitCode=137)
    assert (file.state, file.is_alone, file.task_size) == (State.WAITING, True, (256, 1024))
    assert len(scene.events("Memory Raised")) == 1


def test_a_message_that_is_no_result_reaches_the_dead_letters(scene: BatchScene) -> None:
    file = claimed(scene)
    after = report(scene, file, seconds=4000, exitCode=None)
    assert after.claim == file.claim
    queue = scene.berthmaster.template.identity("BatchResultDeadLetterQueue").name
    sqs = scene.cloud.client("sqs")
    messages = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])["Messages"]
    assert len(messages) == 1
