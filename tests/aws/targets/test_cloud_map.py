"""Calls on a Cloud Map service: each begins an operation, and instances with running operations are busy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from berthmaster.targets.act.cloud_map import call_cloud_map, instance_id
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.model import Call, ClaimState, Destination, Move, Task
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from tests.support.tables import create_targets_table
from tests.support.targets.builders import a_claim, a_cloud_map_service, a_task, an_endpoint, seconds, task_arn
from tests.support.targets.permits import a_permit

REGISTER, DEREGISTER = "servicediscovery:RegisterInstance", "servicediscovery:DeregisterInstance"


@dataclass
class Service:
    """A Cloud Map service with DNS records."""

    cloud: Cloud
    destination: Destination
    seconds_left: float = 300.0

    def call(self, moves: Sequence[Move]) -> CallResults:
        permit = a_permit(self.cloud, "instances", rate=50, burst=100, seconds_left=self.seconds_left)
        destinations = {self.destination.arn: self.destination}
        return call_cloud_map(self.cloud.client("servicediscovery"), destinations, moves, permit)

    def register(self, *tasks: Task, **claim: Any) -> CallResults:
        return self.call([self.move(task, ClaimState.REGISTERING, **claim) for task in tasks])

    def deregister(self, *tasks: Task, **claim: Any) -> CallResults:
        return self.call([self.move(task, ClaimState.DRAINING, **claim) for task in tasks])

    def move(self, task: Task, state: ClaimState, **claim: Any) -> Move:
        is_arrival = state is ClaimState.REGISTERING
        return Move(
            before=None,
            after=a_claim(task, self.destination, state, **claim),
            reason="a test",
            call=Call.REGISTER if is_arrival else Call.DEREGISTER,
            endpoint=an_endpoint(task, self.destination) if is_arrival else None,
        )

    def settle(self) -> None:
        """Let all operations end."""
        self.cloud.clock.run_until(self.cloud.clock.now() + seconds(60))

    @property
    def service_id(self) -> str:
        return self.destination.arn.rpartition("/")[2]

    def instances(self) -> dict[str, dict[str, str]]:
        listed = self.cloud.client("servicediscovery").list_instances(ServiceId=self.service_id)["Instances"]
        return {one["Id"]: one["Attributes"] for one in listed}

    def delete(self) -> None:
        self.cloud.client("servicediscovery").delete_service(Id=self.service_id)


def owners(moves: Sequence[Move]) -> list[str]:
    return [move.after.owner for move in moves]


def tasks(count: int) -> list[Task]:
    return [a_task(number + 1, ip=f"10.0.0.{number + 4}") for number in range(count)]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1) as cloud:
        create_targets_table(cloud.client("dynamodb"))
        yield cloud


def make_service(cloud: Cloud, **config: Any) -> Service:
    cloud_map = cloud.client("servicediscovery")
    vpc = cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    operation = cloud_map.create_private_dns_namespace(Name="scene.local", Vpc=vpc)["OperationId"]
    namespace = cloud_map.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    service = cloud_map.create_service(
        Name="shop",
        NamespaceId=namespace,
        DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 50}, {"Type": "SRV", "TTL": 50}]},
        **config,
    )["Service"]
    return Service(cloud, a_cloud_map_service(arn=service["Arn"], has_custom_health=bool(config)))


@pytest.fixture
def service(cloud: Cloud) -> Service:
    return make_service(cloud, HealthCheckCustomConfig={"FailureThreshold": 1})


def test_a_registration_begins_an_operation_that_creates_an_instance(service: Service) -> None:
    task = a_task(1)
    results = service.register(task)
    [begun] = results.begun
    assert begun.operation
    assert results.done == []
    assert service.instances() == {}
    service.settle()
    assert service.instances() == {
        instance_id(task.arn): {
            "AWS_INSTANCE_IPV4": "10.0.0.4",
            "AWS_INSTANCE_PORT": "8080",
            "AWS_INIT_HEALTH_STATUS": "HEALTHY",
            "AVAILABILITY_ZONE": "eu-central-1a",
            "REGION": "eu-central-1",
            "ECS_CLUSTER_NAME": "web",
            "ECS_SERVICE_NAME": "shop",
            "ECS_TASK_DEFINITION_FAMILY": "shop",
        }
    }
    assert len(service.deregister(task).begun) == 1
    service.settle()
    assert service.instances() == {}


def test_without_a_custom_health_check_no_initial_health_is_set(cloud: Cloud) -> None:
    service = make_service(cloud)
    service.register(a_task(1))
    service.settle()
    [attributes] = service.instances().values()
    assert "AWS_INIT_HEALTH_STATUS" not in attributes


def test_an_instance_with_a_running_operation_is_busy_and_hinders_no_other(service: Service) -> None:
    first, second = tasks(2)
    service.register(first)
    results = service.deregister(first)
    assert (owners(results.busy), results.failed, results.findings) == ([first.arn], [], [])
    results = service.register(first, second, revision=7)
    assert owners(results.busy) == [first.arn]
    assert [begun.move.after.owner for begun in results.begun] == [second.arn]
    service.settle()
    assert len(service.deregister(first).begun) == 1


def test_a_repeated_registration_is_the_same_operation_and_a_later_one_another(service: Service) -> None:
    task = a_task(1)
    [first], [again] = service.register(task).begun, service.register(task).begun
    assert first.operation == again.operation
    service.settle()
    service.deregister(task)
    service.settle()
    [later] = service.register(task, revision=5).begun
    assert later.operation != first.operation
    service.settle()
    assert len(service.instances()) == 1


def test_the_deregistration_of_a_missing_instance_is_done(service: Service) -> None:
    assert owners(service.deregister(a_task(1)).done) == [task_arn(1)]
    service.delete()
    assert owners(service.deregister(a_task(1)).done) == [task_arn(1)]


def test_a_handover_deregisters_the_instance_of_the_former_owner(service: Service) -> None:
    former, new = a_task(1), a_task(2)
    service.register(former)
    service.settle()
    service.deregister(new, former=former.arn)
    service.settle()
    assert service.instances() == {}


def test_a_deleted_service_refuses_registrations(service: Service) -> None:
    service.delete()
    results = service.register(*tasks(3))
    assert owners(results.refused) == [task.arn for task in tasks(3)]
    assert [finding.code for finding in results.findings] == ["deleted"]


def test_a_full_service_takes_the_first_ones_and_one_finding_says_so(cloud: Cloud, service: Service) -> None:
    cloud.discovery.instances_per_service = 3
    all_tasks = tasks(6)
    results = service.register(*all_tasks)
    assert [begun.move.after.owner for begun in results.begun] == [task.arn for task in all_tasks[:3]]
    assert owners(results.refused) == [task.arn for task in all_tasks[3:]]
    assert [finding.code for finding in results.findings] == ["quota reached"]


def test_an_instance_that_cloud_map_refuses_is_found_and_hinders_no_other(service: Service) -> None:
    bad = service.move(a_task(1), ClaimState.REGISTERING)
    assert bad.endpoint
    bad = replace(bad, endpoint=replace(bad.endpoint, attributes={"note": "x" * 2000}))
    results = service.call([bad, service.move(a_task(2, ip="10.0.0.5"), ClaimState.REGISTERING)])
    assert owners(results.refused) == [task_arn(1)]
    assert len(results.begun) == 1
    [finding] = results.findings
    assert "10.0.0.4:8080" in finding.text
    assert "InvalidInput" in finding.text


def test_a_throttled_call_is_no_refusal(cloud: Cloud, service: Service) -> None:
    cloud.faults.plan = FaultPlan(throttled=1.0)
    with calling_as("function"):
        for results in (service.register(a_task(1)), service.deregister(a_task(1))):
            assert owners(results.failed) == [task_arn(1)]
            assert len(results.errors) == 1


def test_a_registration_whose_answer_is_lost_is_begun_once(cloud: Cloud, service: Service) -> None:
    cloud.faults.plan = FaultPlan(seed=3, lost_response=0.5)
    with calling_as("function"):
        results = service.register(*tasks(10))
    assert len(results.begun) == 10
    assert max(call.attempts for call in cloud.calls.named(REGISTER)) > 1
    cloud.faults.clear()
    service.settle()
    assert len(service.instances()) == 10


def test_a_deregistration_whose_answer_is_lost_is_busy_or_done(cloud: Cloud, service: Service) -> None:
    service.register(*tasks(10))
    service.settle()
    cloud.faults.plan = FaultPlan(seed=3, lost_response=0.5)
    with calling_as("function"):
        results = service.deregister(*tasks(10))
    assert results.busy != []
    assert len(results.begun) + len(results.busy) + len(results.done) == 10
    cloud.faults.clear()
    service.settle()
    assert service.instances() == {}


def test_no_call_is_made_shortly_before_the_deadline(cloud: Cloud, service: Service) -> None:
    service.seconds_left = 2
    results = service.register(*tasks(2))
    assert owners(results.failed) == [task_arn(1), task_arn(2)]
    assert cloud.calls.named(REGISTER) == []


def test_an_instance_id_has_at_most_64_characters_and_differs_between_owners() -> None:
    assert instance_id(task_arn(1)) != instance_id(task_arn(2))
    pod = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    assert instance_id(pod) == f"berthmaster-{pod}"
    assert len(instance_id("x" * 200)) == 64
