"""What one run asks of AWS is bounded, however many files are in flight and however many objects a bucket has."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import batched, pairwise

from berthmaster.batch.bucket_sweep import LOOKS
from berthmaster.batch.in_flight import MOST_FILES
from berthmaster.batch.ledger.files import _item
from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.plan.identity import file_id
from berthmaster.batch.plan.overdue import STUCK
from tests.support.batch.reconciling import a_reconciled_scene, lose_object_events
from tests.support.batch.scene import CLUSTER, INCOMING, RECONCILE, BatchScene

PAGE = 1_000
"""Objects in an answer of ListObjectsV2."""
TASKS_PER_CALL = 100


def write(scene: BatchScene, files: Iterable[File]) -> None:
    """Put files into the ledger, many at once."""
    dynamodb = scene.cloud.client("dynamodb")
    for some in batched(files, 25, strict=False):
        puts = [{"PutRequest": {"Item": _item(one)}} for one in some]
        dynamodb.batch_write_item(RequestItems={scene.table: puts})


def a_file(scene: BatchScene, number: int, *, state: State, etag: str = "", launch: Launch | None = None) -> File:
    """The only version of a key."""
    now = scene.cloud.clock.now()
    key = f"scans/{number:05}.tif"
    return File(
        id=file_id(INCOMING, key, version_id=f"v{number}", etag=etag, sequencer=""),
        pipeline="ocr",
        bucket=INCOMING,
        key=key,
        version_id=f"v{number}",
        etag=etag,
        sequencer="01",
        created_at=now,
        received_at=now,
        state=state,
        since=now,
        due=now,
        launch=launch,
        version=1,
    )


def test_thousands_of_files_that_are_late_are_compared_by_few_calls_and_in_time() -> None:
    with a_reconciled_scene() as scene:
        scene.berthmaster.schedules_enabled = False
        scene.wait(60)
        now = scene.cloud.clock.now()
        home = f"arn:aws:ecs:{scene.cloud.region}:{scene.cloud.account_id}:task/{CLUSTER}"

        def launch(number: int) -> Launch:
            """Of a task that ECS does not know, which was noticed just now."""
            return Launch(
                number=1,
                requested_at=now - STUCK - timedelta(minutes=1),
                deadline=now + timedelta(hours=1),
                task=f"{home}/{number:032x}",
                missing_since=now,
            )

        late = MOST_FILES + 200
        write(scene, (a_file(scene, one, state=State.STARTING, launch=launch(one)) for one in range(late)))
        before = len(scene.cloud.calls.of(RECONCILE))
        scene.berthmaster.schedules_enabled = True
        scene.wait(60)
        made = list(scene.cloud.calls.of(RECONCILE))[before:]
        described = [call for call in made if call.name == "ecs:DescribeTasks"]
        assert len(described) == MOST_FILES // TASKS_PER_CALL
        assert all(len(call.params["tasks"]) <= TASKS_PER_CALL for call in described)
        asked = [call.at for call in made if call.name in {"ecs:DescribeTasks", "ecs:ListTasks"}]
        assert min(after - earlier for earlier, after in pairwise(asked)) >= 0.1 - 1e-3, "at most ten a second"
        (run,) = [one for one in scene.berthmaster.invocations if one.function == RECONCILE][-1:]
        assert run.result
        assert run.result["FilesInFlight"] == late
        # Reading whole items takes a Query for each MB of each shard, and the others do not rise with the files.
        assert len(made) < len(described) + 150


def test_thousands_of_objects_are_looked_at_once_each_in_as_many_runs_as_that_takes() -> None:
    with a_reconciled_scene() as scene:
        lose_object_events(scene)
        scene.wait(60)
        scene.berthmaster.schedules_enabled = False
        count = LOOKS + 200
        s3 = scene.cloud.client("s3")
        files = []
        for number in range(count):
            body = b"scan"
            answer = s3.put_object(Bucket=INCOMING, Key=f"scans/{number:05}.tif", Body=body)
            files.append(a_file(scene, number, state=State.COMMITTED, etag=answer["ETag"].strip('"')))
        write(scene, files)
        scene.wait(6 * 60)
        before = len(scene.cloud.calls.of(RECONCILE))
        scene.berthmaster.schedules_enabled = True
        scene.wait(4 * 60)
        made = list(scene.cloud.calls.of(RECONCILE))[before:]
        listed = [call for call in made if call.name == "s3:ListObjectsV2"]
        assert [call.params.get("StartAfter", "") for call in listed] == [
            f"scans/{last - 1:05}.tif" if last else "" for last in range(0, count, PAGE)
        ]
        first, second = dict.fromkeys(call.request_id for call in listed)
        assert [call.request_id for call in listed] == [first] * (LOOKS // PAGE) + [second]
        looks = [call for call in made if call.name == "dynamodb:Query" and _is_of_key(call.params)]
        assert len(looks) == count
        assert [call for call in made if call.name == "s3:HeadObject"] == []


def _is_of_key(params: object) -> bool:
    return "begins_with(sk, :key)" in str(params)
