"""An instance a call, each the beginning of an operation; what is under way is waited for, what is full told once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from berthmaster.clock import Clock
from berthmaster.pace import Pace
from berthmaster.targets.act.cloud_map import call_cloud_map, instance_id
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.model import Call, ClaimState, Destination, Move, Task
from berthmaster.token_bucket import TokenBucket
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from tests.support.tables import TARGETS_TABLE, create_targets_table
from tests.support.targets.builders import a_claim, a_cloud_map_service, a_task, an_endpoint, seconds, task_arn

REGISTER, DEREGISTER = "servicediscovery:RegisterInstance", "servicediscovery:DeregisterInstance"


@dataclass
class Names:
    """A Cloud Map service with an A record and a custom health check."""

    cloud: Cloud
    destination: Destination
    seconds_left: float = 300.0

    def call(self, call: Call, moves: Sequence[Move]) -> CallResults:
        clock = Clock()
        bucket = TokenBucket(self.cloud.client("dynamodb"), TARGETS_TABLE, clock, "instances", rate=50, burst=100)
        pace = Pace(clock, bucket, clock.now() + seconds(self.seconds_left))
        return call_cloud_map(self.cloud.client("servicediscovery"), self.destination, call, moves, pace)

    def register(self, *tasks: Task, **claim: Any) -> CallResults:
        return self.call(Call.REGISTER, [self.move(task, ClaimState.REGISTERING, **claim) for task in tasks])

    def deregister(self, *tasks: Task, **claim: Any) -> CallResults:
        return self.call(Call.DEREGISTER, [self.move(task, ClaimState.DRAINING, **claim) for task in tasks])

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
        """Let every operation end."""
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


def make_names(cloud: Cloud, **config: Any) -> Names:
    cloud_map = cloud.client("servicediscovery")
    vpc = cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    operation = cloud_map.create_private_dns_namespace(Name="port.local", Vpc=vpc)["OperationId"]
    namespace = cloud_map.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    service = cloud_map.create_service(
        Name="shop",
        NamespaceId=namespace,
        DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 50}, {"Type": "SRV", "TTL": 50}]},
        **config,
    )["Service"]
    return Names(cloud, a_cloud_map_service(arn=service["Arn"], has_custom_health=bool(config)))


@pytest.fixture
def names(cloud: Cloud) -> Names:
    return make_names(cloud, HealthCheckCustomConfig={"FailureThreshold": 1})


def test_a_registration_begins_an_operation_and_ends_in_an_instance(names: Names) -> None:
    task = a_task(1)
    answers = names.register(task)
    [begun] = answers.begun
    assert begun.operation
    assert answers.done == []
    assert names.instances() == {}
    names.settle()
    assert names.instances() == {
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
    assert len(names.deregister(task).begun) == 1
    names.settle()
    assert names.instances() == {}


def test_a_service_without_a_health_check_of_its_own_is_told_no_health(cloud: Cloud) -> None:
    names = make_names(cloud)
    names.register(a_task(1))
    names.settle()
    [attributes] = names.instances().values()
    assert "AWS_INIT_HEALTH_STATUS" not in attributes


def test_an_instance_under_way_is_busy_and_hinders_no_other(names: Names) -> None:
    first, second = tasks(2)
    names.register(first)
    answers = names.deregister(first)
    assert (owners(answers.busy), answers.failed, answers.findings) == ([first.arn], [], [])
    answers = names.register(first, second, revision=7)
    assert owners(answers.busy) == [first.arn]
    assert [begun.move.after.owner for begun in answers.begun] == [second.arn]
    names.settle()
    assert len(names.deregister(first).begun) == 1


def test_the_same_registration_again_is_the_same_operation_and_a_later_one_another(names: Names) -> None:
    task = a_task(1)
    [first], [again] = names.register(task).begun, names.register(task).begun
    assert first.operation == again.operation
    names.settle()
    names.deregister(task)
    names.settle()
    [later] = names.register(task, revision=5).begun
    assert later.operation != first.operation
    names.settle()
    assert len(names.instances()) == 1


def test_what_is_gone_already_is_deregistered(names: Names) -> None:
    assert owners(names.deregister(a_task(1)).done) == [task_arn(1)]
    names.delete()
    assert owners(names.deregister(a_task(1)).done) == [task_arn(1)]


def test_a_handover_takes_out_the_former_owners_instance(names: Names) -> None:
    former, heir = a_task(1), a_task(2)
    names.register(former)
    names.settle()
    names.deregister(heir, former=former.arn)
    names.settle()
    assert names.instances() == {}


def test_a_service_that_is_gone_takes_nobody(names: Names) -> None:
    names.delete()
    answers = names.register(*tasks(3))
    assert owners(answers.refused) == [task.arn for task in tasks(3)]
    assert [finding.code for finding in answers.findings] == ["gone"]


def test_when_a_service_is_full_the_first_get_in_and_people_are_told_once(cloud: Cloud, names: Names) -> None:
    cloud.discovery.instances_per_service = 3
    everybody = tasks(6)
    answers = names.register(*everybody)
    assert [begun.move.after.owner for begun in answers.begun] == [task.arn for task in everybody[:3]]
    assert owners(answers.refused) == [task.arn for task in everybody[3:]]
    assert [finding.code for finding in answers.findings] == ["no room"]


def test_an_instance_that_cloud_map_does_not_take_is_told_and_hinders_no_other(names: Names) -> None:
    bad = names.move(a_task(1), ClaimState.REGISTERING)
    assert bad.endpoint
    bad = replace(bad, endpoint=replace(bad.endpoint, attributes={"note": "x" * 2000}))
    answers = names.call(Call.REGISTER, [bad, names.move(a_task(2, ip="10.0.0.5"), ClaimState.REGISTERING)])
    assert owners(answers.refused) == [task_arn(1)]
    assert len(answers.begun) == 1
    [finding] = answers.findings
    assert "10.0.0.4:8080" in finding.text
    assert "InvalidInput" in finding.text


def test_what_aws_cannot_do_now_is_tried_again_later(cloud: Cloud, names: Names) -> None:
    cloud.faults.plan = FaultPlan(throttled=1.0)
    with calling_as("function"):
        for answers in (names.register(a_task(1)), names.deregister(a_task(1))):
            assert owners(answers.failed) == [task_arn(1)]
            assert len(answers.errors) == 1


def test_an_operation_whose_answer_is_lost_is_begun_once(cloud: Cloud, names: Names) -> None:
    cloud.faults.plan = FaultPlan(seed=3, lost_answer=0.5)
    with calling_as("function"):
        answers = names.register(*tasks(10))
    assert len(answers.begun) == 10
    assert max(call.attempts for call in cloud.calls.named(REGISTER)) > 1
    cloud.faults.calm_down()
    names.settle()
    assert len(names.instances()) == 10


def test_a_deregistration_whose_answer_is_lost_is_looked_at_again_or_done(cloud: Cloud, names: Names) -> None:
    names.register(*tasks(10))
    names.settle()
    cloud.faults.plan = FaultPlan(seed=3, lost_answer=0.5)
    with calling_as("function"):
        answers = names.deregister(*tasks(10))
    assert answers.busy != []
    assert len(answers.begun) + len(answers.busy) + len(answers.done) == 10
    cloud.faults.calm_down()
    names.settle()
    assert names.instances() == {}


def test_nothing_is_begun_when_the_invocation_is_about_to_end(cloud: Cloud, names: Names) -> None:
    names.seconds_left = 2
    answers = names.register(*tasks(2))
    assert owners(answers.failed) == [task_arn(1), task_arn(2)]
    assert cloud.calls.named(REGISTER) == []


def test_a_name_is_no_longer_than_cloud_map_takes_and_tells_owners_apart() -> None:
    assert instance_id(task_arn(1)) != instance_id(task_arn(2))
    pod = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    assert instance_id(pod) == f"berthmaster-{pod}"
    assert len(instance_id("x" * 200)) == 64
