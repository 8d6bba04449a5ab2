"""A fleet: services, their tasks one by one, and which task holds which address."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from simulator.aws.elbv2.targets import WhileDraining
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.aws.ecs.task import Task
    from simulator.aws.events.bus import Event


@pytest.fixture
def network(cloud: Cloud) -> Network:
    return a_network(cloud)


def a_network(cloud: Cloud, size: int = 26) -> Network:
    network = Network.create(cloud, "10.0.0.0/20")
    for index, zone in enumerate("abc"):
        network.subnet(zone, f"10.0.{index}.0/{size}")
    return network


def wait(cloud: Cloud, seconds: float) -> None:
    cloud.clock.run_until(cloud.clock.timestamp() + seconds)


def moments(cloud: Cloud, seconds: float) -> Iterator[None]:
    """Each moment at which something happens."""
    end = cloud.clock.timestamp() + seconds
    while cloud.clock.step(end):
        yield
    cloud.clock.run_until(end)


def events_of(cloud: Cloud, task: Task) -> list[dict[str, Any]]:
    return [seen.event["detail"] for seen in cloud.buses.seen if seen.event["detail"].get("taskArn") == task.arn]


def statuses(cloud: Cloud, task: Task) -> list[str]:
    return [detail["lastStatus"] for detail in events_of(cloud, task)]


def shown(cloud: Cloud, name: str) -> dict[str, Any]:
    service: dict[str, Any] = cloud.client("ecs").describe_services(cluster="web", services=[name])["services"][0]
    return service


def running(fleet: Fleet, name: str) -> list[Task]:
    return [task for task in fleet.tasks if task.service == name and task.is_running]


def test_a_service_reaches_its_count_and_shows_it(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    arn = fleet.service("web", network.network_configuration(), 6, port=9000, tags={"team": "cranes"})
    wait(cloud, 60)
    service = shown(cloud, "web")
    assert (service["serviceArn"], service["runningCount"], service["pendingCount"]) == (arn, 6, 0)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert cloud.client("ecs").list_services(cluster="web")["serviceArns"] == [arn]
    tasks = running(fleet, "web")
    listed = cloud.client("ecs").list_tasks(cluster="web", serviceName="web")["taskArns"]
    assert {task.arn for task in tasks} == set(listed)
    assert Counter(task.zone for task in tasks).most_common(1)[0][1] == 2
    assert {(task.group, task.family, task.port) for task in tasks} == {("service:web", "web", 9000)}
    detail = events_of(cloud, tasks[0])[-1]
    assert (detail["group"], detail["startedBy"]) == ("service:web", service["deployments"][0]["id"])
    assert detail["startedBy"].startswith("ecs-svc/")
    assert fleet.task(tasks[0].arn) is tasks[0]
    with pytest.raises(KeyError):
        fleet.task("arn:aws:ecs:eu-central-1:123456789012:task/web/none")


def test_the_definition_of_a_service_maps_its_port(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    fleet.service("web", network.network_configuration(), 1, port=9000, health_check=True)
    fleet.run_task("web", network.network_configuration(), port=9000, health_check=True)
    definition = cloud.client("ecs").describe_task_definition(taskDefinition="web")["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    assert definition["revision"] == 1
    assert container["portMappings"] == [{"name": "http", "containerPort": 9000, "hostPort": 9000, "protocol": "tcp"}]
    assert "healthCheck" in container


def test_scaling_in_and_out(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    fleet.service("web", network.network_configuration(), 40)
    wait(cloud, 60)
    assert len(running(fleet, "web")) == 40
    fleet.scale("web", 3)
    wait(cloud, 5)
    assert len(running(fleet, "web")) == 3
    leaving = next(task for task in fleet.tasks if task.left_at)
    assert leaving.stop_code == "ServiceSchedulerInitiated"
    wait(cloud, 60)
    assert len(fleet.tasks) == 3
    cloud.client("ecs").update_service(cluster="web", service="web", desiredCount=5)
    wait(cloud, 60)
    assert len(running(fleet, "web")) == shown(cloud, "web")["runningCount"] == 5


@pytest.mark.parametrize("health_check", [False, True])
def test_a_deployment_keeps_its_minimum_and_its_maximum(cloud: Cloud, network: Network, *, health_check: bool) -> None:
    fleet = Fleet(cloud)
    fleet.service("web", network.network_configuration(), 8, health_check=health_check)
    wait(cloud, 90)
    before = {task.arn for task in running(fleet, "web")}
    fleet.deploy("web")
    most = 0
    for _ in moments(cloud, 300):
        ready = running(fleet, "web")
        assert sum(task.health_status == "HEALTHY" or not health_check for task in ready) >= 8
        most = max(most, sum(task.desired_status == "RUNNING" for task in fleet.tasks))
    assert most == 16
    assert before.isdisjoint(task.arn for task in fleet.tasks)
    assert [item["rolloutState"] for item in shown(cloud, "web")["deployments"]] == ["COMPLETED"]


def test_a_deployment_asked_for_by_the_api_is_carried_out(cloud: Cloud, network: Network) -> None:
    fleet, other = Fleet(cloud), Fleet(cloud, cluster="other")
    fleet.service("web", network.network_configuration(), 2)
    other.service("web", network.network_configuration(), 1)
    wait(cloud, 60)
    before = {task.arn for task in (*fleet.tasks, *other.tasks)}
    for cluster in ("web", "other"):
        cloud.client("ecs").update_service(cluster=cluster, service="web", forceNewDeployment=True)
    wait(cloud, 120)
    assert (len(fleet.tasks), len(other.tasks)) == (2, 1)
    assert before.isdisjoint(task.arn for task in (*fleet.tasks, *other.tasks))


def test_a_stopped_task_of_a_service_is_replaced(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    fleet.service("web", network.network_configuration(), 2)
    wait(cloud, 60)
    gone = fleet.tasks[0]
    fleet.stop(gone)
    wait(cloud, 60)
    assert len(running(fleet, "web")) == 2
    assert (gone.last_status, gone.stop_code) == ("STOPPED", "UserInitiated")


def test_tasks_of_no_service_are_not_replaced(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    tasks = fleet.run_task("import", network.network_configuration(), count=12)
    wait(cloud, 60)
    assert {(task.service, task.group, task.last_status) for task in tasks} == {("", "family:import", "RUNNING")}
    assert "startedBy" not in events_of(cloud, tasks[0])[-1]
    fleet.crash(tasks[0])
    wait(cloud, 60)
    assert len(fleet.tasks) == 11


def test_with_several_registrations_tasks_activate_and_deactivate(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    fleet.service("web", network.network_configuration(), 1, activates=True)
    wait(cloud, 60)
    (task,) = fleet.tasks
    fleet.stop(task)
    wait(cloud, 60)
    assert statuses(cloud, task) == [
        "PROVISIONING",
        "PENDING",
        "ACTIVATING",
        "RUNNING",
        "DEACTIVATING",
        "STOPPING",
        "DEPROVISIONING",
        "STOPPED",
    ]


def test_an_interrupted_task_ends_within_two_minutes(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    tasks = fleet.run_task("import", network.network_configuration(), count=20)
    wait(cloud, 60)
    for task in tasks:
        fleet.interrupt(task)
    notice = events_of(cloud, tasks[0])[-1]
    assert (notice["lastStatus"], notice["desiredStatus"]) == ("RUNNING", "STOPPED")
    assert (notice["stopCode"], notice["stoppedReason"]) == ("TerminationNotice", "Your Spot Task was interrupted.")
    assert all(task.is_listening and not task.is_running for task in tasks)
    wait(cloud, 120)
    assert not any(task.is_listening for task in tasks)
    ends = {round((task.ended_at - task.left_at).total_seconds()) for task in tasks if task.ended_at and task.left_at}
    assert len(ends) > 5
    wait(cloud, 20)
    assert fleet.tasks == []


def test_a_crash_gives_no_warning(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    (task,) = fleet.run_task("import", network.network_configuration())
    fleet.crash(task)
    wait(cloud, 60)
    assert task.is_listening
    fleet.crash(task)
    assert not task.is_listening
    assert task.is_running
    assert task.left_at is None
    wait(cloud, 60)
    assert statuses(cloud, task)[-3:] == ["RUNNING", "DEPROVISIONING", "STOPPED"]
    last = events_of(cloud, task)[-1]
    assert (last["stopCode"], last["containers"][0]["exitCode"]) == ("EssentialContainerExited", 1)


def test_a_crash_while_stopping_does_not_change_the_stop_code(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    (task,) = fleet.run_task("import", network.network_configuration())
    wait(cloud, 60)
    fleet.interrupt(task)
    fleet.crash(task)
    fleet.stop(task)
    assert not task.is_listening
    wait(cloud, 140)
    assert (task.last_status, task.stop_code, task.exit_code) == ("STOPPED", "SpotInterruption", 1)


def test_an_address_has_one_occupant_from_pending_to_deprovisioning(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud, reuse=1.0)
    fleet.service("web", network.network_configuration(), 6)
    wait(cloud, 60)
    succeeded_early = 0
    for misfortune in (fleet.crash, fleet.stop, fleet.interrupt) * 3:
        for task in running(fleet, "web")[:3]:
            misfortune(task)
        fleet.run_task("import", network.network_configuration(), count=3)
        for _ in moments(cloud, 180):
            for task in (task for task in fleet.tasks if task.address):
                occupant = fleet.occupant(task.address, task.subnet_id)
                assert fleet.occupant(task.address) is occupant
                assert (occupant is task) == (task.last_status != "DEPROVISIONING")
                succeeded_early += occupant not in (None, task)
    # A successor may hold the address before the event that says STOPPED.
    assert succeeded_early


def addresses_after_crashes(cloud: Cloud, fleet: Fleet) -> Counter[tuple[str, str]]:
    fleet.service("web", a_network(cloud, 24).network_configuration(), 6)
    owners: dict[str, tuple[str, str]] = {}
    for _ in range(30):
        wait(cloud, 60)
        owners |= {task.arn: (task.subnet_id, task.address) for task in fleet.tasks}
        for task in running(fleet, "web")[:2]:
            fleet.crash(task)
    return Counter(owners.values())


@pytest.mark.parametrize(("reuse", "least", "most"), [(0.0, 0.0, 0.15), (0.5, 0.3, 0.8), (1.0, 0.7, 1.0)])
def test_the_next_task_often_gets_the_last_freed_address(cloud: Cloud, reuse: float, least: float, most: float) -> None:
    owners = addresses_after_crashes(cloud, Fleet(cloud, reuse=reuse))
    share = 1 - len(owners) / owners.total()
    assert least <= share <= most


def a_target_group(cloud: Cloud, network: Network, delay: int) -> str:
    client = cloud.client("elbv2")
    arn: str = client.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=network.vpc_id, TargetType="ip")[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    client.modify_target_group_attributes(
        TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}]
    )
    return arn


def test_ecs_registers_the_tasks_of_a_service_with_a_target_group(cloud: Cloud, network: Network) -> None:
    fleet, group = Fleet(cloud), a_target_group(cloud, network, 30)
    fleet.service("web", network.network_configuration(), 3, target_groups=[group])
    assert shown(cloud, "web")["loadBalancers"] == [
        {"targetGroupArn": group, "containerName": "web", "containerPort": 8080}
    ]
    wait(cloud, 60)
    tasks = running(fleet, "web")
    assert cloud.targets.routable(group) == {(task.address, 8080) for task in tasks}
    assert {cloud.targets.registered_by(group, task.address, 8080) for task in tasks} == {"workload"}
    fleet.stop(tasks[0])
    wait(cloud, 0)
    assert tasks[0].is_listening
    assert (tasks[0].address, 8080) not in cloud.targets.routable(group)


def test_ecs_registers_a_task_when_its_address_has_drained(cloud: Cloud, network: Network) -> None:
    fleet, group = Fleet(cloud, reuse=1.0), a_target_group(cloud, network, 90)
    within = network.network_configuration(next(iter(network.subnets)))
    fleet.service("web", within, 1, target_groups=[group])
    wait(cloud, 60)
    first = running(fleet, "web")[0]
    fleet.crash(first)
    wait(cloud, 60)
    assert running(fleet, "web")[0].address == first.address
    assert cloud.targets.state(group, first.address, 8080) == "draining"
    wait(cloud, 60)
    assert cloud.targets.routable(group) == {(first.address, 8080)}


def test_where_draining_addresses_are_accepted_ecs_registers_at_once(cloud: Cloud, network: Network) -> None:
    cloud.targets.while_draining = WhileDraining.ACCEPTED
    fleet, group = Fleet(cloud, reuse=1.0), a_target_group(cloud, network, 90)
    within = network.network_configuration(next(iter(network.subnets)))
    fleet.service("web", within, 1, target_groups=[group])
    wait(cloud, 60)
    first = running(fleet, "web")[0]
    fleet.crash(first)
    wait(cloud, 60)
    assert running(fleet, "web")[0].address == first.address
    assert cloud.targets.routable(group) == {(first.address, 8080)}
    wait(cloud, 60)
    assert cloud.targets.routable(group) == {(first.address, 8080)}


def test_a_full_subnet_backs_off_and_the_service_recovers(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    for subnet_id in network.subnets:
        network.occupy(subnet_id, leave=1)
    fleet.service("web", network.network_configuration(), 5)
    wait(cloud, 3600)
    assert len(running(fleet, "web")) == 3
    details = (seen.event["detail"] for seen in cloud.buses.seen)
    failed = [one for one in details if one.get("lastStatus") == "STOPPED" and one["stopCode"] == "TaskFailedToStart"]
    assert 4 <= len(failed) <= 20
    fleet.scale("web", 2)
    wait(cloud, 5)
    assert len(running(fleet, "web")) == 2
    for index, zone in enumerate("abc"):
        network.subnet(zone, f"10.0.{8 + index}.0/26")
    cloud.client("ecs").update_service(
        cluster="web", service="web", desiredCount=10, networkConfiguration=network.network_configuration()
    )
    wait(cloud, 3600)
    assert len(running(fleet, "web")) == 10


def test_the_scheduler_does_nothing_while_nothing_changes(cloud: Cloud, network: Network) -> None:
    fleet = Fleet(cloud)
    fleet.service("web", network.network_configuration(), 5)
    wait(cloud, 120)
    assert cloud.clock.next_due() is None


def story(seed: int, **plan: Any) -> list[Event]:
    with Cloud(seed=seed, faults=FaultPlan(seed=seed, **plan)) as cloud:
        network, fleet = a_network(cloud), Fleet(cloud)
        fleet.service("web", network.network_configuration(), 5, health_check=True)
        wait(cloud, 60)
        fleet.deploy("web")
        wait(cloud, 40)
        fleet.interrupt(fleet.tasks[-1])
        fleet.crash(fleet.tasks[0])
        wait(cloud, 300)
        return [seen.event for seen in cloud.buses.seen]


def test_the_same_seed_gives_the_same_events() -> None:
    assert story(3) == story(3)
    assert story(3) != story(4)
