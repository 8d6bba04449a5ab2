"""What is launched, and what is not: limits, pauses, modes, overlapping invocations."""

import json

from tests.support.batch.reconciling import pause
from tests.support.batch.scene import DISPATCH, BatchScene, a_batch_scene


def in_flight(scene: BatchScene) -> int:
    """Tasks that have not stopped."""
    return len(scene.cloud.tasks.alive())


def wake(scene: BatchScene) -> None:
    """One more message for batch_dispatch."""
    event = {
        "source": "berthmaster",
        "detail-type": "Dispatch Files",
        "time": scene.cloud.clock.now().isoformat(),
        "detail": {},
    }
    sqs, name = scene.cloud.client("sqs"), scene.berthmaster.template.identity("BatchDispatchQueue").name
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))


def test_no_more_tasks_than_the_pipeline_allows_while_functions_overlap() -> None:
    most = 0
    with a_batch_scene(pipeline={"limits": {"tasks": 4}}) as scene:
        for number in range(12):
            scene.put(f"scans/{number}.tif")
        scene.wait(3)
        while any(file.is_live for file in scene.files()):
            for _ in range(3):
                wake(scene)
            scene.wait(3)
            most = max(most, in_flight(scene))
        assert most == 4
        assert len(scene.cloud.calls.of(DISPATCH).named("ecs:RunTask")) == 12


def test_a_paused_pipeline_launches_nothing_and_others_do() -> None:
    with a_batch_scene(pipeline={"paused": True}) as scene:
        scene.put_pipeline("faxes", input={"prefix": "faxes/"}, output={"prefix": "faxed/"})
        scene.put("scans/a.tif")
        scene.put("faxes/a.tif")
        scene.wait(120)
        assert scene.states() == {"scans/a.tif": ["waiting"], "faxes/a.tif": ["committed"]}


def test_a_pause_stops_launches_at_once() -> None:
    with a_batch_scene(pipeline={"limits": {"tasks": 500}}) as scene:
        for number in range(100):
            scene.put(f"scans/{number}.tif")
        while not in_flight(scene):
            scene.wait(1)
        pause(scene)
        before = in_flight(scene)
        assert 0 < before < 100
        scene.wait(5)
        assert in_flight(scene) <= before + 9, "those under way"
        waiting = [file for file in scene.files() if file.state == "waiting"]
        assert waiting
        assert scene.dead_letters() == []


def test_a_file_whose_turn_comes_while_another_invocation_launches_is_not_forgotten() -> None:
    with a_batch_scene(pipeline={"limits": {"tasks": 100}}) as scene:
        scene.put("scans/0.tif")
        for number in range(1, 60):
            scene.wait(0.6)
            scene.put(f"scans/{number}.tif")
        scene.wait(6)
        calls = scene.cloud.calls.of(DISPATCH)
        assert len(calls.named("ecs:RunTask")) == 60
        asked = [call for call in calls.named("dynamodb:UpdateItem") if "SET asked" in call.params["UpdateExpression"]]
        assert asked, "else this proves nothing"
