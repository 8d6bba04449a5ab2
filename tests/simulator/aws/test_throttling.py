"""Token buckets of AWS's APIs, and that botocore sees them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from simulator.aws.throttling import TokenBucket
from simulator.errors import AwsError, Throttled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.cloud import Cloud


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_window_holds_more_than_the_burst_and_what_was_refilled(pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(rate=2, burst=5), 1e9, []
    for pause in pauses:
        now += pause
        if bucket.take(now):
            taken.append(now)
    for first, start in enumerate(taken):
        for last, end in enumerate(taken[first:], start=first):
            assert last - first + 1 <= 5 + 2 * (end - start) + 1e-6


def throttle_update_service(cloud: Cloud, bucket: TokenBucket) -> None:
    def answer(cloud: Cloud, _: Mapping[str, Any]) -> dict[str, Any]:
        if not bucket.take(cloud.clock.timestamp()):
            raise Throttled("ThrottlingException", "Rate exceeded")
        return {"service": {}}

    cloud.handlers["ecs:UpdateService"] = answer


def test_botocore_waits_and_tries_a_throttled_call_again(cloud: Cloud) -> None:
    throttle_update_service(cloud, TokenBucket(rate=1, burst=1))
    ecs, began = cloud.client("ecs"), time.time()
    ecs.update_service(service="a")
    assert time.time() == began
    ecs.update_service(service="b")
    assert time.time() > began
    first, second = cloud.calls
    assert (first.attempts, first.outcome) == (1, "ok")
    assert second.attempts > 1
    assert second.outcome == "ok"


def test_a_call_that_is_throttled_each_time_fails(cloud: Cloud) -> None:
    throttle_update_service(cloud, TokenBucket(rate=0, burst=0))
    with pytest.raises(ClientError, match="ThrottlingException"):
        cloud.client("ecs").update_service(service="a")
    assert cloud.calls.all[-1].outcome == "ThrottlingException"


def test_an_error_carries_the_members_its_model_lists(cloud: Cloud) -> None:
    def answer(_: Cloud, __: Mapping[str, Any]) -> None:
        raise AwsError("DuplicateRequest", "Another operation is in progress.", DuplicateOperationId="op-1")

    cloud.handlers["servicediscovery:RegisterInstance"] = answer
    with pytest.raises(ClientError) as refused:
        cloud.client("servicediscovery").register_instance(ServiceId="s", InstanceId="i", Attributes={})
    assert refused.value.response["DuplicateOperationId"] == "op-1"
