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
