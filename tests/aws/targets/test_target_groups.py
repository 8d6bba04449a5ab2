"""Calls on a target group: two hundred targets each, of which AWS refuses all because of one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.act.effects import seen_deregistered
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.act.target_groups import SPLITS, call_target_group
from berthmaster.targets.model import Call, ClaimState, Destination, Move, TargetGroup
from simulator.aws.elbv2.target_rules import PER_GROUP
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from simulator.latency import Constant
from tests.support.tables import create_targets_table
from tests.support.targets.builders import a_claim, a_target_group, a_task, an_endpoint, seconds
from tests.support.targets.permits import Always, a_permit
from tests.support.targets.reads import paced_reads

REGISTER, DEREGISTER = "elbv2:RegisterTargets", "elbv2:DeregisterTargets"
PUBLIC = "8.8.8.8"


@dataclass
class Group:
    """A target group behind an Application Load Balancer in a VPC of 10.0.0.0/16."""

    cloud: Cloud
    destination: Destination
    seconds_left: float = 300.0

    def call(self, call: Call, moves: Sequence[Move]) -> CallResults:
        permit = a_permit(self.cloud, "targets", rate=4, burst=20, seconds_left=self.seconds_left)
        return call_target_group(self.cloud.client("elbv2"), self.destination, call, moves, permit)

    def register(self, *ips: str) -> CallResults:
        return self.call(Call.REGISTER, [self.move(ip) for ip in ips])

    def deregister(self, *ips: str) -> CallResults:
        return self.call(Call.DEREGISTER, [self.move(ip, Call.DEREGISTER) for ip in ips])

    def move(self, ip: str, call: Call = Call.REGISTER) -> Move:
        return a_move(ip, self.destination, call)

    def registered(self) -> set[str]:
        return {ip for ip, _ in self.cloud.targets.routable(self.destination.arn)}

    def zone_of(self, ip: str) -> str:
        shown = self.cloud.client("elbv2").describe_target_health(TargetGroupArn=self.destination.arn)
        [zone] = [
            one["Target"]["AvailabilityZone"] for one in shown["TargetHealthDescriptions"] if one["Target"]["Id"] == ip
        ]
        return str(zone)

    def delete(self) -> None:
        elbv2 = self.cloud.client("elbv2")
        [balancer] = elbv2.describe_load_balancers()["LoadBalancers"]
        elbv2.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
        self.cloud.targets.group(self.destination.arn).load_balancer_arns.clear()
        elbv2.delete_target_group(TargetGroupArn=self.destination.arn)


def a_move(ip: str, destination: Destination, call: Call = Call.REGISTER) -> Move:
    task = a_task(1, ip=ip)
    state = ClaimState.REGISTERING if call is Call.REGISTER else ClaimState.DRAINING
    endpoint = an_endpoint(task, destination) if call is Call.REGISTER else None
    assert task.address is not None
    assert isinstance(destination.body, TargetGroup)
    claim = a_claim(task, destination, state, zone=destination.body.zone_for(task.address))
    return Move(before=None, after=claim, reason="a test", call=call, endpoint=endpoint)


def ips(count: int) -> list[str]:
    return [f"10.0.{number // 200}.{number % 200 + 10}" for number in range(count)]


def of(moves: Sequence[Move]) -> list[str]:
    return [move.after.key.ip for move in moves]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1) as cloud:
        create_targets_table(cloud.client("dynamodb"))
        yield cloud


@pytest.fixture
def group(cloud: Cloud) -> Group:
    ec2, elbv2 = cloud.client("ec2"), cloud.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for cidr, zone in (("10.0.0.0/20", "eu-central-1a"), ("10.0.16.0/20", "eu-central-1b"))
    ]
    arn = elbv2.create_target_group(Name="front", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")["TargetGroups"][
        0
    ]["TargetGroupArn"]
    balancer = elbv2.create_load_balancer(Name="front", Subnets=subnets, Type="application")["LoadBalancers"][0]
    cloud.targets.attach(arn, balancer["LoadBalancerArn"])
    return Group(cloud, replace(a_target_group(vpc_id=vpc), arn=arn))


def test_two_hundred_targets_are_one_call_in_order(cloud: Cloud, group: Group) -> None:
    addresses = ips(450)
    assert of(group.register(*addresses).done) == addresses
    assert [len(call.params["Targets"]) for call in cloud.calls.named(REGISTER)] == [200, 200, 50]
    assert group.registered() == set(addresses)
    assert of(group.deregister(*addresses).done) == addresses
    assert len(cloud.calls.named(DEREGISTER)) == 3
    assert group.registered() == set()


def test_calls_can_be_repeated(group: Group) -> None:
    for _ in range(2):
        assert of(group.register("10.0.0.10").done) == ["10.0.0.10"]
    for _ in range(2):
        assert of(group.deregister("10.0.0.10", "10.0.0.11").done) == ["10.0.0.10", "10.0.0.11"]


def test_one_refused_target_among_two_hundred_is_found_by_its_address(cloud: Cloud, group: Group) -> None:
    good = ips(199)
    results = group.register(*good[:120], PUBLIC, *good[120:])
    assert sorted(of(results.done)) == sorted(good)
    assert of(results.refused) == [PUBLIC]
    [finding] = results.findings
    assert (finding.destination, finding.code) == (group.destination.arn, "refused")
    assert f"{PUBLIC}:8080" in finding.text
    assert len(cloud.calls.named(REGISTER)) == 3


def test_a_target_whose_deregistration_is_refused_fails_alone(cloud: Cloud, group: Group) -> None:
    addresses = ips(200)
    group.register(*addresses)
    cloud.targets.is_invalid = lambda ip, _port: ip == addresses[70]
    results = group.deregister(*addresses)
    assert of(results.failed) == [addresses[70]]
    assert (len(results.done), len(results.errors)) == (199, 1)
    assert results.refused == results.findings == []
    assert group.registered() == {addresses[70]}


def test_a_few_refused_targets_are_found_in_few_calls(cloud: Cloud, group: Group) -> None:
    good, bad = ips(195), [f"8.8.8.{number}" for number in range(5)]
    results = group.register(*good[:100], *bad, *good[100:])
    assert (set(of(results.done)), set(of(results.refused))) == (set(good), set(bad))
    assert len(cloud.calls.named(REGISTER)) <= 11


def test_a_target_that_drains_is_refused_and_hinders_no_other(group: Group) -> None:
    group.register("10.0.0.10")
    group.deregister("10.0.0.10")
    results = group.register("10.0.0.10", "10.0.0.11", "10.0.0.12")
    assert (of(results.refused), sorted(of(results.done))) == (["10.0.0.10"], ["10.0.0.11", "10.0.0.12"])


@pytest.mark.parametrize("limit", [0, 1, 50, 73, 199])
def test_a_full_group_takes_the_first_ones_and_one_finding_says_so(cloud: Cloud, group: Group, limit: int) -> None:
    cloud.quotas.apply(PER_GROUP, limit)
    addresses = ips(200)
    results = group.register(*addresses)
    assert of(results.done) == addresses[:limit]
    assert sorted(of(results.refused)) == sorted(addresses[limit:])
    assert [finding.code for finding in results.findings] == ["quota reached"]
    assert len(cloud.calls.named(REGISTER)) <= SPLITS


def test_a_deleted_group_refuses_registrations_and_deregistrations_are_done(group: Group) -> None:
    group.register("10.0.0.10")
    group.delete()
    results = group.register("10.0.0.11", "10.0.0.12")
    assert of(results.refused) == ["10.0.0.11", "10.0.0.12"]
    assert [finding.code for finding in results.findings] == ["deleted"]
    assert of(group.deregister("10.0.0.10").done) == ["10.0.0.10"]


def test_addresses_outside_the_vpc_are_registered_in_all_zones(group: Group) -> None:
    assert of(group.register("10.0.0.10", "10.9.0.10", "100.64.0.10").done) == ["10.0.0.10", "10.9.0.10", "100.64.0.10"]
    assert [group.zone_of(ip) for ip in ("10.0.0.10", "10.9.0.10", "100.64.0.10")] == ["eu-central-1a", "all", "all"]


def test_without_cross_zone_load_balancing_they_are_registered_in_their_own_zone(cloud: Cloud, group: Group) -> None:
    cloud.client("elbv2").modify_target_group_attributes(
        TargetGroupArn=group.destination.arn,
        Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "false"}],
    )
    group.destination = replace(group.destination, body=replace(group.destination.body, cross_zone=False))
    assert of(group.register("10.9.0.10").done) == ["10.9.0.10"]
    assert group.zone_of("10.9.0.10") == "eu-central-1a"


def test_what_a_group_shows_as_draining_or_not_registered_is_seen_deregistered(cloud: Cloud, group: Group) -> None:
    addresses = ips(150)
    group.register(*addresses[:140])
    group.deregister(*addresses[:130])
    moves = [group.move(ip, Call.DEREGISTER) for ip in addresses]
    seen = seen_deregistered(cloud.client("elbv2"), paced_reads(cloud), moves, may_begin=lambda: True)
    assert {key.ip for key in seen} == {*addresses[:130], *addresses[140:]}
    assert len(cloud.calls.named("elbv2:DescribeTargetHealth")) == 2
    group.delete()
    assert len(seen_deregistered(cloud.client("elbv2"), paced_reads(cloud), moves, may_begin=lambda: True)) == 150


def test_what_cannot_be_asked_about_is_not_seen_deregistered(cloud: Cloud, group: Group) -> None:
    moves = [group.move("10.0.0.10", Call.DEREGISTER)]
    assert seen_deregistered(cloud.client("elbv2"), paced_reads(cloud), moves, may_begin=lambda: False) == set()
    cloud.faults.plan = FaultPlan(throttled=1.0)
    with calling_as("function"):
        assert seen_deregistered(cloud.client("elbv2"), paced_reads(cloud), moves, may_begin=lambda: True) == set()


def test_a_throttled_call_is_no_refusal(cloud: Cloud, group: Group) -> None:
    cloud.faults.plan = FaultPlan(throttled=1.0)
    with calling_as("function"):
        for results in (group.register(*ips(3)), group.deregister(*ips(3))):
            assert of(results.failed) == ips(3)
            assert len(results.errors) == 1
            assert results.done == results.refused == []


def test_no_call_is_made_shortly_before_the_deadline(cloud: Cloud, group: Group) -> None:
    group.seconds_left = 2
    results = group.register(*ips(2))
    assert of(results.failed) == ips(2)
    assert isinstance(results.errors[0], TimeoutError)
    assert cloud.calls.named(REGISTER) == []


def test_consecutive_invocations_use_the_rate_of_aws(cloud: Cloud, group: Group) -> None:
    cloud.latency = Constant()
    made = []
    for _ in range(6):
        end, before = cloud.clock.now() + seconds(20), len(cloud.calls.named(REGISTER))
        for number in range(200):
            group.seconds_left = (end - cloud.clock.now()).total_seconds()
            group.register(f"10.0.0.{number + 10}")
        made.append(len(cloud.calls.named(REGISTER)) - before)
        cloud.clock.advance(group.seconds_left)
    assert min(made) >= 60


def test_a_burst_keeps_within_the_rate_of_aws(cloud: Cloud, group: Group) -> None:
    cloud.latency = Constant()
    with calling_as("function"):
        for number in range(40):
            group.register(f"10.0.0.{number + 10}")
    calls = cloud.calls.named(REGISTER)
    assert {(call.outcome, call.attempts) for call in calls} == {("ok", 1)}


# AWS does not say which targets it refuses


@dataclass
class SilentAws:
    """Elastic Load Balancing that has room for so many targets, refuses some, and does not say which."""

    bad: frozenset[str] = frozenset()
    limit: int = 1000
    error: Exception | None = None
    registered: list[str] = field(default_factory=list)
    deregistered: list[str] = field(default_factory=list)
    calls: int = 0

    def deregister_targets(self, *, TargetGroupArn: str, Targets: list[dict[str, Any]]) -> None:  # noqa: N803
        self.deregistered += self._asked(Targets)

    def register_targets(self, *, TargetGroupArn: str, Targets: list[dict[str, Any]]) -> None:  # noqa: N803
        asked = self._asked(Targets)
        if len(self.registered) + len(asked) > self.limit:
            raise refusal("TooManyTargets")
        self.registered += asked

    def _asked(self, targets: list[dict[str, Any]]) -> list[str]:
        self.calls += 1
        if self.error:
            raise self.error
        asked = [target["Id"] for target in targets]
        if self.bad & set(asked):
            raise refusal("InvalidTarget")
        return asked


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "No."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "RegisterTargets")


GROUP = a_target_group()
MOVES = [a_move(ip, GROUP) for ip in ips(200)]


def registering(aws: SilentAws, moves: Sequence[Move] = MOVES) -> CallResults:
    return call_target_group(aws, GROUP, Call.REGISTER, moves, Always())  # type: ignore[arg-type]


@given(bad=st.sampled_from(ips(200)))
def test_one_refused_target_is_found_by_halves(bad: str) -> None:
    aws = SilentAws(frozenset({bad}))
    results = registering(aws)
    assert of(results.refused) == [bad]
    assert sorted(of(results.done)) == sorted(aws.registered) == sorted(ip for ip in ips(200) if ip != bad)
    assert aws.calls <= SPLITS


@given(count=st.integers(1, 200), bad=st.frozensets(st.sampled_from(ips(200)), max_size=40))
def test_what_aws_refuses_to_deregister_is_failed_and_never_refused(count: int, bad: frozenset[str]) -> None:
    aws = SilentAws(bad)
    moves = [a_move(ip, GROUP, Call.DEREGISTER) for ip in ips(count)]
    results = call_target_group(aws, GROUP, Call.DEREGISTER, moves, Always())  # type: ignore[arg-type]
    assert sorted(of(results.done)) == sorted(aws.deregistered)
    assert sorted(of([*results.done, *results.failed])) == sorted(ips(count))
    assert results.refused == results.findings == []
    assert aws.calls <= 2 * SPLITS


@given(
    count=st.integers(1, 200),
    bad=st.frozensets(st.sampled_from(ips(200)), max_size=40),
    limit=st.integers(0, 220),
)
def test_every_target_is_in_one_list_and_only_those_that_aws_took_are_done(
    count: int, bad: frozenset[str], limit: int
) -> None:
    aws = SilentAws(bad, limit)
    results = registering(aws, MOVES[:count])
    assert sorted(of(results.done)) == sorted(aws.registered)
    assert sorted(of([*results.done, *results.refused, *results.failed])) == sorted(ips(count))
    assert bool(results.errors) == bool(results.failed)
    assert bool(results.findings) == bool(results.refused)
    assert aws.calls <= 2 * SPLITS


@given(limit=st.integers(0, 220))
def test_exactly_as_many_as_fit_are_registered(limit: int) -> None:
    aws = SilentAws(limit=limit)
    assert of(registering(aws).done) == ips(200)[:limit]
    assert aws.calls <= SPLITS


@pytest.mark.parametrize(
    "error",
    [
        refusal("AccessDenied", 403),
        refusal("Throttling"),
        refusal("InternalFailure", 500),
        ConnectTimeoutError(endpoint_url="https://elasticloadbalancing"),
    ],
)
def test_an_error_that_a_retry_may_avoid_is_no_refusal(error: Exception) -> None:
    aws = SilentAws(error=error)
    results = registering(aws)
    assert (len(results.failed), results.errors, aws.calls) == (200, [error], 1)
