"""Whatever waits is said before ten minutes are over, once, and what it waits for."""

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.aws.elbv2.targets import WhileDraining
from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.targets.scene import BATCH, COOL_DOWN, SHOP, TargetsScene, a_targets_scene

TEN_MINUTES = 10


def said(scene: TargetsScene, *, times: int = TEN_MINUTES) -> dict[str, str]:
    """The findings of the next runs, by code; each must have been reported once."""
    for _ in range(times):
        scene.failed_run()
        scene.wait(60)
    findings = scene.findings()
    assert len(findings) == len(dict(findings)), findings
    return dict(findings)


def test_a_handover_that_takes_long() -> None:
    with a_targets_scene(reuse=1.0, drain=1800) as scene:
        scene.cloud.targets.while_draining = WhileDraining.REFUSED
        (former,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        scene.fleet.crash(former)
        scene.wait(50)
        (new,) = scene.running()
        assert new.address == former.address
        assert new.address in said(scene, times=15)["address drains"]


def test_tasks_that_never_become_healthy() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            tasks = scene.serve(2, health_check=True)
        for task in tasks:
            task.health_status = "UNHEALTHY"
        text = said(scene)["waits for readiness"]
        assert all(task.arn in text for task in tasks)


def test_a_proposal_that_nobody_answers() -> None:
    with a_targets_scene(mode="approve") as scene:
        (task,) = scene.serve(1)
        assert f"register {task.address}" in said(scene)["waits for an approval"]


def test_a_proposal_that_was_rejected_waits_for_nobody() -> None:
    with a_targets_scene(mode="approve") as scene:
        scene.serve(1)
        scene.reconcile()
        scene.request("Proposal Rejected", proposal=scene.events("Change Proposed")[0]["proposal"], by="ann")
        scene.wait(5)
        assert said(scene) == {}


def test_a_target_that_aws_refuses() -> None:
    with a_targets_scene() as scene:

        def refuse(_cloud: Cloud, _params: Mapping[str, Any]) -> Any:
            raise AwsError("InvalidTarget", "Not so.")

        with scene.answering("elbv2:RegisterTargets", refuse):
            scene.serve(1)
            assert set(said(scene)) == {"refused"}


def test_a_registration_that_aws_does_not_answer() -> None:
    with a_targets_scene() as scene, scene.failing("elbv2:RegisterTargets"):
        (task,) = scene.serve(1)
        assert task.address in said(scene)["waits for an answer"]


def test_an_operation_that_does_not_end() -> None:
    with a_targets_scene() as scene:
        scene.cloud_map("shop", SHOP)

        def pending(_cloud: Cloud, params: Mapping[str, Any]) -> Any:
            return {"Operation": {"Id": params["OperationId"], "Status": "PENDING"}}

        with scene.answering("servicediscovery:GetOperation", pending):
            (task,) = scene.serve(1)
            assert task.address in said(scene)["waits for an operation"]


@pytest.mark.parametrize("operation", ["elbv2:DescribeTargetHealth", "elbv2:DescribeTargetGroups"])
def test_a_destination_that_cannot_be_read(operation: str) -> None:
    with a_targets_scene() as scene:
        scene.serve(1)
        with scene.failing(operation):
            assert set(said(scene)) == {"waits to be read"}


def test_a_task_of_which_ecs_says_nothing() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH)
        task = scene.run_task()
        scene.wait(COOL_DOWN)
        nothing = {"tasks": [], "failures": []}
        with scene.answering("ecs:DescribeTasks", lambda _cloud, _params: nothing):
            assert task.address in said(scene)["waits for a description"]
        assert scene.targets(group) == {task.address}


def test_what_takes_its_usual_time_is_not_worth_a_word() -> None:
    with a_targets_scene(reuse=1.0, drain=120) as scene:
        scene.serve(3)
        scene.fleet.deploy("shop")
        assert said(scene, times=15) == {}
