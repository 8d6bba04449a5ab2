"""Scenes in which batch_reconcile runs every minute, and what it has to correct."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from berthmaster.modes import Mode
from berthmaster.switch import Switch, SwitchRequest
from simulator.calls import Call
from tests.support.batch.scene import CLUSTER, OTHERS, RECONCILE, BatchScene, a_batch_scene, ocr


@contextmanager
def a_reconciled_scene(**given: Any) -> Iterator[BatchScene]:
    """A scene in which batch_reconcile runs every minute, and has run once."""
    with a_batch_scene(scheduled=True, unscheduled=OTHERS, **given) as scene:
        scene.wait(60)
        yield scene


def lose_task_events(scene: BatchScene) -> None:
    """No event of a task reaches batch_follow from now on."""
    rule = scene.berthmaster.template.identity("BatchTaskStateRule").name
    scene.cloud.client("events").disable_rule(Name=rule)


def calls(scene: BatchScene, operation: str) -> list[Call]:
    """The calls of one operation by batch_reconcile."""
    return scene.cloud.calls.of(RECONCILE).named(operation)


def sleeps(task: Any) -> int:
    """A program that does not come to an end."""
    task.sleep(4 * 3600)
    return 0


def lose_object_events(scene: BatchScene) -> None:
    """No event of an object reaches batch_intake from now on."""
    rule = scene.berthmaster.template.identity("BatchObjectRule").name
    scene.cloud.client("events").disable_rule(Name=rule)


def fails_at_first(task: Any) -> int:
    """Write a result, and fail all the same at the first attempt."""
    return ocr(task) or int(task.environment["BERTHMASTER_ATTEMPT"] == "1")


def pause(scene: BatchScene) -> None:
    """An operator pauses batch."""
    clock: Any = scene.cloud.clock
    switch = Switch(scene.cloud.client("dynamodb"), clock, table=scene.table, automation="batch", mode=Mode.ENFORCE)
    switch.apply(SwitchRequest(pause=True, automation="batch", by="", id="1", time=clock.now()))


def run_task(scene: BatchScene, started_by: str, *, stack: str = "berthmaster", group: str = "") -> str:
    """Start a task of the pipeline's family as a launch of this stack does; returns its ARN."""
    answer = scene.cloud.client("ecs").run_task(
        cluster=CLUSTER,
        taskDefinition="ocr",
        startedBy=started_by,
        group=group or f"berthmaster_{stack}_ocr",
        tags=[{"key": "berthmaster:stack", "value": stack}],
        capacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
        networkConfiguration={"awsvpcConfiguration": {"subnets": list(scene.network.subnets)}},
    )
    return str(answer["tasks"][0]["taskArn"])


def is_to_run(scene: BatchScene, task: str) -> bool:
    """Whether nobody has stopped a task."""
    (described,) = scene.cloud.client("ecs").describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"]
    return bool(described["desiredStatus"] == "RUNNING")
