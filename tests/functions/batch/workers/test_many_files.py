"""Files that workers take: the way from the event to the results, with nothing left behind."""

from tests.support.batch.scene import DISPATCH
from tests.support.batch.workers import a_worker_pipeline, workers


def test_files_are_processed_by_few_workers_and_each_has_one_result() -> None:
    with a_worker_pipeline() as scene:
        for number in range(40):
            scene.put(f"scans/{number}.tif", b"%d" % number)
        scene.settle()
        assert {state for states in scene.states().values() for state in states} == {"committed"}
        assert len(scene.objects("ocr/")) >= 80
        scene.wait(300)
        found = workers(scene)
        assert len(scene.cloud.calls.of(DISPATCH).named("ecs:RunTask")) == len(found) < 20
        assert {(one.state, one.cause, one.is_released) for one in found} == {("ended", "done", True)}
        assert scene.cloud.tasks.alive() == []
        assert scene.dead_letters() == []


def test_what_was_done_is_not_done_again_while_its_result_waits_to_be_received() -> None:
    """batch_follow may be minutes behind the workers, or have failed to process a message."""
    with a_worker_pipeline() as scene:
        sqs = scene.cloud.client("sqs")
        url = sqs.get_queue_url(QueueName=scene.berthmaster.template.identity("BatchResultQueue").name)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "600"})
        for number in range(5):
            scene.put(f"scans/{number}.tif", b"%d" % number)
        scene.settle()
        assert [(file.state, file.launch and file.launch.number, file.failures) for file in scene.files()] == [
            ("committed", 1, 0)
        ] * 5
        scene.wait(120)
        assert all(one.is_released for one in workers(scene))
