"""Launches that fail, or may have failed: what is launched instead, what waits, what people hear."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from simulator.account import Account
from simulator.aws.ecs.run_task import run_task
from simulator.calls import Call
from simulator.errors import AwsError
from simulator.faults import FaultPlan, Outage
from tests.support.batch.objects import an_event, send
from tests.support.batch.refusals import refusals
from tests.support.batch.scene import DISPATCH, BatchScene, a_batch_scene


def launches(scene: BatchScene) -> list[Call]:
    """The calls of RunTask by batch_dispatch, in order."""
    return sorted(scene.cloud.calls.of(DISPATCH).named("ecs:RunTask"), key=lambda call: call.at)


def providers(scene: BatchScene) -> Counter[str]:
    """How many launches asked for which provider."""
    return Counter(
        call.params.get("capacityProviderStrategy", [{"capacityProvider": "FARGATE"}])[0]["capacityProvider"]
        for call in launches(scene)
    )


def tasks(scene: BatchScene) -> list[Any]:
    """Every task that was ever started."""
    return list(scene.cloud.tasks.visible())


def test_a_zone_without_capacity_is_left_alone() -> None:
    with a_batch_scene() as scene:
        lacking, other = scene.network.subnets
        zone = f"{scene.cloud.region}{scene.network.subnets[lacking]}"
        scene.cloud.fargate.lack_capacity(zone=zone)
        for number in range(20):
            scene.put(f"scans/{number}.tif")
        scene.settle()
        failed = [
            call
            for call in launches(scene)
            if call.params["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == [lacking]
        ]
        assert 1 <= len(failed) <= 12, "those that were under way together, and one a minute"
        assert {task.subnet_id for task in tasks(scene)} == {other}
        assert all(file.failures == file.attempts == 0 for file in scene.files())


def test_without_capacity_on_spot_tasks_are_launched_on_demand() -> None:
    with a_batch_scene(pipeline={"spot": {"tries": 2}}) as scene:
        scene.put("scans/a.tif")
        scene.settle()
        assert providers(scene) == {"FARGATE_SPOT": 1}
        scene.cloud.fargate.lack_capacity(provider="FARGATE_SPOT")
        scene.put("scans/b.tif")
        scene.wait(10)
        scene.settle()
        assert providers(scene) == {"FARGATE_SPOT": 3, "FARGATE": 1}, "once in each zone"
        scene.put("scans/c.tif")
        scene.wait(10)
        scene.settle()
        assert providers(scene) == {"FARGATE_SPOT": 3, "FARGATE": 2}


def test_without_any_capacity_files_wait_and_are_launched_when_there_is_some() -> None:
    with a_batch_scene() as scene:
        scene.cloud.fargate.lack_capacity(until=scene.cloud.clock.timestamp() + 1200)
        for number in range(10):
            scene.put(f"scans/{number}.tif")
        scene.wait(1200)
        assert len(launches(scene)) <= 10 + 2 * 20 + 20
        scene.settle(limit=180)
        assert all(file.failures == file.attempts == 0 for file in scene.files())
        assert scene.dead_letters() == []


def test_a_quota_that_is_used_up_is_reported_once_and_waited_for() -> None:
    with a_batch_scene() as scene:
        scene.cloud.fargate.vcpus["FARGATE"] = 0.5
        for number in range(6):
            scene.put(f"scans/{number}.tif")
        scene.settle()
        (reached,) = scene.events("Quota Reached")
        assert reached["quota"] == "Fargate On-Demand vCPU resource count"
        (mail,) = scene.mails()
        assert "Fargate On-Demand vCPU resource count" in mail
        assert set(scene.states()) == {f"scans/{number}.tif" for number in range(6)}
        assert all(file.failures == file.attempts == 0 for file in scene.files())


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("ClientException", "TaskDefinition is inactive.", "task definition"),
        (
            "AccessDeniedException",
            "User is not authorized to perform: iam:PassRole on resource: arn:x",
            "BatchPassRoles",
        ),
        ("ClusterNotFoundException", "Cluster not found.", "cluster"),
    ],
)
def test_a_pipeline_that_is_out_of_order_is_found_out_by_few_files(code: str, message: str, said: str) -> None:
    with a_batch_scene() as scene:
        with refusals(scene, code, message):
            for number in range(40):
                scene.put(f"scans/{number}.tif")
            scene.wait(240)
            assert len(launches(scene)) <= 14, "those that were under way together"
            assert {file.state for file in scene.files()} == {"waiting"}
            (stopped,) = scene.events("Pipeline Stopped")
            assert said in stopped["diagnosis"]
            assert len(scene.mails()) == 1
            before = len(launches(scene))
            scene.wait(120)
            assert len(launches(scene)) == before + 1, "one canary"
        scene.settle()
        assert all(file.failures == file.attempts == 0 for file in scene.files())
        assert len(scene.events("Pipeline Stopped")) == 1
        (resumed,) = scene.events("Pipeline Resumed")
        assert (resumed["diagnosis"], resumed["stopped_since"]) == (stopped["diagnosis"], stopped["since"])
        assert ["runs again" in mail for mail in scene.mails()] == [False, True]


def test_a_mended_task_definition_is_tried_at_once() -> None:
    with a_batch_scene() as scene:
        with refusals(scene, "ClientException", "TaskDefinition is inactive."):
            scene.put("scans/a.tif")
            scene.wait(400)
        launched = len(launches(scene))
        scene.define_task("ocr", scene.cloud.tasks.programs["ocr"])
        scene.put("scans/b.tif")
        scene.wait(40)
        assert len(launches(scene)) > launched


def test_a_lost_answer_starts_no_second_task() -> None:
    with a_batch_scene() as scene:
        scene.cloud.faults.lose_response(lambda call: call.name == "ecs:RunTask")
        scene.put("scans/a.tif")
        scene.settle()
        assert [call.params["clientToken"][-2:] for call in launches(scene)] == ["-1", "-1"]
        assert len(tasks(scene)) == 1


def test_a_task_that_an_event_names_before_the_answer_is_adopted() -> None:
    """RunTask starts a task, and answers nothing for minutes."""
    with a_batch_scene() as scene:

        def answers_nothing(account: Account, params: Mapping[str, Any]) -> Any:
            run_task(account, params)
            raise AwsError("ServerException", "Service Unavailable. Please try again later.", 500)

        scene.cloud.handlers["ecs:RunTask"] = answers_nothing
        scene.put("scans/a.tif")
        scene.settle()
        assert len(tasks(scene)) == 1
        assert [file.launch.number for file in scene.files() if file.launch] == [1]


def test_a_conflict_adopts_the_task_that_the_token_has_started() -> None:
    with a_batch_scene() as scene:

        def answers_with_a_conflict(account: Account, params: Mapping[str, Any]) -> Any:
            task = run_task(account, params)["tasks"][0]["taskArn"]
            raise AwsError("ConflictException", "The provided clientToken is already in use.", resourceIds=[task])

        scene.cloud.handlers["ecs:RunTask"] = answers_with_a_conflict
        scene.put("scans/a.tif")
        scene.settle()
        assert len(launches(scene)) == len(tasks(scene)) == 1


def test_a_ghost_writes_where_no_other_launch_does() -> None:
    """Every launch in a zone without capacity starts a task all the same."""
    with a_batch_scene(faults=FaultPlan(ghost=1.0)) as scene:
        zone = f"{scene.cloud.region}a"
        scene.cloud.fargate.lack_capacity(zone=zone, until=scene.cloud.clock.timestamp() + 60)
        for number in range(6):
            scene.put(f"scans/{number}.tif")
        scene.settle()
        prefixes = [task.environment["BERTHMASTER_OUTPUT_PREFIX"] for task in tasks(scene)]
        assert len(prefixes) == len(set(prefixes)) > 6
        assert len(scene.objects("ocr/", bucket="results")) >= 6


def test_a_file_whose_key_no_request_can_hold_is_dead_and_stops_no_other() -> None:
    with a_batch_scene() as scene:
        with refusals(scene, "InvalidParameterException", "Container Overrides length must be at most 8192"):
            scene.put("scans/long.tif")
            scene.wait(30)
        scene.put("scans/b.tif")
        scene.wait(10)
        scene.settle()
        assert scene.states() == {"scans/long.tif": ["dead"], "scans/b.tif": ["committed"]}
        (failed,) = scene.events("File Failed")
        assert "8192" in failed["diagnosis"]


def test_a_key_that_no_environment_variable_can_hold_is_dead_at_once() -> None:
    with a_batch_scene() as scene:
        send(scene, [an_event("scans/a\0.tif", 1)])
        scene.wait(10)
        assert scene.states() == {"scans/a\0.tif": ["dead"]}
        (failed,) = scene.events("File Failed")
        assert "NUL" in failed["diagnosis"]
        assert launches(scene) == []
        assert scene.dead_letters() == []


def test_the_longest_key_of_characters_that_json_escapes_is_launched() -> None:
    with a_batch_scene() as scene:
        scene.put(f"scans/{chr(1) * 1018}")
        scene.put(f"scans/{chr(0x1F600) * 254}")
        scene.wait(60)
        assert [call.outcome for call in launches(scene)] == ["ok", "ok"]


def test_when_ecs_has_been_silent_for_long_its_lists_are_asked() -> None:
    with a_batch_scene() as scene:
        scene.cloud.faults.begin_outage(Outage("ecs:RunTask", scene.cloud.clock.timestamp() + 3600))
        scene.put("scans/a.tif")
        scene.settle(limit=2 * 3600)
        numbers = {call.params["clientToken"].rpartition("-")[2] for call in launches(scene)}
        assert numbers == {"1", "2"}
        assert len(tasks(scene)) == 1
        assert scene.cloud.calls.of(DISPATCH).named("ecs:ListTasks")
