"""Two hundred targets a call; what AWS does not take is found among them, and never keeps the others out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.clock import Clock
from berthmaster.pace import Pace
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.act.target_groups import SPLITS, call_target_group
from berthmaster.targets.model import Call, ClaimState, Destination, Move
from berthmaster.token_bucket import TokenBucket
from simulator.aws.elbv2.target_rules import PER_GROUP
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from tests.support.tables import TARGETS_TABLE, create_targets_table
from tests.support.targets.builders import a_claim, a_target_group, a_task, an_endpoint, seconds

REGISTER, DEREGISTER = "elbv2:RegisterTargets", "elbv2:DeregisterTargets"
PUBLIC = "8.8.8.8"


@dataclass
class Front:
    """A target group behind an Application Load Balancer in a VPC of 10.0.0.0/16."""

    cloud: Cloud
    destination: Destination
    seconds_left: float = 300.0

    def call(self, call: Call, moves: Sequence[Move], **body: Any) -> CallResults:
        destination = replace(self.destination, body=replace(self.destination.body, **body))
        clock = Clock()
        bucket = TokenBucket(self.cloud.client("dynamodb"), TARGETS_TABLE, clock, "targets", rate=4, burst=20)
        pace = Pace(clock, bucket, clock.now() + seconds(self.seconds_left))
        return call_target_group(self.cloud.client("elbv2"), destination, call, moves, pace)

    def register(self, *ips: str, **body: Any) -> CallResults:
        return self.call(Call.REGISTER, [self.move(ip) for ip in ips], **body)

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
    return Move(before=None, after=a_claim(task, destination, state), reason="a test", call=call, endpoint=endpoint)


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
def front(cloud: Cloud) -> Front:
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
    return Front(cloud, replace(a_target_group(vpc_id=vpc), arn=arn))


def test_two_hundred_targets_are_one_call_in_their_order(cloud: Cloud, front: Front) -> None:
    addresses = ips(450)
    assert of(front.register(*addresses).done) == addresses
    assert [len(call.params["Targets"]) for call in cloud.calls.named(REGISTER)] == [200, 200, 50]
    assert front.registered() == set(addresses)
    assert of(front.deregister(*addresses).done) == addresses
    assert len(cloud.calls.named(DEREGISTER)) == 3
    assert front.registered() == set()


def test_what_was_done_already_is_done_again_without_harm(front: Front) -> None:
    for _ in range(2):
        assert of(front.register("10.0.0.10").done) == ["10.0.0.10"]
    for _ in range(2):
        assert of(front.deregister("10.0.0.10", "10.0.0.11").done) == ["10.0.0.10", "10.0.0.11"]


def test_one_bad_target_among_two_hundred_is_found_by_its_name_and_the_others_are_registered(
    cloud: Cloud, front: Front
) -> None:
    good = ips(199)
    answers = front.register(*good[:120], PUBLIC, *good[120:])
    assert sorted(of(answers.done)) == sorted(good)
    assert of(answers.refused) == [PUBLIC]
    [finding] = answers.findings
    assert (finding.destination, finding.code) == (front.destination.arn, "refused")
    assert f"{PUBLIC}:8080" in finding.text
    assert len(cloud.calls.named(REGISTER)) == 3


def test_a_few_bad_targets_are_found_in_few_calls(cloud: Cloud, front: Front) -> None:
    good, bad = ips(195), [f"8.8.8.{number}" for number in range(5)]
    answers = front.register(*good[:100], *bad, *good[100:])
    assert (set(of(answers.done)), set(of(answers.refused))) == (set(good), set(bad))
    assert len(cloud.calls.named(REGISTER)) <= 11


def test_a_target_that_drains_is_refused_and_keeps_nobody_out(front: Front) -> None:
    front.register("10.0.0.10")
    front.deregister("10.0.0.10")
    answers = front.register("10.0.0.10", "10.0.0.11", "10.0.0.12")
    assert (of(answers.refused), sorted(of(answers.done))) == (["10.0.0.10"], ["10.0.0.11", "10.0.0.12"])


@pytest.mark.parametrize("limit", [0, 1, 50, 73, 199])
def test_when_a_quota_is_reached_the_first_get_in_and_people_are_told_once(
    cloud: Cloud, front: Front, limit: int
) -> None:
    cloud.quotas.apply(PER_GROUP, limit)
    addresses = ips(200)
    answers = front.register(*addresses)
    assert of(answers.done) == addresses[:limit]
    assert sorted(of(answers.refused)) == sorted(addresses[limit:])
    assert [finding.code for finding in answers.findings] == ["no room"]
    assert len(cloud.calls.named(REGISTER)) <= SPLITS


def test_a_group_that_is_deleted_under_way_takes_nobody_and_keeps_nobody(front: Front) -> None:
    front.register("10.0.0.10")
    front.delete()
    answers = front.register("10.0.0.11", "10.0.0.12")
    assert of(answers.refused) == ["10.0.0.11", "10.0.0.12"]
    assert [finding.code for finding in answers.findings] == ["gone"]
    assert of(front.deregister("10.0.0.10").done) == ["10.0.0.10"]


def test_addresses_outside_of_the_vpc_are_in_all_zones(front: Front) -> None:
    assert of(front.register("10.0.0.10", "10.9.0.10", "100.64.0.10").done) == ["10.0.0.10", "10.9.0.10", "100.64.0.10"]
    assert [front.zone_of(ip) for ip in ("10.0.0.10", "10.9.0.10", "100.64.0.10")] == ["eu-central-1a", "all", "all"]


def test_without_cross_zone_balancing_they_are_in_their_own(cloud: Cloud, front: Front) -> None:
    cloud.client("elbv2").modify_target_group_attributes(
        TargetGroupArn=front.destination.arn,
        Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "false"}],
    )
    assert of(front.register("10.9.0.10", cross_zone=False).done) == ["10.9.0.10"]
    assert front.zone_of("10.9.0.10") == "eu-central-1a"


def test_what_aws_cannot_do_now_is_tried_again_later(cloud: Cloud, front: Front) -> None:
    cloud.faults.plan = FaultPlan(throttled=1.0)
    with calling_as("function"):
        for answers in (front.register(*ips(3)), front.deregister(*ips(3))):
            assert of(answers.failed) == ips(3)
            assert len(answers.errors) == 1
            assert answers.done == answers.refused == []


def test_nothing_is_begun_when_the_invocation_is_about_to_end(cloud: Cloud, front: Front) -> None:
    front.seconds_left = 2
    answers = front.register(*ips(2))
    assert of(answers.failed) == ips(2)
    assert isinstance(answers.errors[0], TimeoutError)
    assert cloud.calls.named(REGISTER) == []


def test_invocations_that_keep_coming_make_as_many_calls_as_aws_allows(cloud: Cloud, front: Front) -> None:
    cloud.call_latency = 0.0
    made = []
    for _ in range(6):
        end, before = cloud.clock.now() + seconds(20), len(cloud.calls.named(REGISTER))
        for number in range(200):
            front.seconds_left = (end - cloud.clock.now()).total_seconds()
            front.register(f"10.0.0.{number + 10}")
        made.append(len(cloud.calls.named(REGISTER)) - before)
        cloud.clock.advance(front.seconds_left)
    assert min(made) >= 60


def test_a_rush_keeps_within_awss_rate(cloud: Cloud, front: Front) -> None:
    cloud.call_latency = 0.0
    with calling_as("function"):
        for number in range(40):
            front.register(f"10.0.0.{number + 10}")
    calls = cloud.calls.named(REGISTER)
    assert {(call.outcome, call.attempts) for call in calls} == {("ok", 1)}


# An AWS that says less than it does


@dataclass
class Taciturn:
    """Load balancing that takes so many targets, refuses some, and does not say which."""

    bad: frozenset[str] = frozenset()
    limit: int = 1000
    error: Exception | None = None
    taken: list[str] = field(default_factory=list)
    calls: int = 0

    def register_targets(self, *, TargetGroupArn: str, Targets: list[dict[str, Any]]) -> None:  # noqa: N803
        self.calls += 1
        if self.error:
            raise self.error
        asked = [target["Id"] for target in Targets]
        if self.bad & set(asked):
            raise refusal("InvalidTarget")
        if len(self.taken) + len(asked) > self.limit:
            raise refusal("TooManyTargets")
        self.taken += asked


class Unhurried:
    """A pace that never waits."""

    def wait(self) -> None:
        return


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "No."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "RegisterTargets")


GROUP = a_target_group()
MOVES = [a_move(ip, GROUP) for ip in ips(200)]


def registering(aws: Taciturn, moves: Sequence[Move] = MOVES) -> CallResults:
    return call_target_group(aws, GROUP, Call.REGISTER, moves, Unhurried())  # type: ignore[arg-type]


@given(bad=st.sampled_from(ips(200)))
def test_one_bad_target_that_is_not_named_is_found_by_halves(bad: str) -> None:
    aws = Taciturn(frozenset({bad}))
    answers = registering(aws)
    assert of(answers.refused) == [bad]
    assert sorted(of(answers.done)) == sorted(aws.taken) == sorted(ip for ip in ips(200) if ip != bad)
    assert aws.calls <= SPLITS


@given(
    count=st.integers(1, 200),
    bad=st.frozensets(st.sampled_from(ips(200)), max_size=40),
    limit=st.integers(0, 220),
)
def test_every_target_ends_in_one_list_and_only_those_aws_took_are_done(
    count: int, bad: frozenset[str], limit: int
) -> None:
    aws = Taciturn(bad, limit)
    answers = registering(aws, MOVES[:count])
    assert sorted(of(answers.done)) == sorted(aws.taken)
    assert sorted(of([*answers.done, *answers.refused, *answers.failed])) == sorted(ips(count))
    assert bool(answers.errors) == bool(answers.failed)
    assert bool(answers.findings) == bool(answers.refused)
    assert aws.calls <= 2 * SPLITS


@given(limit=st.integers(0, 220))
def test_exactly_as_many_as_fit_are_let_in(limit: int) -> None:
    aws = Taciturn(limit=limit)
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
def test_what_a_retry_may_mend_is_no_refusal(error: Exception) -> None:
    aws = Taciturn(error=error)
    answers = registering(aws)
    assert (len(answers.failed), answers.errors, aws.calls) == (200, [error], 1)
