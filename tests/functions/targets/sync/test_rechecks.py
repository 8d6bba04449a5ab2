"""Messages by which targets_sync checks tasks again do not multiply, whatever becomes of them."""

from typing import Any

import pytest

from simulator.faults import CrashAfter, CrashBefore
from tests.support.lost_responses import every_message_sent_twice
from tests.support.targets.scene import SYNC, TargetsScene, a_targets_scene


def sent(scene: TargetsScene) -> int:
    """How often the function has sent a message to its own queue."""
    return len(scene.cloud.calls.of(SYNC).named("sqs:SendMessage"))


def begin_a_drain(scene: TargetsScene) -> Any:
    task = scene.serve(1)[0]
    scene.request("Drain Requested", task=task.arn)
    scene.wait(5)
    return task


def messages_of_a_drain(scene: TargetsScene) -> int:
    task = begin_a_drain(scene)
    scene.wait(120)
    assert task.arn in {one["task"] for one in scene.events("Task Drained")}
    return sent(scene)


def test_a_drain_takes_no_more_messages_if_each_is_sent_twice() -> None:
    with a_targets_scene(drain=60) as scene:
        usual = messages_of_a_drain(scene)
    with a_targets_scene(drain=60) as scene, every_message_sent_twice(scene.cloud, SYNC):
        assert messages_of_a_drain(scene) == usual


@pytest.mark.parametrize(("mode", "minutes"), [("off", 15), ("paused", 1)])
def test_messages_that_are_kept_while_off_or_paused_do_not_multiply(mode: str, minutes: int) -> None:
    with a_targets_scene(drain=30) as scene, every_message_sent_twice(scene.cloud, SYNC):
        begin_a_drain(scene)
        scene.change_mode("off") if mode == "off" else scene.pause()
        scene.wait(60)
        before = sent(scene)
        scene.wait(10 * minutes * 60)
        assert 9 <= sent(scene) - before <= 10


@pytest.mark.parametrize("call", range(1, 7))
@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_crash_while_paused_leaves_one_message(call: int, crash: type[CrashBefore] | type[CrashAfter]) -> None:
    with a_targets_scene(drain=30) as scene, every_message_sent_twice(scene.cloud, SYNC):
        task = begin_a_drain(scene)
        scene.pause()
        scene.wait(60)
        scene.cloud.faults.set_crash(crash(call, SYNC))
        scene.wait(10 * 60)
        assert scene.cloud.faults.crashes == 1
        before = sent(scene)
        scene.wait(10 * 60)
        assert 9 <= sent(scene) - before <= 10
        scene.resume()
        scene.wait(120)
        assert task.desired_status == "STOPPED"
