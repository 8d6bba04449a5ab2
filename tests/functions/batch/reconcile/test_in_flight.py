"""Files in flight are compared with their tasks: what events missed is made up for, what takes too long is stopped."""

from datetime import timedelta

from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import file_id
from tests.support.batch.reconciling import a_reconciled_scene, calls, lose_task_events, pause, sleeps
from tests.support.batch.scene import INCOMING


def test_a_task_whose_events_are_all_lost_is_followed_within_minutes() -> None:
    with a_reconciled_scene() as scene:
        lose_task_events(scene)
        scene.put("scans/a.tif")
        scene.wait(45)
        assert scene.states() == {"scans/a.tif": ["starting"]}
        scene.settle(limit=300)
        assert scene.states() == {"scans/a.tif": ["committed"]}
        assert scene.dead_letters() == []


def test_a_task_that_has_stopped_so_long_ago_that_ecs_has_forgotten_it_is_lost() -> None:
    with a_reconciled_scene() as scene:
        lose_task_events(scene)
        scene.put("scans/a.tif")
        scene.wait(60)
        scene.berthmaster.schedules_enabled = False
        scene.wait(2 * 3600)
        scene.berthmaster.schedules_enabled = True
        scene.wait(100)
        (file,) = scene.files()
        assert file.launch
        assert file.launch.missing_since, "it is looked at twice"
        scene.wait(6 * 60)
        message, *_ = [call for call in calls(scene, "sqs:SendMessage") if "STOPPED" in call.params["MessageBody"]]
        assert "ECS does not know the task any more." in message.params["MessageBody"]


def test_a_task_that_runs_for_too_long_is_stopped() -> None:
    with a_reconciled_scene(program=sleeps, pipeline={"limits": {"timeoutMinutes": 5}}) as scene:
        scene.put("scans/a.tif")
        scene.wait(5 * 60)
        assert calls(scene, "ecs:StopTask") == []
        scene.wait(3 * 60)
        (stop, *_) = calls(scene, "ecs:StopTask")
        assert stop.params["reason"] == "Berthmaster: it ran longer than its pipeline allows"
        (file,) = scene.files()
        assert file.launch
        assert file.launch.stopped_for == "timeout" or file.launch.number > 1


def test_a_paused_batch_stops_no_task() -> None:
    with a_reconciled_scene(program=sleeps, pipeline={"limits": {"timeoutMinutes": 5}}) as scene:
        scene.put("scans/a.tif")
        scene.wait(60)
        pause(scene)
        scene.wait(15 * 60)
        assert calls(scene, "ecs:StopTask") == []


def test_a_file_of_which_the_dispatcher_has_heard_nothing_is_launched_in_the_next_minute() -> None:
    with a_reconciled_scene() as scene:
        scene.cloud.client("events").disable_rule(Name=scene.berthmaster.template.identity("BatchObjectRule").name)
        version = scene.put("scans/a.tif")
        now = scene.cloud.clock.now()
        scene.ledger.save(
            File(
                id=file_id(INCOMING, "scans/a.tif", version_id=version, etag="", sequencer=""),
                pipeline="ocr",
                bucket=INCOMING,
                key="scans/a.tif",
                version_id=version,
                received_at=now,
                state=State.WAITING,
                since=now,
                due=now,
            )
        )
        scene.settle(limit=240)
        assert scene.states() == {"scans/a.tif": ["committed"]}


def test_a_task_that_hangs_before_its_start_is_stopped_and_the_file_launched_again() -> None:
    with a_reconciled_scene() as scene:
        scene.cloud.fargate.hang(until=scene.cloud.clock.timestamp() + 5 * 60)
        scene.put("scans/a.tif")
        scene.wait(10 * 60)
        (file,) = scene.files()
        assert (file.state, file.launch and file.launch.number) == ("starting", 1)
        assert calls(scene, "ecs:StopTask") == []
        scene.settle(limit=8 * 60)
        (stop,) = calls(scene, "ecs:StopTask")
        first = file.launch
        (file,) = scene.files()
        assert first
        assert file.launch
        assert stop.params["task"] == first.task
        assert (file.state, file.launch.number, file.attempts) == ("committed", 2, 0)
        assert timedelta(minutes=12) < file.launch.requested_at - first.requested_at < timedelta(minutes=14.5)


def test_a_pipeline_whose_record_is_damaged_stops_no_other() -> None:
    with a_reconciled_scene() as scene:
        scene.put_pipeline("late", input={"prefix": "late/"}, output={"prefix": "late/"})
        lose_task_events(scene)
        scene.put("scans/a.tif")
        scene.wait(45)
        assert scene.states() == {"scans/a.tif": ["starting"]}
        scene.cloud.client("dynamodb").update_item(
            TableName=scene.table,
            Key={"pk": {"S": "pipeline"}, "sk": {"S": "late"}},
            UpdateExpression="SET body = :body",
            ExpressionAttributeValues={":body": {"S": "{"}},
        )
        listed = len(calls(scene, "s3:ListObjectsV2"))
        scene.wait(10 * 60)
        assert scene.states() == {"scans/a.tif": ["committed"]}
        assert len(calls(scene, "s3:ListObjectsV2")) == listed, "whose input is whose is not known"
