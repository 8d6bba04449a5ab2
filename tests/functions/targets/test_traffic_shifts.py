"""Tasks of a new revision are registered when production traffic shifts to it, and not before."""

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.cloud import Cloud
from tests.support.targets.scene import CLUSTER, PORT, RECONCILE, a_targets_scene, addresses
from tests.support.targets.traffic_shift import BAKE_MINUTES, STAGES, a_primary_task_set, a_shift_scene

BEFORE, SHIFT = STAGES[:4], "PRODUCTION_TRAFFIC_SHIFT"
AT_MOST = 16
"""Seconds from the stage to the registration, for tasks that have run for a few minutes."""
STAGE_CALLS = {"ListServiceDeployments", "DescribeServiceDeployments", "DescribeServiceRevisions"}


@pytest.mark.parametrize("stage", BEFORE)
def test_no_task_of_the_new_revision_is_registered_before_production_traffic_shifts(stage: str) -> None:
    with a_shift_scene(scheduled=True) as shift:
        scene, blue = shift.scene, shift.serve()
        green = shift.deploy(until=stage, seconds=240)
        assert len(green) == 2
        assert scene.targets() == addresses(blue)
        assert all(scene.state(task) == "" for task in green)
        shift.hold(SHIFT)
        scene.wait(AT_MOST)
        assert scene.targets() == addresses(blue + green)
        assert scene.findings() == []


def test_the_old_tasks_stay_registered_until_they_stop() -> None:
    with a_shift_scene(scheduled=True) as shift:
        scene, blue = shift.scene, shift.serve()
        green = shift.deploy(until=SHIFT)
        shift.let_go()
        scene.wait((BAKE_MINUTES - 1) * 60)
        assert scene.targets() == addresses(blue + green)
        scene.wait(180)
        assert scene.targets() == addresses(green) == addresses(scene.running())


def test_the_reconciliation_registers_them_if_no_event_arrives() -> None:
    with a_shift_scene() as shift:
        scene, blue = shift.scene, shift.serve()
        with scene.without_events():
            green = shift.deploy(until="POST_SCALE_UP", seconds=240)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(blue)
        shift.hold(SHIFT)
        scene.reconcile(minutes=0)
        assert scene.targets() == addresses(blue + green)


@pytest.mark.parametrize("stage", ["POST_SCALE_UP", "POST_PRODUCTION_TRAFFIC_SHIFT"])
def test_after_a_rollback_only_the_old_tasks_are_registered(stage: str) -> None:
    with a_shift_scene(scheduled=True) as shift:
        scene, blue = shift.scene, shift.serve()
        green = shift.deploy(until=stage, seconds=150)
        is_shifted = stage not in BEFORE
        assert scene.targets() == addresses(blue + green if is_shifted else blue)
        shift.let_go("FAILED")
        scene.wait(120)
        assert scene.running() == blue
        assert scene.targets() == addresses(blue)
        assert scene.findings() == []


@pytest.mark.parametrize("strategy", ["CANARY", "LINEAR"])
def test_step_by_step_they_are_registered_at_the_first_step(strategy: str) -> None:
    with a_shift_scene() as shift:
        scene, blue = shift.scene, shift.serve(strategy=strategy)
        green = shift.deploy(until="PRE_PRODUCTION_TRAFFIC_SHIFT")
        assert scene.targets() == addresses(blue)
        shift.hold(SHIFT)
        scene.wait(AT_MOST)
        assert scene.targets() == addresses(blue + green)
        # Before the next step the stage is an earlier one again.
        shift.let_go()
        shift.answers["PRE_PRODUCTION_TRAFFIC_SHIFT"] = "IN_PROGRESS"
        scene.wait(700)
        assert shift.reached[-1] == "PRE_PRODUCTION_TRAFFIC_SHIFT"
        scene.fleet.stop(green[0])
        scene.wait(90)
        assert scene.targets() == addresses(scene.running())
        assert len(scene.running()) == 4


def test_tasks_of_a_deployment_that_was_replaced_before_its_shift_are_not_registered() -> None:
    with a_shift_scene(scheduled=True) as shift:
        scene, blue = shift.scene, shift.serve()
        shift.deploy(until="POST_SCALE_UP")
        second = shift.deploy(until="POST_SCALE_UP", seconds=150)
        assert scene.targets() == addresses(blue)
        shift.hold(SHIFT)
        scene.wait(AT_MOST)
        assert scene.targets() == addresses(blue + second)


@pytest.mark.parametrize("operation", ["ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments"])
def test_where_the_stage_cannot_be_read_nothing_is_registered_and_people_hear_of_it(operation: str) -> None:
    with a_shift_scene(scheduled=True) as shift:
        scene, blue = shift.scene, shift.serve()
        with scene.failing(operation, code="AccessDeniedException", status=400):
            shift.deploy(until=SHIFT, seconds=150)
            assert scene.targets() == addresses(blue)
            ((code, text),) = scene.findings()
            assert code == "traffic shift unknown"
            assert f"{CLUSTER}/shop" in text
            assert "AccessDeniedException" in text
            assert len(scene.mails()) == 1
        scene.wait(60)
        assert scene.targets() == addresses(scene.running())
        assert len(scene.targets()) == 4
        assert scene.dead_letters() == []


def test_a_stage_that_is_not_known_is_not_guessed() -> None:
    with a_shift_scene() as shift:
        scene, blue = shift.scene, shift.serve()
        usual = scene.usual_handler("ecs:DescribeServiceDeployments")
        assert usual is not None

        def unnamed(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            answer = usual(cloud, params)
            for one in answer["serviceDeployments"]:
                one["lifecycleStage"] = "WARM_UP"
            return answer

        with scene.answering("ecs:DescribeServiceDeployments", unnamed):
            shift.deploy(until="POST_SCALE_UP", seconds=150)
            scene.reconcile()
        assert scene.targets() == addresses(blue)
        ((code, text),) = scene.findings()
        assert code == "traffic shift unknown"
        assert "WARM_UP" in text


@pytest.mark.parametrize("is_changed", [True, False])
def test_where_ecs_does_not_show_what_started_a_task_its_definition_and_time_decide(is_changed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with a_shift_scene() as shift:
        scene, blue = shift.scene, shift.serve()
        if is_changed:
            container = {"name": "shop", "image": "shop:2", "memory": 512, "portMappings": [{"containerPort": PORT}]}
            definition = scene.cloud.client("ecs").register_task_definition(
                family="shop", networkMode="awsvpc", containerDefinitions=[container]
            )["taskDefinition"]["taskDefinitionArn"]
            scene.cloud.backend("ecs").services[f"{CLUSTER}:shop"].task_definition = definition
        with shift.without_deployments(), scene.without_events():
            green = shift.deploy(until="POST_SCALE_UP")
            scene.reconcile()
            assert scene.targets() == addresses(blue)
            assert [code for code, _ in scene.findings()] == ([] if is_changed else ["traffic shift unknown"])
            shift.hold(SHIFT)
            scene.reconcile()
            assert scene.targets() == addresses(blue + green)


def test_tasks_that_wait_long_for_the_shift_are_reported_once() -> None:
    with a_shift_scene(scheduled=True) as shift:
        scene, blue = shift.scene, shift.serve()
        shift.deploy(until="POST_SCALE_UP", seconds=1200)
        assert scene.targets() == addresses(blue)
        assert [code for code, _ in scene.findings()] == ["waits for the traffic shift"]


def test_only_the_tasks_of_the_primary_task_set_are_registered() -> None:
    with a_targets_scene(scheduled=True) as scene:
        network = scene.network.network_configuration()
        scene.fleet.external_service("shop", network)
        a_primary_task_set(scene, scene.fleet.task_set("shop", network, 2))
        scene.wait(90)
        blue = scene.running()
        assert scene.targets() == addresses(blue)
        green = scene.fleet.task_set("shop", network, 2)
        scene.wait(120)
        assert len(scene.running()) == 4
        assert scene.targets() == addresses(blue)
        a_primary_task_set(scene, green)
        scene.wait(AT_MOST)
        assert scene.targets() == addresses(scene.running())
        assert scene.findings() == []


def test_rolling_deployments_cost_no_extra_call() -> None:
    with a_targets_scene() as scene:
        scene.serve(4)
        scene.fleet.deploy("shop")
        scene.wait(200)
        scene.reconcile()
        assert len(scene.targets()) == 4
        assert not STAGE_CALLS & {call.operation for call in scene.cloud.calls}


def test_a_run_reads_a_service_once_however_many_tasks_arrive() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            tasks = scene.serve(4)
        scene.reconcile(minutes=0)
        assert scene.targets() == addresses(tasks)
        assert len(scene.cloud.calls.of(RECONCILE).named("ecs:DescribeServices")) == 1


def test_a_strategy_that_changes_with_the_deployment_is_known_before_its_tasks_are_registered() -> None:
    with a_shift_scene() as shift:
        scene = shift.scene
        # What ECS registers somewhere is remembered for two minutes.
        scene.serve(2, target_groups=[scene.target_group("by-ecs", {})])
        scene.fleet.scale("shop", 3)
        scene.wait(45)
        blue = scene.running()
        assert scene.targets() == addresses(blue)
        scene.cloud.client("ecs").update_service(
            cluster=CLUSTER, service="shop", deploymentConfiguration=shift.configuration()
        )
        shift.deploy(until="POST_SCALE_UP", seconds=75)
        assert scene.targets() == addresses(blue)


def test_a_service_that_shifts_traffic_costs_no_extra_call_between_its_deployments() -> None:
    with a_shift_scene() as shift:
        shift.serve()
        shift.scene.fleet.scale("shop", 4)
        shift.scene.wait(60)
        assert len(shift.scene.targets()) == 4
        assert not STAGE_CALLS & {call.operation for call in shift.scene.cloud.calls}
