"""Fargate's tokens, rates, lacks and failures, and what its tasks cost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from simulator.aws.ecs import fargate
from simulator.aws.ecs.prices import dollars
from simulator.aws.ecs.task import shown
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.faults import FaultPlan
from simulator.latency import Constant
from tests.support.fargate import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.aws.ecs.programs import Container

SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
ON_DEMAND = [{"capacityProvider": "FARGATE", "weight": 1}]
NO_CAPACITY = [{"reason": fargate.NO_CAPACITY}]
HOUR = 3600


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1, latency=Constant()) as cloud:
        yield cloud


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


def for_seconds(seconds: float) -> Any:
    def program(container: Container) -> None:
        container.sleep(seconds)

    return program


def once(scene: Scene) -> Any:
    """An ECS client that repeats nothing."""
    return boto3.client("ecs", region_name=scene.cloud.region, config=Config(retries={"total_max_attempts": 1}))


def conflict(scene: Scene, **request: Any) -> list[str]:
    with pytest.raises(ClientError, match="ConflictException") as refused:
        scene.request(**request)
    arns: list[str] = refused.value.response["resourceIds"]
    return arns


def test_a_token_gives_the_stored_answer_with_its_failures(scene: Scene) -> None:
    scene.cloud.fargate.lack_capacity(zone="eu-central-1a")
    first = scene.request(count=4, clientToken="one")
    assert (len(first["tasks"]), first["failures"]) == (2, NO_CAPACITY * 2)
    scene.cloud.fargate.recover()
    assert scene.request(count=4, clientToken="one") == first
    arns = [task["taskArn"] for task in first["tasks"]]
    assert conflict(scene, count=3, clientToken="one") == arns
    assert conflict(scene, count=4, clientToken="one", capacityProviderStrategy=SPOT) == arns
    assert len(scene.cloud.tasks.alive()) == 2
    scene.ecs.create_cluster(clusterName="other")
    assert len(scene.request(count=4, clientToken="one", cluster="other")["tasks"]) == 4


def test_a_token_lives_an_hour_longer_than_its_tasks_and_a_day_at_most(scene: Scene) -> None:
    scene.cloud.tasks.programs["ocr"] = for_seconds(60)
    first = scene.request(clientToken="short")["tasks"][0]
    scene.wait(300)
    replay = scene.request(clientToken="short")["tasks"][0]
    assert replay == {"taskArn": first["taskArn"], "lastStatus": "STOPPED", "desiredStatus": "STOPPED"}
    scene.wait(HOUR)
    assert scene.request(clientToken="short")["tasks"][0]["taskArn"] != first["taskArn"]

    scene.cloud.tasks.programs["ocr"] = for_seconds(48 * HOUR)
    first = scene.request(clientToken="long")["tasks"][0]
    scene.wait(23.9 * HOUR)
    assert scene.request(clientToken="long")["tasks"][0]["taskArn"] == first["taskArn"]
    scene.wait(0.2 * HOUR)
    assert scene.request(clientToken="long")["tasks"][0]["taskArn"] != first["taskArn"]


def test_failures_older_than_an_hour_are_a_number(scene: Scene) -> None:
    scene.cloud.fargate.lack_capacity(zone="eu-central-1a")
    assert len(scene.request(count=4, clientToken="one")["failures"]) == 2
    scene.wait(HOUR)
    answer = scene.request(count=4, clientToken="one")
    assert len(answer["tasks"]) == 2
    assert [one["reason"] for one in answer["failures"]] == ["2 task(s) failed to start."]
    assert scene.request(clientToken="none at all")


def test_capacity_lacks_by_zone_provider_and_time(scene: Scene) -> None:
    cloud = scene.cloud
    cloud.fargate.lack_capacity(zone="eu-central-1a", provider="FARGATE_SPOT", until=cloud.clock.timestamp() + 60)
    one_zone = {
        zone: {"awsvpcConfiguration": {"subnets": [subnet]}} for zone, subnet in zip("ab", scene.subnets, strict=True)
    }
    for zone, strategy, failures in (
        ("a", SPOT, NO_CAPACITY),
        ("b", SPOT, []),
        ("a", ON_DEMAND, []),
    ):
        answer = scene.request(networkConfiguration=one_zone[zone], capacityProviderStrategy=strategy)
        assert answer["failures"] == failures
    scene.wait(60)
    assert not scene.request(networkConfiguration=one_zone["a"], capacityProviderStrategy=SPOT)["failures"]


def test_vcpus_are_limited_by_provider_until_tasks_have_stopped(scene: Scene) -> None:
    scene.cloud.fargate.vcpus["FARGATE"] = 3
    scene.cloud.tasks.programs["ocr"] = for_seconds(60)
    answer = scene.request(count=5)
    assert (len(answer["tasks"]), answer["failures"]) == (3, [{"reason": fargate.NO_VCPUS}] * 2)
    assert not scene.request(capacityProviderStrategy=SPOT)["failures"]
    assert scene.request(capacityProviderStrategy=ON_DEMAND)["failures"]
    scene.wait()
    big = {"cpu": "4096", "memory": "8192"}
    assert scene.request(overrides=big)["failures"] == [{"reason": fargate.NO_VCPUS}]
    assert not scene.request()["failures"]


def test_a_ghost_runs_although_its_launch_has_failed(scene: Scene) -> None:
    scene.cloud.faults.plan = FaultPlan(no_capacity=1, ghost=0.5)
    answer = scene.request(count=10, clientToken="one", startedBy="file-1")
    assert (answer["tasks"], answer["failures"]) == ([], NO_CAPACITY * 10)
    ghosts = scene.ecs.list_tasks(cluster="batch", startedBy="file-1")["taskArns"]
    assert 0 < len(ghosts) < 10
    scene.wait()
    assert {scene.described(arn)["lastStatus"] for arn in ghosts} == {"RUNNING"}
    assert scene.request(count=10, clientToken="one", startedBy="file-1") == answer


def is_throttled(call: Any, **request: Any) -> bool:
    """Whether a call was throttled; any other error is raised."""
    try:
        call(**request)
    except ClientError as refused:
        if refused.response["Error"] != {"Code": "ThrottlingException", "Message": "Rate exceeded"}:
            raise
        return True
    return False


def launched(scene: Scene, seconds: int, **request: Any) -> list[int]:
    """How many tasks a function launches, second by second, if it calls as often as AWS lets it."""
    ecs, counts = once(scene), []
    request = {
        "cluster": "batch",
        "taskDefinition": "ocr",
        "networkConfiguration": scene.network.network_configuration(),
        **request,
    }
    with calling_as("SomeFunction"):
        for _ in range(seconds):
            before = len(scene.cloud.tasks.alive())
            while not is_throttled(ecs.run_task, **request):
                pass
            counts.append(len(scene.cloud.tasks.alive()) - before)
            scene.wait(1)
    return counts


def test_launches_are_limited_by_calls_and_by_tasks(scene: Scene) -> None:
    assert launched(scene, 4) == [20, 20, 20, 20]
    scene.wait(60)
    assert launched(scene, 4, count=10) == [100, 20, 20, 20]
    assert launched(scene, 2, count=10, capacityProviderStrategy=SPOT)[0] == 100
    assert all(len(scene.request()["tasks"]) == 1 for _ in range(30)), "the operator's calls need no token"


def test_describing_and_listing_share_a_rate(scene: Scene) -> None:
    arn, ecs = scene.run(), once(scene)
    with calling_as("SomeFunction"):
        for _ in range(50):
            assert not is_throttled(ecs.list_tasks, cluster="batch")
            assert not is_throttled(ecs.describe_tasks, cluster="batch", tasks=[arn])
        assert is_throttled(ecs.list_tasks, cluster="batch")
        assert is_throttled(ecs.describe_tasks, cluster="batch", tasks=[arn])
        assert not is_throttled(ecs.stop_task, cluster="batch", task=arn)


def test_a_task_that_hangs_in_provisioning_ends_when_it_is_stopped(scene: Scene) -> None:
    scene.cloud.fargate.hang(until=scene.cloud.clock.timestamp() + 1)
    stopped, left = scene.run(), scene.run()
    scene.wait(HOUR)
    assert {scene.described(arn)["lastStatus"] for arn in (stopped, left)} == {"PROVISIONING"}
    scene.ecs.stop_task(cluster="batch", task=stopped, reason="stuck")
    scene.wait(60)
    assert scene.end(stopped) == ("UserInitiated", None)
    scene.wait(1.5 * HOUR)
    assert scene.end(left) == ("TaskFailedToStart", None)
    scene.wait_for(scene.run(), "RUNNING")


def test_images_and_permissions_that_keep_a_task_from_starting(scene: Scene) -> None:
    images = scene.cloud.fargate.broken_images
    for reason in (fargate.NOT_FOUND, fargate.UNAUTHORIZED):
        images["ocr:1"] = reason
        arn = scene.run()
        scene.wait(60)
        task = scene.described(arn)
        assert scene.end(arn) == ("TaskFailedToStart", None)
        assert task["stoppedReason"] == task["containers"][0]["reason"] == reason.format(image="ocr:1")
        assert "startedAt" not in task
        assert task["pullStartedAt"] < task["pullStoppedAt"]
    images.clear()
    scene.cloud.fargate.broken_definitions["ocr"] = fargate.NO_SECRETS
    arn = scene.run()
    scene.wait(60)
    assert scene.described(arn)["stoppedReason"].startswith("ResourceInitializationError: ")
    assert "pullStartedAt" not in scene.described(arn)


def test_a_program_that_takes_too_much_memory_is_killed(scene: Scene) -> None:
    def program(container: Container) -> None:
        container.sleep(10)
        container.use_memory(3000)

    small, large = scene.run(program), scene.run(overrides={"memory": "4096"})
    scene.wait()
    assert scene.end(small) == ("EssentialContainerExited", 137)
    assert scene.described(small)["containers"][0]["reason"] == fargate.OUT_OF_MEMORY
    assert scene.end(large) == ("EssentialContainerExited", 0)
    with pytest.raises(ClientError, match="No Fargate configuration exists for given values"):
        scene.run(overrides={"memory": "9000"})


def test_without_its_host_a_task_has_no_exit_code(scene: Scene) -> None:
    arn = scene.run(for_seconds(600))
    scene.wait_for(arn, "RUNNING")
    scene.wait(10)
    (task,) = scene.cloud.tasks.alive()
    scene.cloud.tasks.fail_host(task)
    scene.wait(60)
    assert scene.end(arn) == ("InfrastructureHealth", None)


def test_pulling_takes_as_long_as_the_scene_says(scene: Scene) -> None:
    scene.cloud.fargate.pull_seconds["ocr"] = 100
    arn = scene.run()
    scene.wait()
    task = scene.described(arn)
    assert 80 <= (task["pullStoppedAt"] - task["pullStartedAt"]).total_seconds() <= 120


def test_what_run_task_refuses(scene: Scene) -> None:
    for wrong, text in (
        ({"overrides": {"containerOverrides": [{"name": "web"}]}}, "is not a container in the TaskDefinition"),
        (
            {"overrides": {"containerOverrides": [{"name": "ocr", "command": ["x" * 8192]}]}},
            "Container Overrides length must be at most 8192",
        ),
        ({"group": "service:web"}, "Invalid namespace for group"),
    ):
        with pytest.raises(ClientError, match=text):
            scene.run(**wrong)
    scene.cloud.fargate.refusal = AwsError("AccessDeniedException", "User is not authorized to perform: iam:PassRole")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        scene.run()
    scene.ecs.deregister_task_definition(taskDefinition="ocr:1")
    scene.cloud.fargate.recover()
    with pytest.raises(ClientError, match="TaskDefinition"):
        scene.run(taskDefinition="ocr:1")
    with pytest.raises(ClientError, match="TaskDefinition"):
        scene.run()


def test_functions_see_a_new_task_a_moment_later(scene: Scene) -> None:
    with calling_as("SomeFunction"):
        arns = [scene.request()["tasks"][0]["taskArn"] for _ in range(20)]
        seen = scene.ecs.describe_tasks(cluster="batch", tasks=arns)
        assert {one["reason"] for one in seen["failures"]} == {"MISSING"}
        assert len(scene.ecs.list_tasks(cluster="batch")["taskArns"]) == len(seen["tasks"])
        scene.wait(1)
        assert not scene.ecs.describe_tasks(cluster="batch", tasks=arns)["failures"]


def day(seed: int) -> list[tuple[Any, ...]]:
    """How the tasks of some busy minutes end, if everything goes wrong now and then."""
    plan = FaultPlan(
        seed=seed,
        no_capacity=0.1,
        ghost=0.3,
        stuck_provisioning=0.05,
        interface_timeout=0.15,
        pull_interrupted=0.05,
        spot_reclaim=0.1,
    )
    with Cloud(seed=seed, faults=plan) as cloud:
        scene = Scene(cloud)
        cloud.tasks.programs["ocr"] = for_seconds(300)
        for _ in range(20):
            scene.request_as_function(count=10, capacityProviderStrategy=SPOT)
            scene.wait(1)
        scene.wait(900)
        return [
            (task.id, task.last_status, task.stop_code, task.stopped_reason, task.exit_code, task.stopped_at)
            for task in cloud.tasks.visible()
        ]


def test_chance_decides_by_seed() -> None:
    ends = day(1)
    # A subnet's id is in one of the texts.
    kinds = {
        (stop_code, re.sub("subnet-[0-9a-f]+", "{subnet}", reason.partition(":")[0]))
        for _, _, stop_code, reason, *_ in ends
    }
    assert kinds == {
        ("", ""),
        ("EssentialContainerExited", "Essential container in task exited"),
        ("SpotInterruption", "Your Spot Task was interrupted."),
        *(("TaskFailedToStart", one.partition(":")[0]) for one in fargate.INTERFACE_FAILURES),
        ("TaskFailedToStart", "CannotPullContainerError"),
    }
    assert day(1) == ends != day(2)


@given(st.floats(0, 1e5), st.booleans(), st.booleans())
def test_a_task_is_billed_by_the_second_and_a_minute_at_least(seconds: float, arm: bool, spot: bool) -> None:  # noqa: FBT001
    def price(seconds: float, cpu: int = 1024, memory: int = 2048, *, spot: bool = spot) -> float:
        return dollars(seconds, cpu=cpu, memory=memory, arm=arm, spot=spot)

    assert price(seconds) == price(max(seconds, 60))
    assert price(seconds) <= price(seconds + 1) <= price(seconds) + price(60) / 60 + 1e-12
    assert price(seconds, 2048, 4096) == pytest.approx(2 * price(seconds))
    assert price(seconds, spot=True) < price(seconds, spot=False) / 3 * 1.01


def test_the_bill_of_tasks(scene: Scene) -> None:
    assert dollars(HOUR, cpu=1024, memory=2048) == pytest.approx(0.04048 + 2 * 0.004445)
    scene.cloud.tasks.programs["ocr"] = for_seconds(600)
    scene.request(count=2)
    hanging = scene.cloud.tasks.dollars()
    assert hanging == 0
    scene.wait(HOUR)
    (first, second) = scene.cloud.tasks.visible()
    assert first.pull_started_at
    assert first.stopped_at
    billed = (shown(first.stopped_at) - shown(first.pull_started_at)).total_seconds()
    assert 610 < billed < 650
    assert scene.cloud.tasks.cost(first) == dollars(billed, cpu=1024, memory=2048, region=scene.cloud.region)
    assert scene.cloud.tasks.dollars() == scene.cloud.tasks.cost(first) + scene.cloud.tasks.cost(second)
