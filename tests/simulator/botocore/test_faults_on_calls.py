"""Throttling, server errors and lost answers: botocore's own retries meet them, in virtual time."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan, Outage


def run(seed: int, **faults: float) -> tuple[list[str], float, int]:
    """A function that lists, reads and creates; returns its record, the time it took, and how many VPCs it made."""
    with Cloud(seed=seed, faults=FaultPlan(seed=seed, **faults)) as cloud:
        before = len(cloud.client("ec2").describe_vpcs()["Vpcs"])
        start = cloud.clock.timestamp()
        with calling_as("Fn"):
            ec2, sqs = cloud.client("ec2"), cloud.client("sqs")
            for _ in range(5):
                ec2.describe_vpcs()
                ec2.describe_availability_zones()
                sqs.list_queues()
                ec2.create_vpc(CidrBlock="10.0.0.0/16")
        took = cloud.clock.timestamp() - start
        record = [f"{call} {call.attempts}" for call in cloud.calls.of("Fn")]
        return record, took, len(cloud.client("ec2").describe_vpcs()["Vpcs"]) - before


def test_retries_cost_virtual_time() -> None:
    record, took, created = run(3, throttled=0.2, server_error=0.1)
    assert any(line.endswith(" 2") for line in record)
    assert took > 0.1
    assert created == 5


def test_aws_has_done_the_work_of_a_lost_response() -> None:
    _, _, created = run(3, lost_response=0.3)
    assert created > 5


def test_one_response_is_lost() -> None:
    with Cloud() as cloud:
        before = len(cloud.client("ec2").describe_vpcs()["Vpcs"])
        cloud.faults.lose_response(lambda call: call.name == "ec2:CreateVpc")
        with calling_as("Fn"):
            cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
            cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
        assert [call.attempts for call in cloud.calls.of("Fn")] == [2, 1]
        assert len(cloud.client("ec2").describe_vpcs()["Vpcs"]) - before == 3


def test_the_seed_reproduces_a_run() -> None:
    assert run(5, throttled=0.2, lost_response=0.1) == run(5, throttled=0.2, lost_response=0.1)
    assert run(5, throttled=0.2) != run(6, throttled=0.2)


def test_calls_of_the_operator_have_no_faults() -> None:
    with Cloud(faults=FaultPlan(throttled=1.0)) as cloud:
        cloud.client("ec2").describe_vpcs()
        assert [call.attempts for call in cloud.calls] == [1]


def test_an_outage_outlasts_retries_and_ends() -> None:
    with Cloud() as cloud:
        cloud.faults.begin_outage(Outage("ec2:DescribeVpcs", until=cloud.clock.timestamp() + 60))
        with calling_as("Fn"):
            with pytest.raises(ClientError, match="InternalError"):
                cloud.client("ec2").describe_vpcs()
            cloud.client("ec2").describe_subnets()
            cloud.clock.advance(60)
            cloud.client("ec2").describe_vpcs()
        cloud.client("ec2").describe_vpcs()
