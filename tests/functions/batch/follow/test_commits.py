"""Results are committed once, and stable names hold the newest version's, whoever dies, waits or comes twice."""

import json
from typing import Any

import pytest

from berthmaster.batch.model.files import File, State
from berthmaster.batch.triggers import COMMIT_FILE
from simulator.faults import CrashAfter, FaultPlan
from tests.support.batch.refusals import refused
from tests.support.batch.scene import FOLLOW, INCOMING, RESULTS, BatchScene, a_batch_scene, ocr

MANIFESTS = "ocr/.berthmaster/manifests/"
KEY = "scans/a.tif"
STRIDE = 5
"""Of the calls of two commits, every fifth has a crash after it: an odd number, so that either commit comes first."""


def committing(scene: BatchScene, *bodies: bytes, key: str = KEY) -> list[File]:
    """Versions of a key whose tasks have ended well, and whose results are not committed yet, the oldest first."""
    with refused(scene, MANIFESTS):
        for number, body in enumerate(bodies, start=1):
            scene.put(key, body)
            while [one.state for one in scene.files()] != [State.COMMITTING] * number:
                scene.wait(4)
    return scene.files()


def commit(scene: BatchScene, *files: File) -> None:
    """Have files committed at once."""
    for file in files:
        event = {
            "source": "berthmaster",
            "detail-type": COMMIT_FILE,
            "detail": {"pipeline": file.pipeline, "file": file.id},
        }
        body = event | {"time": scene.cloud.clock.now().isoformat()}
        queue = scene.berthmaster.template.identity("BatchTaskQueue").name
        sqs = scene.cloud.client("sqs")
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=json.dumps(body))


def published(scene: BatchScene) -> dict[str, bytes]:
    return {key: body for key, body in scene.objects("ocr/").items() if ".berthmaster/" not in key}


def check_results(scene: BatchScene) -> None:
    """Each committed file has one manifest, whose objects are those of one launch, of the version that was put."""
    s3 = scene.cloud.client("s3")
    objects = scene.objects("ocr/.berthmaster/")
    for file in scene.files():
        if file.state is not State.COMMITTED:
            continue
        manifest = json.loads(objects[f"{MANIFESTS}{file.id}.json"])
        source = s3.get_object(Bucket=INCOMING, Key=file.key, VersionId=file.version_id)["Body"].read()
        (only,) = manifest["objects"]
        assert file.result_of == manifest["attempt"]
        assert only["key"] == f"ocr/.berthmaster/attempts/{file.id}/{file.result_of}/text.txt"
        assert objects[only["key"]] == source.upper()


@pytest.mark.parametrize("seed", range(4))
def test_two_versions_that_are_committed_at_once_leave_the_newer_ones_result(seed: int) -> None:
    with a_batch_scene(seed=seed) as scene:
        older, newer = committing(scene, b"older", b"newer")
        commit(scene, *([older, newer] if seed % 2 else [newer, older]))
        scene.settle()
        assert published(scene) == {"ocr/a.tif/text.txt": b"NEWER"}
        assert scene.states() == {KEY: ["committed", "committed"]}
        check_results(scene)
        assert scene.dead_letters() == []


def test_a_crash_after_calls_of_two_commits_leaves_the_newer_ones_result() -> None:
    call, crashes = 1 - STRIDE, 1
    while crashes:
        call += STRIDE
        with a_batch_scene(seed=call) as scene:
            older, newer = committing(scene, b"older", b"newer")
            scene.cloud.faults.set_crash(CrashAfter(call, FOLLOW))
            commit(scene, *([older, newer] if call % 2 else [newer, older]))
            scene.settle()
            crashes = scene.cloud.faults.crashes
            assert published(scene) == {"ocr/a.tif/text.txt": b"NEWER"}, call
            assert scene.states() == {KEY: ["committed", "committed"]}
            check_results(scene)
    assert call > 12


def test_the_same_commit_many_times_at_once_is_one_result() -> None:
    with a_batch_scene() as scene:
        (file,) = committing(scene, b"only")
        commit(scene, *[file] * 12)
        scene.settle()
        scene.wait(600)
        check_results(scene)
        puts = [
            call
            for call in scene.cloud.calls
            if call.name == "s3:PutObject" and call.params["Key"].startswith(MANIFESTS) and call.outcome == "ok"
        ]
        assert len(puts) == 1
        assert len(scene.events("File Completed")) == 1


def test_a_manifest_whose_answer_was_lost_is_found_again() -> None:
    with a_batch_scene() as scene:
        scene.cloud.faults.lose_response(
            lambda call: call.name == "s3:PutObject" and call.params["Key"].startswith(MANIFESTS)
        )
        scene.put(KEY)
        scene.settle()
        assert scene.states() == {KEY: ["committed"]}
        check_results(scene)


def test_writes_of_a_manifest_that_collide_are_made_again() -> None:
    with a_batch_scene(faults=FaultPlan(write_conflict=0.5)) as scene:
        for number in range(10):
            scene.put(f"scans/{number}.tif")
        scene.settle()
        check_results(scene)
        assert scene.dead_letters() == []


def test_a_manifest_that_another_launch_has_written_is_the_truth() -> None:
    with a_batch_scene() as scene:
        (file,) = committing(scene, b"only")
        s3 = scene.cloud.client("s3")
        ghosts = f"ocr/.berthmaster/attempts/{file.id}/7/text.txt"
        etag = s3.put_object(Bucket=RESULTS, Key=ghosts, Body=b"ONLY")["ETag"].strip('"')
        manifest = {
            "file": file.id,
            "pipeline": "ocr",
            "input": {"bucket": INCOMING, "key": KEY, "version_id": "", "etag": "", "size": 4},
            "output_bucket": RESULTS,
            "attempt": 7,
            "task": "",
            "objects": [{"path": "text.txt", "key": ghosts, "size": 4, "etag": etag}],
            "committed_at": "2026-03-02T12:00:00Z",
        }
        s3.put_object(Bucket=RESULTS, Key=f"{MANIFESTS}{file.id}.json", Body=json.dumps(manifest))
        scene.settle()
        (file,) = scene.files()
        assert file.result_of == 7
        assert published(scene) == {"ocr/a.tif/text.txt": b"ONLY"}


@pytest.mark.parametrize(
    ("action", "prefix"),
    [
        ("s3:PutObject", MANIFESTS),
        ("s3:PutObject", "ocr/a.tif/"),
        ("s3:ListBucket", "ocr/.berthmaster/attempts/"),
        ("kms:GenerateDataKey", ""),
    ],
)
def test_what_s3_refuses_is_told_once_and_tried_until_it_is_allowed(action: str, prefix: str) -> None:
    with a_batch_scene() as scene:
        with refused(scene, prefix, action):
            for number in range(3):
                scene.put(f"scans/a.tif/{number}" if "a.tif" in prefix else f"scans/{number}.tif")
            scene.wait(1500)
            assert {file.state for file in scene.files()} == {State.COMMITTING}
            assert all(action in file.reason for file in scene.files())
            assert len(scene.mails()) == 1
            assert len(scene.events("Commit Blocked")) == 1
        scene.settle()
        assert {file.state for file in scene.files()} == {State.COMMITTED}
        assert len({file.launch.number for file in scene.files() if file.launch}) == 1
        assert scene.dead_letters() == []


def test_a_result_of_many_objects_is_published_by_several_invocations() -> None:
    def many(task: Any) -> int:
        for number in range(300):
            task.s3.put_object(
                Bucket=RESULTS, Key=f"{task.environment['BERTHMASTER_OUTPUT_PREFIX']}{number:03}", Body=b"%d" % number
            )
        return 0

    with a_batch_scene(program=many) as scene:
        scene.put(KEY)
        scene.settle()
        assert published(scene) == {f"ocr/a.tif/{number:03}": b"%d" % number for number in range(300)}
        (completed,) = scene.events("File Completed")
        assert completed["objects"] == 300


def test_a_stable_name_that_is_too_long_is_said() -> None:
    key = "scans/" + "n" * 1018
    with a_batch_scene() as scene:
        scene.put(key)
        scene.settle()
        (completed,) = scene.events("File Completed")
        assert not completed["published"]
        assert "1024 bytes" in completed["not_published"]
        assert published(scene) == {}
        check_results(scene)


def test_neither_a_key_nor_a_task_writes_where_manifests_are() -> None:
    def forge(task: Any) -> int:
        ocr(task)
        environment = task.environment
        for file in scene.files():
            task.s3.put_object(
                Bucket=RESULTS,
                Key=f"{environment['BERTHMASTER_OUTPUT_PREFIX']}manifests/{file.id}.json",
                Body=b"forged",
            )
        return 0

    with a_batch_scene(program=forge) as scene:
        scene.put(KEY)
        scene.settle()
        before = scene.objects(MANIFESTS)
        scene.put("scans/.berthmaster")
        scene.wait(60)
        scene.settle()
        last = scene.events("File Completed")[-1]
        assert not last["published"]
        assert ".berthmaster/" in last["not_published"]
        assert scene.objects(MANIFESTS).items() >= before.items()
        assert b"forged" not in scene.objects(MANIFESTS).values()


def test_nothing_is_committed_while_batch_is_paused() -> None:
    with a_batch_scene() as scene:
        scene.put(KEY)
        while [one.state for one in scene.files()] != [State.RUNNING]:
            scene.wait(1)
        scene.cloud.client("dynamodb").put_item(
            TableName=scene.table,
            Item={
                "pk": {"S": "switch"},
                "sk": {"S": "batch"},
                "paused": {"BOOL": True},
                "since": {"N": "0"},
                "requested": {"N": "0"},
                "by": {"S": "Ann"},
            },
        )
        scene.wait(120)
        (file,) = scene.files()
        assert file.state is State.COMMITTING
        assert "paused by Ann" in file.reason
        assert scene.objects(MANIFESTS) == {}
