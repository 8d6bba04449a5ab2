"""AWS allows few calls that change targets: they are made at once, and one serves all who wait for it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.aws.ecs.task import Task
from simulator.calls import Call
from tests.support.targets.calls import registrations
from tests.support.targets.scene import SYNC, TargetsScene, a_targets_scene, tags_of

SERVICES = [f"app-{number}" for number in range(6)]
SLOW = {"TargetsCallRate": 1, "TargetsCallBurst": 4}
CAPACITY = 3
"""Calls that a full bucket of this rate allows at once."""


@contextmanager
def services(count: int, **parameters: int) -> Iterator[tuple[TargetsScene, dict[str, str], list[Task]]]:
    """So many services of two tasks each, with a target group for each, of which no event has been delivered."""
    with a_targets_scene(**parameters) as scene:
        groups = {name: scene.target_group(name, tags_of(service=name)) for name in SERVICES[:count]}
        with scene.without_events():
            tasks = [task for name in groups for task in scene.serve(2, name=name)]
        yield scene, groups, tasks


def made(scene: TargetsScene, operation: str) -> list[Call]:
    return [call for call in scene.writes(SYNC) if call.operation == operation and call.outcome == "ok"]


def is_complete(scene: TargetsScene, groups: dict[str, str]) -> bool:
    return all(len(scene.targets(arn)) == 2 for arn in groups.values())


def test_calls_on_different_target_groups_are_made_at_once() -> None:
    with services(5) as (scene, groups, tasks):
        scene.send_events(tasks)
        assert is_complete(scene, groups)
        times = [call.at for call in made(scene, "RegisterTargets")]
        assert len(times) == 5
        # One after the other, of 20 to 200 ms each, they take half a second.
        assert max(times) - min(times) < 0.2
        with scene.without_events():
            for name in groups:
                scene.fleet.scale(name, 0)
        scene.send_events(tasks)
        times = [call.at for call in made(scene, "DeregisterTargets")]
        assert len(times) == 5
        assert max(times) - min(times) < 0.2


def test_what_the_rate_does_not_allow_is_left_to_its_turn() -> None:
    with services(6, **SLOW) as (scene, groups, tasks):
        scene.send_events(tasks)
        scene.wait(5)
        assert is_complete(scene, groups)
        assert scene.logged(SYNC, "calls left to their turn")
        assert set(registrations(scene).values()) == {1}
        assert scene.dead_letters() == []


def test_calls_stay_within_the_rate_that_is_set() -> None:
    with services(6, **SLOW) as (scene, _, tasks):
        scene.send_events(tasks)
        scene.wait(20)
        times = [call.at for call in made(scene, "RegisterTargets")]
        for index, began in enumerate(times):
            for more, at in enumerate(times[index:], 1):
                assert more <= SLOW["TargetsCallBurst"] + SLOW["TargetsCallRate"] * (at - began)


def test_a_call_takes_along_what_others_left_on_its_target_group() -> None:
    with services(6, **SLOW) as (scene, groups, tasks):
        first, second = tasks[::2], tasks[1::2]
        for some in (first, second):
            for task in some:
                scene.berthmaster.put_event(scene.task_event(task))
            scene.wait(2)
        scene.wait(20)
        assert is_complete(scene, groups)
        calls = Counter(call.params["TargetGroupArn"] for call in made(scene, "RegisterTargets"))
        # Three groups get their first targets at once, and the second ones later; the others get both in one call.
        assert sorted(calls.values()) == [1] * CAPACITY + [2] * CAPACITY
        reported = [one["owner"] for one in scene.events("Targets Registered") for one in one["targets"]]
        assert sorted(reported) == sorted(task.arn for task in tasks)


def test_what_was_left_is_taken_back_if_the_task_stops() -> None:
    with services(6, **SLOW) as (scene, groups, tasks):
        for task in tasks:
            scene.berthmaster.put_event(scene.task_event(task))
        scene.wait(2)
        waiting = next(name for name, arn in groups.items() if not scene.targets(arn))
        with scene.without_events():
            scene.fleet.scale(waiting, 0)
        scene.send_events([task for task in tasks if task.service == waiting])
        scene.wait(30)
        assert scene.targets(groups[waiting]) == set()
        assert all(len(scene.targets(arn)) == 2 for name, arn in groups.items() if name != waiting)


@pytest.mark.parametrize("operation", ["dynamodb:TransactWriteItems", "elbv2:RegisterTargets", "sqs:SendMessage"])
def test_an_outage_loses_nothing_that_was_left(operation: str) -> None:
    with services(6, **SLOW) as (scene, groups, tasks):
        for task in tasks:
            scene.berthmaster.put_event(scene.task_event(task))
        scene.wait(1.2)
        scene.begin_outage(operation, seconds=10)
        scene.wait(180)
        assert is_complete(scene, groups)
        assert scene.dead_letters() == []
