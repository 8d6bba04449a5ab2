"""Events and API answers of ECS describe a task differently, and the same task is read from both."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from berthmaster.errors import InvalidEvent
from berthmaster.targets.ecs_task import definition, described
from berthmaster.targets.model import Address, Container, Definition, Phase, Task
from berthmaster.targets.triggers import TaskStateChange, parse
from simulator.aws.ecs.task_events import task_state_changed
from simulator.cloud import Cloud
from tests.support.targets.builders import NOON, task_arn

SENT_AT = "2026-03-02T12:00:00Z"
DETAIL: Mapping[str, Any] = {
    "taskArn": task_arn(1),
    "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/web",
    "taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/shop:7",
    "lastStatus": "RUNNING",
    "desiredStatus": "RUNNING",
    "version": 4,
    "group": "service:shop",
    "healthStatus": "HEALTHY",
    "availabilityZone": "eu-central-1a",
    "startedAt": "2026-03-02T11:59:00.123Z",
    "attachments": [
        {"type": "elb", "status": "ATTACHED", "details": [{"name": "privateIPv4Address", "value": "10.9.9.9"}]},
        {
            "type": "eni",
            "status": "ATTACHED",
            "details": [
                {"name": "subnetId", "value": "subnet-0a"},
                {"name": "networkInterfaceId", "value": "eni-0a"},
                {"name": "privateIPv4Address", "value": "10.0.0.4"},
            ],
        },
    ],
}


def from_event(detail: Mapping[str, Any]) -> Task:
    event = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "time": SENT_AT, "detail": detail}
    change = parse(json.dumps(event))
    assert isinstance(change, TaskStateChange)
    return change.task


def in_an_answer(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The same task as DescribeTasks describes it."""
    text = json.dumps(detail).replace('"eni"', '"ElasticNetworkInterface"')
    answer: dict[str, Any] = json.loads(text.replace("privateIPv4Address", "privateIpv4Address"))
    return answer | {"startedAt": datetime.fromisoformat(detail["startedAt"])}


def test_a_task_is_read_from_an_event() -> None:
    task = from_event(DETAIL)
    assert task.address == Address("10.0.0.4", "subnet-0a", "eni-0a", "eu-central-1a")
    assert (task.cluster, task.service, task.family, task.version) == ("web", "shop", "shop", 4)
    assert (task.phase, task.health_status, task.seen_at) == (Phase.RUNNING, "HEALTHY", NOON)


def test_the_same_task_is_read_from_an_answer() -> None:
    assert list(described([in_an_answer(DETAIL)], NOON)) == [from_event(DETAIL)]


def to_the_millisecond(task: Task) -> Task:
    """Events have no microseconds."""
    started = task.started_at
    return replace(task, started_at=started and started.replace(microsecond=started.microsecond // 1000 * 1000))


def test_a_simulated_task_is_the_same_in_events_and_answers_in_all_its_states() -> None:
    with Cloud(seed=1) as cloud:
        ec2, ecs = cloud.client("ec2"), cloud.client("ecs")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        ecs.create_cluster(clusterName="web")
        ecs.register_task_definition(
            family="shop", networkMode="awsvpc", containerDefinitions=[{"name": "app", "image": "app", "memory": 128}]
        )
        arn = ecs.run_task(
            cluster="web", taskDefinition="shop", networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}}
        )["tasks"][0]["taskArn"]
        phases = []
        for minute in range(6):
            if minute == 3:
                ecs.stop_task(cluster="web", task=arn)
            cloud.clock.run_until(cloud.clock.now() + timedelta(seconds=20))
            answer = ecs.describe_tasks(cluster="web", tasks=[arn])["tasks"]
            [one] = described(answer, NOON)
            event = task_state_changed(next(task for task in cloud.tasks.visible() if task.arn == arn))
            assert to_the_millisecond(one) == from_event(event["detail"])
            phases.append(one.phase)
    assert phases[2] is Phase.RUNNING
    assert phases[-1] is Phase.LEAVING


@pytest.mark.parametrize(
    "details",
    [
        [],
        [{"name": "subnetId", "value": "subnet-0a"}],
        [{"name": "privateIPv4Address", "value": None}],
        [{"name": "privateIPv4Address"}],
    ],
)
def test_a_task_has_no_address_before_its_interface_has_one(details: list[dict[str, Any]]) -> None:
    attachment = {"type": "eni", "status": "PRECREATED", "details": details}
    assert from_event({**DETAIL, "attachments": [attachment]}).address is None
    assert from_event({**DETAIL, "attachments": []}).address is None


def test_a_task_of_another_group_belongs_to_no_service() -> None:
    assert from_event({**DETAIL, "group": "family:shop"}).service == ""
    assert from_event({name: value for name, value in DETAIL.items() if name != "group"}).service == ""


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"taskArn": "task/web/1"}, "detail.taskArn"),
        ({"taskArn": "arn:aws:ecs:eu-central-1:123456789012:task/0123456789abcdef"}, "detail.taskArn"),
        ({"taskArn": None}, "detail.taskArn"),
        ({"clusterArn": 7}, "detail.clusterArn"),
        ({"version": -1}, "detail.version"),
        ({"version": "4"}, "detail.version"),
        ({"version": 4.5}, "detail.version"),
        ({"lastStatus": None}, "detail.lastStatus"),
        ({"startedAt": "yesterday"}, "detail.startedAt"),
        ({"attachments": {}}, "detail.attachments"),
        ({"attachments": [None]}, "detail.attachments[0]"),
        ({"attachments": [{"type": "eni", "details": [{"name": 1}]}]}, "detail.attachments[0].details[0].name"),
        (
            {"attachments": [{"type": "eni", "details": [{"name": "privateIPv4Address", "value": "10.0.0.400"}]}]},
            "detail.attachments[0]",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        from_event({**DETAIL, **change})
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["taskArn", "clusterArn", "taskDefinitionArn", "lastStatus", "desiredStatus"])
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        from_event({key: value for key, value in DETAIL.items() if key != name})
    assert refused.value.field == f"detail.{name}"


def test_a_task_definition_has_ports_by_name_and_the_health_checks_that_ecs_reports() -> None:
    answer = {
        "containerDefinitions": [
            {
                "name": "app",
                "essential": True,
                "portMappings": [{"name": "http", "containerPort": 8080}, {"containerPort": 9090, "hostPort": 9090}],
            },
            {"name": "ranges", "portMappings": [{"containerPortRange": "100-200"}]},
            {"name": "log", "essential": False, "healthCheck": {"command": ["CMD", "true"]}},
        ]
    }
    assert definition(answer) == Definition(
        (Container("app", {"http": 8080, "9090": 9090}), Container("ranges"), Container("log"))
    )
    answer["containerDefinitions"][0]["healthCheck"] = {"command": ["CMD", "true"]}
    assert definition(answer).has_health_check


def test_a_task_is_started_by_a_deployment_or_by_nobody() -> None:
    assert from_event(DETAIL | {"startedBy": "ecs-svc/1"}).started_by == "ecs-svc/1"
    assert from_event(DETAIL | {"startedBy": None}).started_by == from_event(DETAIL).started_by == ""


def test_a_container_has_thirty_seconds_from_sigterm_on_unless_its_definition_says_otherwise() -> None:
    found = definition({"containerDefinitions": [{"name": "app"}, {"name": "proxy", "stopTimeout": 120}]})
    assert [one.stop_timeout for one in found.containers] == [timedelta(seconds=30), timedelta(seconds=120)]
