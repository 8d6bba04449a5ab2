"""targets_gate, deployed from the template: which deployments wait, for how long, and what they are told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

EVENTS = Path(__file__).parents[3] / "events"
GATE = "TargetsGateFunction"
SERVICE = "arn:aws:ecs:eu-central-1:123456789012:service/scene/shop"
TAGS = {"berthmaster:targets": "managed", "berthmaster:cluster": "scene", "berthmaster:service": "shop"}
MINUTES = 15


@dataclass
class Port:
    """A service `shop` of two tasks on 8080 that Berthmaster registers in what is managed; a load balancer."""

    cloud: Cloud
    network: Network
    fleet: Fleet
    berthmaster: Deployment
    load_balancer: str
    details: dict[str, Any] = field(default_factory=dict)

    def group(self, name: str, *, in_use: bool = True, **tags: str) -> str:
        """Create a managed target group."""
        answer = self.cloud.client("elbv2").create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId=self.network.vpc_id,
            TargetType="ip",
            Tags=[{"Key": key, "Value": value} for key, value in (TAGS | tags).items()],
        )
        arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
        if in_use:
            self.cloud.targets.attach(arn, self.load_balancer)
        return arn

    def names(self) -> str:
        """Create a managed Cloud Map service; returns its id."""
        discovery = self.cloud.client("servicediscovery")
        discovery.create_http_namespace(Name="scene")
        namespace = discovery.list_namespaces()["Namespaces"][0]["Id"]
        tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
        made = discovery.create_service(Name="shop", NamespaceId=namespace, Tags=tags)
        identifier: str = made["Service"]["Id"]
        return identifier

    def run(self, seconds: float) -> None:
        self.berthmaster.run(minutes=seconds / 60)

    def ask(self, event: Any) -> dict[str, Any]:
        invocation = self.berthmaster.invoke(GATE, event)
        assert invocation.error is None
        answer: dict[str, Any] = invocation.result
        return answer

    def hook(self, revision: str, stage: str = "POST_SCALE_UP", **details: Any) -> dict[str, Any]:
        """Ask once, as ECS does, with what it was told to keep."""
        execution = {
            "serviceArn": SERVICE,
            "targetServiceRevisionArn": revision,
            "testTrafficWeights": {},
            "productionTrafficWeights": {},
        }
        event = {
            "executionId": "f4fcae0f-9bec-41c6-ba87-0eaa0cef8af5",
            "lifecycleStage": stage,
            "resourceArn": SERVICE.replace(":service/", ":service-deployment/") + "/EZe5RNVLH6PPzHXINuP28",
            "executionDetails": execution | details,
        }
        answer = self.ask(event | ({"hookDetails": self.details} if self.details else {}))
        self.details |= answer.get("hookDetails", {})
        return answer

    def wait(self, revision: str, stage: str = "POST_SCALE_UP", **details: Any) -> tuple[dict[str, Any], float]:
        """Ask again and again, as ECS does; returns the last answer and how many seconds passed."""
        began = self.cloud.clock.timestamp()
        while (answer := self.hook(revision, stage, **details))["hookStatus"] == "IN_PROGRESS":
            self.run(answer["callBackDelay"])
        return answer, self.cloud.clock.timestamp() - began

    def told(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.berthmaster.logs.records(GATE) if line["message"] == message]

    def running(self, revision: str) -> list[Any]:
        """The tasks that a deployment has brought so far."""
        deployment = f"ecs-svc/{revision.rpartition('/')[2]}"
        return [task for task in self.fleet.tasks if task.started_by == deployment and task.is_running]


@contextmanager
def a_port(*, mode: str = "enforce", faults: FaultPlan | None = None, **parameters: Any) -> Iterator[Port]:
    """Open a cloud with a port in it whose service runs."""
    with Cloud(seed=1, **({"faults": faults} if faults else {})) as cloud:
        network = Network.create(cloud, "10.0.0.0/20")
        subnets = [network.subnet(zone, f"10.0.{index}.0/24") for index, zone in enumerate("abc")]
        made = cloud.client("elbv2").create_load_balancer(Name="front", Subnets=subnets, Type="application")
        settings_of = {"TargetsMode": mode, "TargetsGateMinutes": MINUTES}
        berthmaster = Deployment(cloud, parameters=settings_of | parameters)
        fleet = Fleet(cloud)
        fleet.service("shop", network.network_configuration(), 2)
        yield Port(cloud, network, fleet, berthmaster, made["LoadBalancers"][0]["LoadBalancerArn"])


def test_a_deployment_waits_until_its_tasks_are_healthy_in_every_destination() -> None:
    with a_port() as port:
        groups, names = [port.group("web"), port.group("internal")], port.names()
        port.run(120)
        revision = port.fleet.deploy("shop")
        answer, seconds = port.wait(revision)

        assert answer == {"hookStatus": "SUCCEEDED"}
        assert 15 <= seconds < 120
        new = port.running(revision)
        assert len(new) == 2
        for task in new:
            assert [port.cloud.targets.state(group, task.address, 8080) for group in groups] == ["healthy", "healthy"]
            assert any(
                one["AWS_INSTANCE_IPV4"] == task.address for one in port.cloud.discovery.instances(names).values()
            )
        (line,) = port.told("deployment may go on")
        assert "internal: 2 of 2 healthy" in line["reason"]
        assert "2 of 2 registered" in line["reason"]
        assert line["service"] == "shop"
        assert port.told("deployment waits")[0]["reason"] == "0 of 2 new tasks run"


def test_the_first_answer_asks_to_come_back_and_keeps_what_an_operator_configured() -> None:
    with a_port() as port:
        port.group("web")
        port.details = {"S3_BUCKET_NAME": "my-approval-bucket"}
        answer = port.hook(port.fleet.deploy("shop"))
        assert (answer["hookStatus"], answer["callBackDelay"]) == ("IN_PROGRESS", 15)
        assert answer["hookDetails"].keys() == {"S3_BUCKET_NAME", "since", "occasion"}


def test_what_is_told_at_the_top_is_read_as_well() -> None:
    with a_port() as port:
        port.group("web")
        event = {"serviceArn": SERVICE, "targetServiceRevisionArn": port.fleet.deploy("shop")}
        assert port.ask(event)["hookStatus"] == "IN_PROGRESS"
        port.run(180)
        assert port.ask(event)["hookStatus"] == "SUCCEEDED"


def test_tasks_that_never_get_healthy_fail_the_deployment_at_the_limit_with_awss_reasons() -> None:
    with a_port() as port:
        port.group("web")
        port.run(120)
        before = {task.address for task in port.fleet.tasks}
        port.cloud.targets.answers = lambda ip, _port: ip in before
        revision = port.fleet.deploy("shop")
        answer, seconds = port.wait(revision)

        assert answer["hookStatus"] == "FAILED"
        assert answer["reason"].startswith(f"not ready after {MINUTES} minutes: web: 0 of 2 healthy")
        assert "2 unhealthy: Target.Timeout" in answer["reason"]
        assert MINUTES * 60 <= seconds < MINUTES * 60 + 30
        assert port.told("deployment fails")[0]["reason"] in answer["reason"]


def test_a_destination_without_room_fails_the_deployment_at_the_limit_only() -> None:
    with a_port() as port:
        arn = port.group("web")

        def full(*_: Any) -> None:
            raise AwsError("TooManyTargets", "You have reached the maximum number of targets")

        port.cloud.answers["elbv2:RegisterTargets"] = full
        answer, _ = port.wait(port.fleet.deploy("shop"))
        assert answer["hookStatus"] == "FAILED"
        assert answer["reason"] == f"not ready after {MINUTES} minutes: web: 0 of 2 healthy (2 refused)"
        assert port.cloud.targets.routable(arn) == set()


@pytest.mark.parametrize("stage", ["RECONCILE_SERVICE", "PRE_SCALE_UP"])
def test_before_the_tasks_come_there_is_nothing_to_wait_for(stage: str) -> None:
    with a_port() as port:
        port.group("web")
        assert port.hook(port.fleet.deploy("shop"), stage) == {"hookStatus": "SUCCEEDED"}
        assert port.told("deployment may go on")[0]["reason"] == "no task of this deployment exists at this stage"
        assert len(port.cloud.calls.of(GATE)) == 0


@pytest.mark.parametrize(
    ("stage", "weights"), [("PRODUCTION_TRAFFIC_SHIFT", "production"), ("TEST_TRAFFIC_SHIFT", "test")]
)
def test_a_rollback_is_not_held_up(stage: str, weights: str) -> None:
    with a_port() as port:
        port.group("web")
        blue, green = port.fleet.deploy("shop"), port.fleet.deploy("shop")
        name = f"{weights}TrafficWeights"
        assert port.hook(green, stage, **{name: {green: 100, blue: 0}})["hookStatus"] == "IN_PROGRESS"
        assert port.hook(green, stage, **{name: {green: 0, blue: 100}})["hookStatus"] == "SUCCEEDED"
        before = "PRE_PRODUCTION_TRAFFIC_SHIFT"
        assert port.hook(green, before, **{name: {green: 0, blue: 100}})["hookStatus"] == "IN_PROGRESS"


def test_every_stage_and_every_step_has_the_whole_time() -> None:
    with a_port() as port:
        port.group("web")
        port.cloud.targets.answers = lambda _ip, _port: False
        revision = port.fleet.deploy("shop")
        port.hook(revision)
        port.run(MINUTES * 60 + 1)
        stage = "PRE_PRODUCTION_TRAFFIC_SHIFT"
        assert port.hook(revision, stage, productionTrafficWeights={revision: 0})["hookStatus"] == "IN_PROGRESS"
        port.run(MINUTES * 60 + 1)
        assert port.hook(revision, stage, productionTrafficWeights={revision: 10.5})["hookStatus"] == "IN_PROGRESS"
        port.run(MINUTES * 60 + 1)
        assert port.hook(revision, stage, productionTrafficWeights={revision: 10.5})["hookStatus"] == "FAILED"


def test_tasks_of_before_do_not_count_although_their_definition_is_the_same() -> None:
    with a_port() as port:
        port.group("web")
        port.run(120)
        assert len(port.fleet.tasks) == 2
        answer = port.hook(port.fleet.deploy("shop"))
        assert answer["hookStatus"] == "IN_PROGRESS"
        assert port.told("deployment waits")[0]["reason"] == "0 of 2 new tasks run"


def test_an_address_that_drains_for_its_former_owner_is_not_healthy_for_its_next_one() -> None:
    with a_port() as port:
        port.cloud.tasks.freed.reuse = 1.0
        group = port.group("web")
        port.run(120)
        old = port.fleet.tasks
        revision = port.fleet.deploy("shop")
        answer, _ = port.wait(revision)
        assert answer["hookStatus"] == "SUCCEEDED"
        # The old tasks' addresses go to the next deployment's, while their targets drain for five minutes.
        port.run(60)
        assert all(task.last_status == "STOPPED" for task in old)
        again = port.fleet.deploy("shop")
        answer, seconds = port.wait(again)
        assert answer["hookStatus"] == "SUCCEEDED"
        new = port.running(again)
        assert {task.address for task in new} & {task.address for task in old}
        assert all(port.cloud.targets.state(group, task.address, 8080) == "healthy" for task in new)
        assert seconds > 120
        assert any("former owner" in line["reason"] for line in port.told("deployment waits"))


def test_what_nobody_manages_holds_nothing_up() -> None:
    with a_port() as port:
        port.group("other", **{"berthmaster:service": "another"})
        port.group("gone", **{"berthmaster:targets": "detached"})
        assert port.hook(port.fleet.deploy("shop"))["hookStatus"] == "SUCCEEDED"


def test_a_group_of_the_family_holds_up_the_service_as_well() -> None:
    with a_port() as port:
        port.group("web", **{"berthmaster:service": "", "berthmaster:family": "shop"})
        answer, seconds = port.wait(port.fleet.deploy("shop"))
        assert answer["hookStatus"] == "SUCCEEDED"
        assert seconds > 0


def test_a_group_that_no_load_balancer_uses_is_named_and_holds_nothing_up() -> None:
    with a_port() as port:
        port.group("spare", in_use=False)
        answer, _ = port.wait(port.fleet.deploy("shop"))
        assert answer["hookStatus"] == "SUCCEEDED"
        assert port.told("target group not in use")[0]["target_group"] == "spare"


def test_a_group_that_cannot_be_managed_is_named_and_holds_nothing_up() -> None:
    with a_port() as port:
        elbv2 = port.cloud.client("elbv2")
        tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
        vpc_id = port.network.vpc_id
        elbv2.create_target_group(Name="i", Protocol="HTTP", Port=80, VpcId=vpc_id, TargetType="instance", Tags=tags)
        assert port.hook(port.fleet.deploy("shop"))["hookStatus"] == "SUCCEEDED"
        assert "only ip and ipv4" in port.told("destination not managed")[0]["problem"]


def test_a_service_of_no_tasks_has_nothing_to_wait_for() -> None:
    with a_port() as port:
        port.group("web")
        port.fleet.scale("shop", 0)
        assert port.hook(port.fleet.deploy("shop"))["hookStatus"] == "SUCCEEDED"


def test_where_nothing_is_registered_no_deployment_is_held_up() -> None:
    with a_port(mode="observe") as port:
        port.group("web")
        assert port.hook(port.fleet.deploy("shop"))["hookStatus"] == "SUCCEEDED"
        (line,) = port.told("deployment not held")
        assert line["level"] == "WARNING"


def test_while_aws_does_not_answer_the_deployment_waits_and_fails_at_the_limit_with_the_error() -> None:
    with a_port() as port:
        port.group("web")
        port.run(60)
        revision = port.fleet.deploy("shop")
        port.run(180)

        def denied(*_: Any) -> None:
            raise AwsError("AccessDeniedException", "not authorized to perform: ecs:DescribeServiceRevisions")

        kept = port.cloud.answers["ecs:DescribeServiceRevisions"]
        port.cloud.answers["ecs:DescribeServiceRevisions"] = denied
        assert port.hook(revision)["hookStatus"] == "IN_PROGRESS"
        assert "AccessDenied" in port.told("evidence missing")[0]["error"]
        answer, _ = port.wait(revision)
        assert answer["hookStatus"] == "FAILED"
        assert "evidence is missing" in answer["reason"]
        assert "not authorized to perform: ecs:DescribeServiceRevisions" in answer["reason"]
        port.cloud.answers["ecs:DescribeServiceRevisions"] = kept
        assert port.hook(revision)["hookStatus"] == "SUCCEEDED"


@pytest.mark.parametrize("missing", ["service", "revision"])
def test_what_ecs_does_not_know_is_missing_evidence(missing: str) -> None:
    with a_port() as port:
        port.group("web")
        revision = port.fleet.deploy("shop")
        if missing == "service":
            event = {"serviceArn": SERVICE + "-next", "targetServiceRevisionArn": revision}
        else:
            event = {"serviceArn": SERVICE, "targetServiceRevisionArn": revision + "0"}
        assert port.ask(event)["hookStatus"] == "IN_PROGRESS"
        assert (
            f"ECS knows no service {'shop-next' if missing == 'service' else 'revision'}"
            in (port.told("evidence missing")[0]["error"])
        )


def test_on_a_bad_day_it_never_lets_go_too_early() -> None:
    with a_port(faults=FaultPlan(seed=3, throttled=0.2, server_error=0.2, lost_answer=0.1)) as port:
        groups = [port.group("web"), port.group("internal")]
        revision = port.fleet.deploy("shop")
        answer, _ = port.wait(revision)
        assert answer["hookStatus"] == "SUCCEEDED"
        for task in port.running(revision):
            assert [port.cloud.targets.state(group, task.address, 8080) for group in groups] == ["healthy", "healthy"]


REVISION = SERVICE.replace(":service/", ":service-revision/") + "/9313423515462893900"
GOOD = {"serviceArn": SERVICE, "targetServiceRevisionArn": REVISION}


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ([], "event"),
        (None, "event"),
        ({}, "serviceArn"),
        ({"executionDetails": []}, "executionDetails"),
        ({"executionDetails": {"serviceArn": SERVICE}}, "targetServiceRevisionArn"),
        (GOOD | {"serviceArn": "shop"}, "serviceArn"),
        (GOOD | {"targetServiceRevisionArn": 7}, "targetServiceRevisionArn"),
        (GOOD | {"lifecycleStage": 7}, "lifecycleStage"),
        (GOOD | {"productionTrafficWeights": [1]}, "productionTrafficWeights"),
        (GOOD | {"hookDetails": {"since": "yesterday"}}, "hookDetails.since"),
    ],
)
def test_a_malformed_payload_fails_with_the_name_of_the_field(event: Any, field: str) -> None:
    with a_port() as port:
        answer = port.ask(event)
        assert answer["hookStatus"] == "FAILED"
        assert answer["reason"].startswith(f"malformed payload: {field}: ")
        assert port.told("payload malformed")[0]["field"] == field
        assert len(port.cloud.calls.of(GATE)) == 0


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("pre_scale_up", "SUCCEEDED"),
        ("post_scale_up", "IN_PROGRESS"),
        ("test_traffic_shift", "IN_PROGRESS"),
        ("production_traffic_shift", "IN_PROGRESS"),
        ("rollback", "SUCCEEDED"),
    ],
)
def test_the_sample_events_are_understood(name: str, status: str) -> None:
    with a_port() as port:
        assert port.ask(json.loads((EVENTS / f"targets_gate_{name}.json").read_text()))["hookStatus"] == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)
FIELDS = ("serviceArn", "targetServiceRevisionArn", "lifecycleStage", "hookDetails", "executionDetails")


@settings(max_examples=3, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5), min_size=30, max_size=30))
def test_whatever_it_is_told_it_answers_and_changes_nothing(events: list[dict[str, Any]]) -> None:
    with a_port() as port:
        for event in events:
            assert port.ask(GOOD | event)["hookStatus"] in {"IN_PROGRESS", "SUCCEEDED", "FAILED"}
        assert port.cloud.calls.of(GATE).writes() == []
