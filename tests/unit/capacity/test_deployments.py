"""A deployment starves if it fails for lack of addresses in subnets that others are added for, and for nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from berthmaster.capacity.plan.deployments import (
    MOST_DEPLOYMENTS,
    MOST_STOPPED,
    RECENT,
    Deployment,
    DeploymentState,
    StoppedTask,
    can_starve,
    judge,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHORT, OTHER = "subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"
IN_PROGRESS = Deployment(
    id="ecs-svc/2", rollout_state="IN_PROGRESS", strategy="ROLLING", count=2, is_current=True, is_repetition=False
)
SCALED_IN = "Scaling activity initiated by (deployment ecs-svc/2)"


def starved(subnet: str = SHORT, *, interface: str = "Network Interface") -> StoppedTask:
    return StoppedTask(
        deployment_id="ecs-svc/2",
        stopped_at=NOW - timedelta(minutes=5),
        stop_code="TaskFailedToStart",
        reason=f"Unexpected EC2 error while attempting to Create {interface} in subnet '{subnet}': "
        "InsufficientFreeAddressesInSubnet",
    )


def stopped(stop_code: str, reason: str = "") -> StoppedTask:
    return replace(starved(), stop_code=stop_code, reason=reason)


def state(*tasks: StoppedTask, deployment: Deployment = IN_PROGRESS) -> DeploymentState:
    return judge(deployment, tasks, {SHORT}, NOW).state


def test_a_deployment_that_finds_no_address_in_a_short_subnet_starves() -> None:
    judgement = judge(IN_PROGRESS, [starved()], {SHORT}, NOW)
    assert judgement.state is DeploymentState.STARVED
    assert judgement.may_update
    assert judgement.deployment_id == "ecs-svc/2"
    assert SHORT in judgement.reason


def test_the_text_for_public_addresses_is_understood_too() -> None:
    assert state(starved(interface="Network Interface with public IP assignment enabled")) is DeploymentState.STARVED


def test_the_attachment_names_the_subnet_if_the_reason_does_not() -> None:
    task = replace(starved(), reason="InsufficientFreeAddressesInSubnet", subnet_id=SHORT)
    assert state(task) is DeploymentState.STARVED


def test_a_lack_of_addresses_in_another_subnet_too_does_not_speak_against_it() -> None:
    assert state(starved(), starved(OTHER)) is DeploymentState.STARVED
    assert state(starved(OTHER)) is DeploymentState.IN_PROGRESS


@pytest.mark.parametrize(
    "task",
    [
        stopped("TaskFailedToStart", "CannotPullContainerError: shop:latest: not found"),
        stopped("TaskFailedToStart", "CannotPullContainerError: toomanyrequests: Rate limit exceeded"),
        stopped("TaskFailedToStart", "Unexpected EC2 error while attempting to Create Network Interface: AuthFailure"),
        stopped("EssentialContainerExited", "Essential container in task exited"),
        stopped("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group web)"),
        stopped("", ""),
        stopped("SomethingNew", "of which nobody knows"),
        # An address that is missing later, when the task runs, is none that the deployment lacks.
        replace(starved(), stop_code="EssentialContainerExited"),
    ],
    ids=lambda task: f"{task.stop_code} {task.reason[:20]}",
)
def test_any_other_failure_leaves_it_to_its_circuit_breaker(task: StoppedTask) -> None:
    judgement = judge(IN_PROGRESS, [starved(), task], {SHORT}, NOW)
    assert judgement.state is DeploymentState.FAILING
    assert not judgement.may_update
    assert task.reason in judgement.reason


@pytest.mark.parametrize(
    "task",
    [
        stopped("UserInitiated", "Task stopped by user"),
        stopped("TaskFailedToStart", "Rate limit exceeded while attempting to Create Network Interface"),
        stopped("SpotInterruption", "Your Spot Task was interrupted."),
        stopped("ServiceSchedulerInitiated", SCALED_IN),
        replace(stopped("EssentialContainerExited"), deployment_id="ecs-svc/1"),
        replace(stopped("EssentialContainerExited"), stopped_at=NOW - RECENT),
    ],
    ids=["a person", "throttled", "Spot", "scaled in", "of an older deployment", "long ago"],
)
def test_what_stopped_for_no_fault_of_the_deployment_does_not_count(task: StoppedTask) -> None:
    assert state(task) is DeploymentState.IN_PROGRESS
    assert state(task, starved()) is DeploymentState.STARVED


def test_a_service_of_which_very_many_tasks_stop_has_other_troubles() -> None:
    assert state(*[starved()] * MOST_STOPPED) is DeploymentState.STARVED
    assert state(*[starved()] * (MOST_STOPPED + 1)) is DeploymentState.FAILING


def test_a_deployment_that_finds_addresses_again_is_in_progress() -> None:
    assert state(replace(starved(), stopped_at=NOW - RECENT)) is DeploymentState.IN_PROGRESS


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
def test_only_rolling_deployments_are_replaced(strategy: str) -> None:
    shifting = replace(IN_PROGRESS, strategy=strategy)
    assert not can_starve(shifting)
    assert state(starved(), deployment=shifting) is DeploymentState.IN_PROGRESS
    assert strategy in judge(shifting, [], {SHORT}, NOW).reason


def test_a_service_without_a_deployment_in_progress_may_be_updated() -> None:
    settled = replace(IN_PROGRESS, rollout_state="COMPLETED", count=1)
    assert not can_starve(settled)
    assert judge(settled, [], set(), NOW).may_update
    behind_a_classic_load_balancer = replace(settled, rollout_state="")
    assert judge(behind_a_classic_load_balancer, [], set(), NOW).may_update


def test_behind_a_classic_load_balancer_older_tasks_show_a_deployment() -> None:
    assert state(starved(), deployment=replace(IN_PROGRESS, rollout_state="")) is DeploymentState.STARVED


def test_a_failed_release_is_not_repeated_but_a_failed_rollback_is() -> None:
    failed = replace(IN_PROGRESS, rollout_state="FAILED")
    assert not can_starve(failed)
    assert state(starved(), deployment=failed) is DeploymentState.FAILED
    rollback = replace(failed, is_repetition=True)
    long_ago = replace(starved(), stopped_at=NOW - timedelta(minutes=50))
    assert state(long_ago, deployment=rollback) is DeploymentState.STARVED
    assert state(starved(OTHER), deployment=rollback) is DeploymentState.FAILED


def test_an_update_may_not_bring_another_task_definition_than_the_one_that_starves() -> None:
    other = replace(IN_PROGRESS, is_current=False)
    assert not can_starve(other)
    assert state(starved(), deployment=other) is DeploymentState.IN_PROGRESS


def test_ecs_takes_no_more_than_five_deployments() -> None:
    assert state(starved(), deployment=replace(IN_PROGRESS, count=MOST_DEPLOYMENTS - 1)) is DeploymentState.STARVED
    assert state(starved(), deployment=replace(IN_PROGRESS, count=MOST_DEPLOYMENTS)) is DeploymentState.IN_PROGRESS
