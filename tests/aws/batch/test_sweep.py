"""What launches have left behind is found in the ledger, and deleted but for the result."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from berthmaster.batch.act.sweep import sweep_attempts
from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.plan.places import output_prefix
from tests.support.batch.pipelines import a_pipeline
from tests.support.batch.scene import RESULTS, a_batch_scene

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_file(number: int, state: State, *, launches: int, result_of: int = 0, stopped: bool = True) -> File:
    return File(
        id=f"{number:030x}",
        pipeline="ocr",
        bucket="incoming",
        key="scans/a.tif",
        received_at=NOON,
        state=state,
        since=NOON,
        due=NOON,
        result_of=result_of,
        launch=Launch(number=launches, requested_at=NOON, deadline=NOON + HOUR, stopped_at=NOON if stopped else None),
    )


def test_files_are_found_when_what_they_left_is_due() -> None:
    with a_batch_scene() as scene:
        kinds = {
            "committed at once": a_file(1, State.COMMITTED, launches=1, result_of=1),
            "committed later": a_file(2, State.COMMITTED, launches=2, result_of=2),
            "dead": a_file(3, State.DEAD, launches=3),
            "in flight": a_file(4, State.RUNNING, launches=2),
            "task unknown": a_file(5, State.CANCELLED, launches=1, stopped=False),
        }
        saved = {kind: scene.ledger.save(file) for kind, file in kinds.items()}

        def due(hours: float) -> list[str]:
            found = scene.ledger.to_sweep("ocr", until=NOON + hours * HOUR, most=100)
            return [kind for file in found for kind, one in saved.items() if one.id == file.id]

        assert due(0.9) == []
        assert due(1.1) == ["committed later"]
        assert due(13) == ["committed later", "dead"]
        assert due(100) == ["committed later", "dead", "task unknown"]
        scene.ledger.save(replace(saved["dead"], swept_to=3))
        assert due(100) == ["committed later", "task unknown"]


def test_only_what_is_no_result_is_deleted() -> None:
    with a_batch_scene() as scene:
        s3, pipeline = scene.cloud.client("s3"), a_pipeline()
        file = a_file(1, State.COMMITTED, launches=3, result_of=2)
        keys = [f"{output_prefix(pipeline, file, number)}{name}" for number in (1, 2, 3) for name in "ab"]
        other = f"{output_prefix(pipeline, replace(file, id='f' * 30), 1)}a"
        # A number that begins like one of those that are deleted.
        late = f"{output_prefix(pipeline, file, 11)}a"
        for key in (*keys, other, late):
            s3.put_object(Bucket=RESULTS, Key=key, Body=b"x")
        assert not sweep_attempts(s3, file, pipeline, may_go_on=lambda: False)
        assert sweep_attempts(s3, file, pipeline, may_go_on=lambda: True)
        assert set(scene.objects("ocr/.berthmaster/attempts/")) == {*keys[2:4], other, late}
