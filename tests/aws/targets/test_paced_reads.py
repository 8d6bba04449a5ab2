"""Reads of load balancers stay within the rate that all functions share."""

from collections.abc import Iterator

import pytest

from berthmaster.concurrently import concurrently
from berthmaster.paced_reads import AT_ONCE, PacedReads
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.latency import Constant
from tests.support.tables import create_targets_table
from tests.support.targets.reads import paced_reads

READ = "elbv2:DescribeTargetGroups"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1, latency=Constant()) as cloud:
        create_targets_table(cloud.client("dynamodb"))
        yield cloud


def read(cloud: Cloud, reads: PacedReads, count: int) -> list[Exception]:
    """Make so many reads as a function does; returns the errors."""
    describe = cloud.client("elbv2").describe_target_groups
    with calling_as("function"):
        outcomes = concurrently(lambda _: reads.call(describe), range(count), at_once=AT_ONCE)
    return [one.error for one in outcomes if one.error]


def test_no_read_is_throttled_however_many_there_are(cloud: Cloud) -> None:
    assert read(cloud, paced_reads(cloud, seconds_left=60), 200) == []
    calls = cloud.calls.named(READ)
    assert {(call.outcome, call.attempts) for call in calls} == {("ok", 1)}
    assert calls[-1].at - calls[0].at < 200 / 8


def test_two_functions_share_the_rate(cloud: Cloud) -> None:
    sync, reconcile = paced_reads(cloud), paced_reads(cloud, urgent=False)
    for _ in range(30):
        assert read(cloud, sync, 2) == read(cloud, reconcile, 2) == []
    assert {(call.outcome, call.attempts) for call in cloud.calls.named(READ)} == {("ok", 1)}


def test_a_reconciliation_leaves_a_third_of_the_burst_to_events(cloud: Cloud) -> None:
    began = cloud.clock.timestamp()
    assert read(cloud, paced_reads(cloud, urgent=False), 60) == []
    at = cloud.clock.timestamp()
    assert at > began
    assert read(cloud, paced_reads(cloud), 7) == []
    assert cloud.clock.timestamp() == at


def test_no_read_is_begun_shortly_before_the_deadline(cloud: Cloud) -> None:
    [error] = read(cloud, paced_reads(cloud, seconds_left=2), 1)
    assert isinstance(error, TimeoutError)
    assert cloud.calls.named(READ) == []


def test_what_does_not_fit_into_an_invocation_is_refused(cloud: Cloud) -> None:
    began = cloud.clock.timestamp()
    errors = read(cloud, paced_reads(cloud, seconds_left=10), 200)
    assert {type(error) for error in errors} == {TimeoutError}
    assert 0 < len(errors) < 200
    assert cloud.clock.timestamp() - began < 10
