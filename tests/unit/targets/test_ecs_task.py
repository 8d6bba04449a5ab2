"""Events and answers of ECS spell a task differently and mean the same one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from berthmaster.errors import InvalidEvent
from berthmaster.targets.ecs_task import definition, described
from berthmaster.targets.model import Address, Container, Definition, Phase, Task
from berthmaster.targets.triggers import Sighting, parse
from simulator.aws.ecs.task_events import task_state_changed
from simulator.cloud import Cloud
from tests.support.targets.builders import NOON, task_arn

SAID_AT = "2026-03-02T12:00:00Z"
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


def told(detail: Mapping[str, Any]) -> Task:
    event = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "time": SAID_AT, "detail": detail}
    sighting = parse(json.dumps(event))
    assert isinstance(sighting, Sighting)
    return sighting.task


def as_answered(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The same task as DescribeTasks spells it."""
    text = json.dumps(detail).replace('"eni"', '"ElasticNetworkInterface"')
    answer: dict[str, Any] = json.loads(text.replace("privateIPv4Address", "privateIpv4Address"))
    return answer | {"startedAt": datetime.fromisoformat(detail["startedAt"])}


def test_an_event_tells_all_that_matters_of_a_task() -> None:
    task = told(DETAIL)
    assert task.address == Address("10.0.0.4", "subnet-0a", "eni-0a", "eu-central-1a")
    assert (task.cluster, task.service, task.family, task.version) == ("web", "shop", "shop", 4)
    assert (task.phase, task.health_status, task.seen_at) == (Phase.RUNNING, "HEALTHY", NOON)


def test_an_answer_tells_the_same() -> None:
    assert list(described([as_answered(DETAIL)], NOON)) == [told(DETAIL)]


def to_the_millisecond(task: Task) -> Task:
    """Events leave out the rest."""
    started = task.started_at
    return replace(task, started_at=started and started.replace(microsecond=started.microsecond // 1000 * 1000))


def test_a_simulated_task_is_the_same_in_events_and_answers_all_its_life() -> None:
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
            assert to_the_millisecond(one) == told(event["detail"])
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
def test_a_task_without_an_address_yet_has_none(details: list[dict[str, Any]]) -> None:
    attachment = {"type": "eni", "status": "PRECREATED", "details": details}
    assert told({**DETAIL, "attachments": [attachment]}).address is None
    assert told({**DETAIL, "attachments": []}).address is None


def test_a_task_of_its_own_belongs_to_no_service() -> None:
    assert told({**DETAIL, "group": "family:shop"}).service == ""
    assert told({name: value for name, value in DETAIL.items() if name != "group"}).service == ""


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
def test_hostile_shapes_are_refused_by_the_name_of_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        told({**DETAIL, **change})
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["taskArn", "clusterArn", "taskDefinitionArn", "lastStatus", "desiredStatus"])
def test_what_must_be_there_is_missed_by_name(name: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        told({key: value for key, value in DETAIL.items() if key != name})
    assert refused.value.field == f"detail.{name}"


def test_a_definition_tells_ports_by_name_and_which_health_ecs_will_know() -> None:
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
