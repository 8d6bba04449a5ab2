"""Events that are delivered twice, late or in the wrong order."""

from tests.support.targets.scene import a_targets_scene, addresses


def test_events_that_are_delivered_twice_change_nothing() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(3)
        before = len(scene.writes())
        for event in [event for task in tasks for event in scene.task_events(task)]:
            scene.berthmaster.put_event(event)
        scene.wait(60)
        assert len(scene.writes()) == before
        assert scene.targets() == addresses(tasks)


def test_events_that_are_redriven_after_three_days_change_nothing() -> None:
    with a_targets_scene() as scene:
        (old,) = scene.serve(1)
        events = scene.task_events(old)
        scene.fleet.stop(old)
        scene.wait(3 * 86_400)
        (task,) = scene.running()
        before = len(scene.writes())
        for event in (*events, *scene.task_events(task)):
            scene.berthmaster.put_event(event)
        scene.wait(600)
        assert len(scene.writes()) == before
        assert scene.targets() == {task.address}
        assert scene.dead_letters() == []


def test_a_task_whose_stop_is_delivered_before_its_start_is_not_registered() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            task = scene.serve(1)[0]
            running = scene.task_events(task)[-1]
            scene.fleet.scale("shop", 0)
            scene.until_status(task, "STOPPED")
        assert running["detail"]["lastStatus"] == running["detail"]["desiredStatus"] == "RUNNING"
        scene.berthmaster.put_event(scene.task_events(task)[-1])
        scene.wait(5)
        sent_now = {name: value for name, value in running.items() if name != "time"}
        scene.berthmaster.put_event(sent_now)
        scene.wait(60)
        assert scene.writes() == []


def test_ecs_is_asked_about_a_start_that_is_delivered_late() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            tasks = scene.serve(2)
            events = [scene.task_events(task)[-1] for task in tasks]
            scene.fleet.scale("shop", 1)
            scene.wait(60)
        (running,) = scene.running()
        for event in events:
            scene.berthmaster.put_event(event)
        scene.wait(5)
        assert scene.targets() == {running.address}
