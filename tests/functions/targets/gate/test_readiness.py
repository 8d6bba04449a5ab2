"""A deployment waits until its tasks are healthy in every managed destination, or fails at the limit."""

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.faults import FaultPlan
from tests.support.targets.gate import MINUTES, SERVICE, a_gate_scene
from tests.support.targets.scene import GATE, SHOP


def test_a_deployment_waits_until_its_tasks_are_healthy_in_every_destination() -> None:
    with a_gate_scene() as gate:
        scene = gate.scene
        groups, discovery = [gate.group("web"), gate.group("internal")], scene.cloud_map("shop", SHOP)
        scene.wait(120)
        revision = gate.deploy()
        answer, seconds = gate.until_answered(revision)
        assert answer == {"hookStatus": "SUCCEEDED"}
        assert 15 <= seconds < 120
        new = gate.new_tasks(revision)
        assert len(new) == 2
        for task in new:
            assert [scene.state(task, group) for group in groups] == ["healthy", "healthy"]
            assert task.address in scene.instances(discovery)
        (line,) = gate.logged("deployment continues")
        assert "internal: 2 of 2 healthy" in line["reason"]
        assert "2 of 2 registered" in line["reason"]
        assert line["service"] == "shop"
        assert gate.logged("deployment waits")[0]["reason"] == "0 of 2 new tasks run"


def test_tasks_that_do_not_get_healthy_fail_the_deployment_at_the_limit_with_awss_reasons() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        gate.scene.wait(120)
        before = {task.address for task in gate.scene.fleet.tasks}
        gate.scene.cloud.targets.answers = lambda ip, _port: ip in before
        answer, seconds = gate.until_answered(gate.deploy())
        assert answer["hookStatus"] == "FAILED"
        assert answer["reason"].startswith(f"not ready after {MINUTES} minutes: web: 0 of 2 healthy")
        assert "2 unhealthy: Target.Timeout" in answer["reason"]
        assert MINUTES * 60 <= seconds < MINUTES * 60 + 30
        assert gate.logged("deployment fails")[0]["reason"] in answer["reason"]


def test_a_full_target_group_fails_the_deployment_at_the_limit_only() -> None:
    def full(_cloud: Cloud, _params: Mapping[str, Any]) -> None:
        raise AwsError("TooManyTargets", "You have reached the maximum number of targets")

    with a_gate_scene() as gate:
        arn = gate.group("web")
        with gate.scene.answering("elbv2:RegisterTargets", full):
            answer, _ = gate.until_answered(gate.deploy())
        assert answer["hookStatus"] == "FAILED"
        assert answer["reason"] == f"not ready after {MINUTES} minutes: web: 0 of 2 healthy (2 refused)"
        assert gate.scene.targets(arn) == set()


def test_tasks_of_earlier_deployments_do_not_count_although_their_task_definition_is_the_same() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        gate.scene.wait(120)
        assert len(gate.scene.fleet.tasks) == 2
        assert gate.status(gate.deploy()) == "IN_PROGRESS"
        assert gate.logged("deployment waits")[0]["reason"] == "0 of 2 new tasks run"


def test_an_address_that_drains_for_its_former_owner_is_not_healthy_for_the_next_one() -> None:
    with a_gate_scene(reuse=1.0) as gate:
        group = gate.group("web")
        gate.scene.wait(120)
        old = gate.scene.fleet.tasks
        answer, _ = gate.until_answered(gate.deploy())
        assert answer["hookStatus"] == "SUCCEEDED"
        # The next deployment gets the old addresses while their targets drain for five minutes.
        gate.scene.wait(60)
        assert all(task.last_status == "STOPPED" for task in old)
        revision = gate.deploy()
        answer, seconds = gate.until_answered(revision)
        assert answer["hookStatus"] == "SUCCEEDED"
        new = gate.new_tasks(revision)
        assert {task.address for task in new} & {task.address for task in old}
        assert all(gate.scene.state(task, group) == "healthy" for task in new)
        assert seconds > 120
        assert any("former owner" in line["reason"] for line in gate.logged("deployment waits"))


# Destinations that do not hold a deployment, or do


def test_unmanaged_destinations_are_not_waited_for() -> None:
    with a_gate_scene() as gate:
        gate.group("other", **{"berthmaster:service": "another"})
        gate.group("detached", **{"berthmaster:targets": "detached"})
        assert gate.status(gate.deploy()) == "SUCCEEDED"


def test_a_target_group_for_the_family_is_waited_for() -> None:
    with a_gate_scene() as gate:
        gate.group("web", **{"berthmaster:service": "", "berthmaster:family": "shop"})
        answer, seconds = gate.until_answered(gate.deploy())
        assert answer["hookStatus"] == "SUCCEEDED"
        assert seconds > 0


def test_a_target_group_without_a_load_balancer_is_logged_and_not_waited_for() -> None:
    with a_gate_scene() as gate:
        gate.group("spare", in_use=False)
        answer, _ = gate.until_answered(gate.deploy())
        assert answer["hookStatus"] == "SUCCEEDED"
        assert gate.logged("target group not in use")[0]["target_group"] == "spare"


def test_a_target_group_that_cannot_be_managed_is_logged_and_not_waited_for() -> None:
    with a_gate_scene() as gate:
        gate.scene.target_group("i", SHOP, kind="instance")
        assert gate.status(gate.deploy()) == "SUCCEEDED"
        assert "only ip and ipv4" in gate.logged("destination not managed")[0]["problem"]


def test_a_service_with_a_desired_count_of_zero_is_not_waited_for() -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        gate.scene.fleet.scale("shop", 0)
        assert gate.status(gate.deploy()) == "SUCCEEDED"


# Missing evidence


def test_an_error_of_aws_holds_the_deployment_and_fails_it_at_the_limit() -> None:
    def denied(_cloud: Cloud, _params: Mapping[str, Any]) -> None:
        raise AwsError("AccessDeniedException", "not authorized to perform: ecs:DescribeServiceRevisions")

    with a_gate_scene() as gate:
        gate.group("web")
        gate.scene.wait(60)
        revision = gate.deploy()
        gate.scene.wait(180)
        with gate.scene.answering("ecs:DescribeServiceRevisions", denied):
            assert gate.status(revision) == "IN_PROGRESS"
            assert "AccessDenied" in gate.logged("evidence missing")[0]["error"]
            answer, _ = gate.until_answered(revision)
        assert answer["hookStatus"] == "FAILED"
        assert "evidence is missing" in answer["reason"]
        assert "not authorized to perform: ecs:DescribeServiceRevisions" in answer["reason"]
        assert gate.status(revision) == "SUCCEEDED"


@pytest.mark.parametrize("missing", ["service", "service revision"])
def test_a_service_or_revision_that_ecs_does_not_know_holds_the_deployment(missing: str) -> None:
    with a_gate_scene() as gate:
        gate.group("web")
        revision = gate.deploy()
        event = {"serviceArn": SERVICE, "targetServiceRevisionArn": revision}
        event |= (
            {"serviceArn": f"{SERVICE}-next"} if missing == "service" else {"targetServiceRevisionArn": f"{revision}0"}
        )
        assert gate.call(event)["hookStatus"] == "IN_PROGRESS"
        assert f"ECS does not know the {missing} " in gate.logged("evidence missing")[0]["error"]


def test_under_faults_it_never_continues_too_early() -> None:
    with a_gate_scene(faults=FaultPlan(seed=3, throttled=0.2, server_error=0.2, lost_response=0.1)) as gate:
        groups = [gate.group("web"), gate.group("internal")]
        revision = gate.deploy()
        answer, _ = gate.until_answered(revision)
        assert answer["hookStatus"] == "SUCCEEDED"
        for task in gate.new_tasks(revision):
            assert [gate.scene.state(task, group) for group in groups] == ["healthy", "healthy"]
        written = {call.name for call in gate.scene.cloud.calls.of(GATE).writes()}
        assert written == {"dynamodb:UpdateItem"}, "it takes tokens for its reads, and changes nothing else"
