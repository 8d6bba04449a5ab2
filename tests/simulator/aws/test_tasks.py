"""ECS tasks by the API and by their events."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.ecs.task_life import STOPPED_TASKS_SHOWN
from simulator.calls import calling_as
from simulator.faults import FaultPlan
from simulator.workload.network import Network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.aws.events.bus import Event
    from simulator.cloud import Cloud

LONG_ENOUGH = 60.0


@pytest.fixture
def network(cloud: Cloud) -> Network:
    network = Network.create(cloud, "10.0.0.0/20")
    for index, zone in enumerate("abc"):
        network.subnet(zone, f"10.0.{index}.0/26")
    return network


@pytest.fixture
def ecs(cloud: Cloud) -> Any:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="main")
    ecs.create_cluster(clusterName="airport")
    for family, more in {"web": {}, "api": {"healthCheck": {"command": ["CMD", "true"]}}}.items():
        container = {"name": family, "image": family, "portMappings": [{"containerPort": 8080, "name": "http"}], **more}
        ecs.register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container],
        )
    return ecs


def run(ecs: Any, network: Network, family: str = "web", **more: Any) -> list[str]:
    answer = ecs.run_task(
        cluster="main", taskDefinition=family, networkConfiguration=network.network_configuration(), **more
    )
    return [task["taskArn"] for task in answer["tasks"]]


def wait(cloud: Cloud, seconds: float = LONG_ENOUGH) -> None:
    cloud.clock.run_until(cloud.clock.timestamp() + seconds)


def described(ecs: Any, *arns: str, **more: Any) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = ecs.describe_tasks(cluster="main", tasks=list(arns), **more)["tasks"]
    return tasks


def events_of(cloud: Cloud, arn: str) -> list[Event]:
    return [seen.event for seen in cloud.buses.seen if seen.event["detail"].get("taskArn") == arn]


def steps(cloud: Cloud, arn: str) -> list[tuple[str, str, str]]:
    details = (event["detail"] for event in events_of(cloud, arn))
    return [(item["lastStatus"], item["desiredStatus"], item["attachments"][0]["status"]) for item in details]


def named(attachment: Mapping[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in attachment["details"]}


def test_a_task_passes_through_the_states_of_the_ecs_guide(cloud: Cloud, ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network)
    wait(cloud)
    ecs.stop_task(cluster="main", task=arn, reason="no longer needed")
    wait(cloud)
    assert steps(cloud, arn) == [
        ("PROVISIONING", "RUNNING", "PRECREATED"),
        ("PENDING", "RUNNING", "ATTACHED"),
        ("RUNNING", "RUNNING", "ATTACHED"),
        ("RUNNING", "STOPPED", "ATTACHED"),
        ("STOPPING", "STOPPED", "ATTACHED"),
        ("DEPROVISIONING", "STOPPED", "DETACHED"),
        ("STOPPED", "STOPPED", "DELETED"),
    ]
    details = [event["detail"] for event in events_of(cloud, arn)]
    assert [detail["version"] for detail in details] == list(range(1, 8))
    assert all("stopCode" not in detail for detail in details[:3])
    assert {(one["stopCode"], one["stoppedReason"]) for one in details[3:]} == {("UserInitiated", "no longer needed")}
    (task,) = described(ecs, arn)
    assert task["version"] == 7
    assert task["containers"][0]["exitCode"] == 0


def test_an_event_has_the_shape_of_an_event(cloud: Cloud, ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network, startedBy="a-person", tags=[{"key": "team", "value": "7"}])
    wait(cloud)
    event = events_of(cloud, arn)[-1]
    assert (event["source"], event["detail-type"], event["resources"]) == ("aws.ecs", "ECS Task State Change", [arn])
    detail = event["detail"]
    assert "tags" not in detail
    assert (detail["group"], detail["startedBy"], detail["healthStatus"]) == ("family:web", "a-person", "UNKNOWN")
    assert detail["availabilityZone"].startswith(cloud.region)
    (attachment,) = detail["attachments"]
    assert attachment["type"] == "eni"
    address = named(attachment)["privateIPv4Address"]
    (interface,) = detail["containers"][0]["networkInterfaces"]
    assert interface == {"attachmentId": attachment["id"], "privateIpv4Address": address}
    for name in ("createdAt", "connectivityAt", "pullStartedAt", "pullStoppedAt", "startedAt", "updatedAt"):
        assert detail[name].endswith("Z")
        assert datetime.fromisoformat(detail[name]).tzinfo is not None


def test_describe_tasks_differs_from_the_event_where_aws_does(cloud: Cloud, ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network, tags=[{"key": "team", "value": "7"}])
    wait(cloud)
    detail = events_of(cloud, arn)[-1]["detail"]
    (task,) = described(ecs, arn)
    assert task["attachments"][0]["type"] == "ElasticNetworkInterface"
    assert named(task["attachments"][0]) == named(detail["attachments"][0])
    assert isinstance(task["startedAt"], datetime)
    assert "updatedAt" not in task
    assert "tags" not in task
    assert described(ecs, arn, include=["TAGS"])[0]["tags"] == [{"key": "team", "value": "7"}]
    times = {name for name in task if isinstance(task[name], datetime)} | {"attachments"}
    assert {name: value for name, value in task.items() if name not in times} == {
        name: value for name, value in detail.items() if name not in times | {"updatedAt"}
    }
    assert set(task) <= set(ecs.meta.service_model.shape_for("Task").members)


def test_an_event_shows_the_task_as_it_was_when_it_was_sent(cloud: Cloud, ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network)
    wait(cloud)
    first, *_ = events_of(cloud, arn)
    assert first["detail"]["lastStatus"] == "PROVISIONING"
    assert set(named(first["detail"]["attachments"][0])) == {"subnetId"}
    assert first["detail"]["containers"][0]["networkInterfaces"] == []
    assert "startedAt" not in first["detail"]


def test_a_health_check_of_the_definition_makes_the_task_healthy(cloud: Cloud, ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network, "api")
    wait(cloud)
    details = [event["detail"] for event in events_of(cloud, arn)]
    assert [(item["lastStatus"], item["healthStatus"]) for item in details[-2:]] == [
        ("RUNNING", "UNKNOWN"),
        ("RUNNING", "HEALTHY"),
    ]
    assert details[-1]["containers"][0]["healthStatus"] == "HEALTHY"


def test_a_task_definition_shows_the_defaults_that_aws_fills_in(ecs: Any) -> None:
    definition = ecs.describe_task_definition(taskDefinition="api")["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    assert container["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp", "name": "http"}]
    assert container["healthCheck"]["interval"] == 30
    by_arn = ecs.describe_task_definition(taskDefinition=definition["taskDefinitionArn"])["taskDefinition"]
    assert by_arn == definition
    for unknown in ("ferry", "api:2", "api:x"):
        with pytest.raises(ClientError, match="ClientException"):
            ecs.describe_task_definition(taskDefinition=unknown)


def test_the_interface_comes_with_pending_and_goes_with_deprovisioning(
    cloud: Cloud, ecs: Any, network: Network
) -> None:
    (arn,) = run(ecs, network)
    free = sum(network.free_by_subnet().values())
    while cloud.tasks.alive():
        cloud.clock.step()
        (task,) = described(ecs, arn)
        has_interface = task["lastStatus"] in ("PENDING", "RUNNING", "STOPPING")
        assert free - sum(network.free_by_subnet().values()) == has_interface
        eni_id = named(task["attachments"][0]).get("networkInterfaceId", "eni-none")
        if has_interface:
            (eni,) = cloud.client("ec2").describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"]
            assert eni["PrivateIpAddress"] == named(task["attachments"][0])["privateIPv4Address"]
            assert eni["Description"].endswith(f":attachment/{task['attachments'][0]['id']}")
        if task["lastStatus"] == "RUNNING":
            ecs.stop_task(cluster="main", task=arn)


def test_stopping_twice_changes_nothing_and_stopping_loses_the_tags(cloud: Cloud, ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network, tags=[{"key": "team", "value": "7"}])
    wait(cloud)
    stopped = ecs.stop_task(cluster="main", task=arn, reason="first")["task"]
    again = ecs.stop_task(cluster="main", task=arn.rpartition("/")[2], reason="second")["task"]
    assert again == stopped
    assert (again["desiredStatus"], again["lastStatus"]) == ("STOPPED", "RUNNING")
    assert described(ecs, arn, include=["TAGS"])[0]["tags"] == []
    wait(cloud)
    assert ecs.stop_task(cluster="main", task=arn)["task"]["stoppedReason"] == "first"


def test_a_task_may_be_stopped_before_it_runs(cloud: Cloud, ecs: Any, network: Network) -> None:
    early, late = run(ecs, network, count=2)
    ecs.stop_task(cluster="main", task=early)
    wait(cloud, 10)
    ecs.stop_task(cluster="main", task=late)
    wait(cloud)
    assert [last for last, *_ in steps(cloud, early)] == ["PROVISIONING", "PROVISIONING", "DEPROVISIONING", "STOPPED"]
    assert [last for last, *_ in steps(cloud, late)][1:] == ["PENDING", "PENDING", "DEPROVISIONING", "STOPPED"]
    assert all("startedAt" not in task for task in described(ecs, early, late))


def test_a_stopped_task_is_shown_for_an_hour(cloud: Cloud, ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network)
    wait(cloud)
    ecs.stop_task(cluster="main", task=arn)
    wait(cloud)
    stopped_at = described(ecs, arn)[0]["stoppedAt"]
    cloud.clock.run_until(stopped_at + timedelta(seconds=STOPPED_TASKS_SHOWN - 1))
    assert described(ecs, arn)
    assert ecs.list_tasks(cluster="main", desiredStatus="STOPPED")["taskArns"] == [arn]
    # ECS shows its times in milliseconds.
    wait(cloud, 1.001)
    assert ecs.describe_tasks(cluster="main", tasks=[arn]) | {"ResponseMetadata": None} == {
        "tasks": [],
        "failures": [{"arn": arn, "reason": "MISSING"}],
        "ResponseMetadata": None,
    }
    assert ecs.list_tasks(cluster="main", desiredStatus="STOPPED")["taskArns"] == []
    with pytest.raises(ClientError, match="The referenced task was not found"):
        ecs.stop_task(cluster="main", task=arn)


def test_a_task_that_begins_to_stop_is_listed_as_running_for_a_moment(cloud: Cloud, ecs: Any, network: Network) -> None:
    stays, goes = run(ecs, network, count=2)
    wait(cloud)
    ecs.stop_task(cluster="main", task=goes)
    assert set(ecs.list_tasks(cluster="main")["taskArns"]) == {stays, goes}
    assert ecs.list_tasks(cluster="main", desiredStatus="STOPPED")["taskArns"] == [goes]
    wait(cloud, 3)
    assert ecs.list_tasks(cluster="main")["taskArns"] == [stays]
    assert ecs.list_tasks(cluster="main", desiredStatus="PENDING")["taskArns"] == []


def test_listing_by_family_starter_and_page(ecs: Any, network: Network) -> None:
    web = [arn for _ in range(11) for arn in run(ecs, network, count=10, startedBy="the-night-shift")]
    api = run(ecs, network, "api", group="cranes")
    first = ecs.list_tasks(cluster="main")
    assert len(first["taskArns"]) == 100
    paged = ecs.get_paginator("list_tasks").paginate(cluster="main")
    assert sorted(arn for page in paged for arn in page["taskArns"]) == sorted(web + api)
    assert len(ecs.list_tasks(cluster="main", maxResults=7)["taskArns"]) == 7
    assert ecs.list_tasks(cluster="main", family="api")["taskArns"] == api
    assert len(ecs.list_tasks(cluster="main", startedBy="the-night-shift")["taskArns"]) == 100
    assert ecs.list_tasks(cluster="main", launchType="EC2")["taskArns"] == []
    assert ecs.list_tasks(cluster="airport")["taskArns"] == []
    assert described(ecs, *api)[0]["group"] == "cranes"
    with pytest.raises(ClientError, match="InvalidParameterException"):
        ecs.list_tasks(cluster="main", startedBy="the-night-shift", family="web")
    with pytest.raises(ClientError, match="ServiceNotFoundException"):
        ecs.list_tasks(cluster="main", serviceName="ferry")
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        ecs.list_tasks(cluster="web")


def test_describing_too_many_none_or_unknown_tasks(ecs: Any, network: Network) -> None:
    (arn,) = run(ecs, network)
    for wrong in ([], [arn] * 101):
        with pytest.raises(ClientError, match="InvalidParameterException"):
            ecs.describe_tasks(cluster="main", tasks=wrong)
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        ecs.describe_tasks(cluster="web", tasks=[arn])
    answer = ecs.describe_tasks(cluster="main", tasks=["0" * 32])
    assert [item["reason"] for item in answer["failures"]] == ["MISSING"]
    assert answer["failures"][0]["arn"].endswith(f":task/main/{'0' * 32}")
    assert ecs.describe_tasks(cluster="airport", tasks=[arn])["failures"] == [{"arn": arn, "reason": "MISSING"}]


def test_what_run_task_refuses(ecs: Any, network: Network) -> None:
    good = {"cluster": "main", "taskDefinition": "web", "networkConfiguration": network.network_configuration()}
    elsewhere = {"awsvpcConfiguration": {"subnets": ["subnet-gone"]}}
    for wrong, code in (
        ({"count": 11}, "InvalidParameterException"),
        ({"count": 0}, "InvalidParameterException"),
        ({"networkConfiguration": elsewhere}, "InvalidParameterException"),
        ({"networkConfiguration": {}}, "InvalidParameterException"),
        ({"taskDefinition": "ferry"}, "ClientException"),
        ({"cluster": "web"}, "ClusterNotFoundException"),
    ):
        with pytest.raises(ClientError, match=code):
            ecs.run_task(**good | wrong)
    assert ecs.list_tasks(cluster="main")["taskArns"] == []


def test_a_client_token_runs_its_tasks_once(ecs: Any, network: Network) -> None:
    assert run(ecs, network, clientToken="tonight") == run(ecs, network, clientToken="tonight")
    assert run(ecs, network) != run(ecs, network)
    assert len(ecs.list_tasks(cluster="main")["taskArns"]) == 3


def test_a_lost_response_runs_no_task_twice(cloud: Cloud, ecs: Any, network: Network) -> None:
    cloud.faults.plan = FaultPlan(lost_response=0.5)
    for _ in range(5):
        with calling_as("SomeFunction"):
            arns = run(ecs, network)
        assert len(described(ecs, *arns)) == 1
    assert max(call.attempts for call in cloud.calls) > 1
    assert len(ecs.list_tasks(cluster="main")["taskArns"]) == 5


def test_tasks_spread_over_zones(ecs: Any, network: Network) -> None:
    tasks = described(ecs, *run(ecs, network, count=9))
    zones = sorted(task["availabilityZone"] for task in tasks)
    assert [len(list(group)) for _, group in itertools.groupby(zones)] == [3, 3, 3]


def test_without_an_address_a_task_fails_to_start(cloud: Cloud, ecs: Any, network: Network) -> None:
    for subnet_id in network.subnets:
        network.occupy(subnet_id, leave=0)
    (arn,) = run(ecs, network)
    wait(cloud)
    assert [last for last, *_ in steps(cloud, arn)] == ["PROVISIONING", "DEPROVISIONING", "STOPPED"]
    (task,) = described(ecs, arn)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"] == (
        "Unexpected EC2 error while attempting to Create Network Interface in subnet "
        f"'{named(task['attachments'][0])['subnetId']}': InsufficientFreeAddressesInSubnet"
    )
