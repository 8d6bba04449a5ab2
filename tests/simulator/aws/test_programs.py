"""Tasks that run a program of the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from simulator.aws.ecs.programs import Container, Terminated
from simulator.calls import WORKLOAD, calling_as
from simulator.cloud import Cloud
from simulator.faults import CrashAfter, CrashBefore, FaultPlan
from tests.support.fargate import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.aws.ecs.programs import Program


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


def writes(*keys: str, seconds: float = 20) -> Program:
    """A program that takes some time for each object it writes."""

    def program(container: Container) -> None:
        for key in keys:
            container.sleep(seconds)
            container.s3.put_object(Bucket="results", Key=key, Body=b"")

    return program


def test_a_program_gets_its_environment_and_its_calls_are_the_tasks(scene: Scene) -> None:
    overrides = {
        "cpu": "2048",
        "memory": "4096",
        "containerOverrides": [
            {"name": "ocr", "command": ["write"], "environment": [{"name": "LANGUAGE", "value": "fr"}], "memory": 900}
        ],
    }
    seen: list[Container] = []

    def program(container: Container) -> int:
        seen.append(container)
        writes("a", "b")(container)
        return 3

    arn = scene.run(program, overrides=overrides)
    scene.wait()
    (container,) = seen
    assert container.environment == {"LANGUAGE": "fr", "DPI": "300"}
    assert container.command == ["write"]
    assert scene.results() == ["a", "b"]
    assert scene.end(arn) == ("EssentialContainerExited", 3)
    calls = [call for call in scene.cloud.calls if call.caller == WORKLOAD]
    assert [call.operation for call in calls] == ["PutObject", "PutObject"]
    assert {call.request_id for call in calls} == {arn.rpartition("/")[2]}
    task = scene.described(arn)
    assert (task["executionStoppedAt"] - task["startedAt"]).total_seconds() > 40
    assert (task["cpu"], task["memory"], task["overrides"]) == ("2048", "4096", overrides)
    assert scene.details(arn)[-1]["overrides"] == overrides


@pytest.mark.parametrize(
    ("program", "code"),
    [(lambda _: None, 0), (lambda _: 75, 75), (lambda _: 1 / 0, 1)],
)
def test_what_a_program_returns_is_its_exit_code(scene: Scene, program: Callable[[Container], int], code: int) -> None:
    arn = scene.run(program)
    scene.wait()
    assert scene.end(arn) == ("EssentialContainerExited", code)
    assert scene.described(arn)["stoppedReason"] == "Essential container in task exited"
    assert bool(scene.cloud.tasks.errors) == (code == 1)


def test_sigterm_ends_a_program_that_sleeps_at_once(scene: Scene) -> None:
    arn = scene.run(writes("a", seconds=3600))
    scene.wait_for(arn, "RUNNING")
    scene.wait(10)
    scene.ecs.stop_task(cluster="batch", task=arn, reason="cancelled")
    scene.wait(20)
    assert scene.end(arn) == ("UserInitiated", 143)
    assert scene.results() == []


def stubborn(container: Container) -> int:
    """Goes on for a minute after SIGTERM."""
    try:
        container.sleep(3600)
    except Terminated:
        assert container.is_terminating
        container.sleep(60)
    container.s3.put_object(Bucket="results", Key="late", Body=b"")
    return 0


@pytest.mark.parametrize(("stop_timeout", "code", "results"), [(0, 137, []), (120, 0, ["late"])])
def test_sigkill_comes_after_the_stop_timeout(cloud: Cloud, stop_timeout: int, code: int, results: list[str]) -> None:
    scene = Scene(cloud, stop_timeout)
    arn = scene.run(stubborn)
    scene.wait_for(arn, "RUNNING")
    scene.ecs.stop_task(cluster="batch", task=arn)
    scene.wait()
    assert scene.end(arn) == ("UserInitiated", code)
    assert scene.results() == results


def test_spot_capacity_that_is_taken_back(cloud: Cloud) -> None:
    scene = Scene(cloud, stop_timeout=120)
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    arn = scene.run(lambda container: container.sleep(3600), capacityProviderStrategy=strategy)  # type: ignore[arg-type,return-value]
    scene.wait_for(arn, "RUNNING")
    (task,) = cloud.tasks.alive()
    cloud.tasks.interrupt(task)
    scene.wait()
    assert scene.end(arn) == ("SpotInterruption", 143)
    notice = next(one for one in scene.details(arn) if "stopCode" in one)
    assert (notice["lastStatus"], notice["desiredStatus"]) == ("RUNNING", "STOPPED")
    assert (notice["stopCode"], notice["stoppedReason"]) == ("TerminationNotice", "Your Spot Task was interrupted.")
    assert {one["capacityProviderName"] for one in scene.details(arn)} == {"FARGATE_SPOT"}


@pytest.mark.parametrize(
    ("crash", "results"), [(CrashBefore(2, WORKLOAD), ["a"]), (CrashAfter(2, WORKLOAD), ["a", "b"])]
)
def test_a_program_is_killed_at_a_call(scene: Scene, crash: CrashBefore | CrashAfter, results: list[str]) -> None:
    scene.cloud.faults.set_crash(crash)
    with calling_as("SomeFunction"):
        arn = scene.run(writes("a", "b", "c"))
    scene.wait()
    assert scene.end(arn) == ("EssentialContainerExited", 137)
    assert scene.results() == results


def test_programs_are_killed_by_seed() -> None:
    def ends(seed: int) -> list[tuple[str, int | None]]:
        with Cloud(seed=seed, faults=FaultPlan(seed=seed, program_crash=0.2)) as cloud:
            scene = Scene(cloud)
            arns = [scene.run(writes("a", "b")) for _ in range(20)]
            scene.wait()
            return [scene.end(arn) for arn in arns]

    first = ends(1)
    assert {code for _, code in first} == {0, 137}
    assert ends(1) == first != ends(2)


def test_the_end_of_a_simulation_ends_its_programs() -> None:
    with Cloud(seed=1) as cloud:
        scene = Scene(cloud)
        arn = scene.run(writes("a", seconds=3600))
        scene.wait_for(arn, "RUNNING")
        scene.wait(1)


def test_what_a_capacity_provider_strategy_must_be(scene: Scene) -> None:
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    for wrong in (
        {"capacityProviderStrategy": spot, "launchType": "FARGATE"},
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
        {"capacityProviderStrategy": [{"capacityProvider": "unknown", "weight": 1}]},
    ):
        with pytest.raises(ClientError, match="InvalidParameterException"):
            scene.run(**wrong)
    mixed = [{"capacityProvider": "FARGATE", "base": 1, "weight": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 3}]
    scene.run(count=9, capacityProviderStrategy=mixed)
    providers = [task.capacity_provider for task in scene.cloud.tasks.alive()]
    assert sorted(providers) == ["FARGATE"] * 3 + ["FARGATE_SPOT"] * 6
