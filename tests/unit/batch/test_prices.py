"""What a second of a task costs, by Region, architecture, provider and size."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.prices import Resources
from berthmaster.batch.plan.prices import dollars, dollars_per_second, prices_of, replaced
from berthmaster.batch.plan.sizes import SIZES, Size

HALF = Resources(cpu=512, memory=1024)


def test_a_task_costs_what_the_price_page_says() -> None:
    """10,000 tasks of 40 seconds: 0.5 vCPU and 1 GB in us-east-1, a minute each."""
    us = prices_of("us-east-1")
    assert 10_000 * dollars(us, HALF, 40) == pytest.approx(10_000 / 60 * (0.5 * 0.04048 + 0.004445))
    arm = Resources(cpu=512, memory=1024, is_arm=True)
    assert dollars(us, arm, 3600) == pytest.approx(0.5 * 0.03238 + 0.00356)
    assert dollars_per_second(us, Resources(cpu=512, memory=1024, storage=120)) * 3600 == pytest.approx(
        0.5 * 0.04048 + 0.004445 + 100 * 0.000111
    )


def test_the_dearest_prices_stand_for_a_region_that_is_not_known() -> None:
    unknown = prices_of("xx-moon-1")
    assert unknown.is_guessed
    assert not prices_of("sa-east-1").is_guessed
    assert all(
        dollars(unknown, HALF, 60) >= dollars(prices_of(region), HALF, 60)
        for region in ("sa-east-1", "ap-east-1", "us-east-1", "eu-central-1")
    )


def test_what_is_given_replaces_what_is_known_and_arm_follows_x86() -> None:
    us = prices_of("us-east-1")
    halved = replaced(us, {"vcpu": us.vcpu / 2, "as_of": "2026-12-01"})
    assert (halved.vcpu, halved.gib, halved.arm_gib, halved.as_of) == (us.vcpu / 2, us.gib, us.arm_gib, "2026-12-01")
    assert halved.arm_vcpu == pytest.approx(us.arm_vcpu / 2)
    assert replaced(us, {"vcpu": 1.0, "arm_vcpu": 0.9}).arm_vcpu == 0.9
    assert not replaced(prices_of("xx-moon-1"), {"vcpu": 0.05}).is_guessed


@given(
    st.sampled_from(SIZES),
    st.booleans(),
    st.integers(20, 200),
    st.floats(0, 1e6),
)
def test_spot_arm_and_less_time_never_cost_more(size: Size, is_spot: bool, storage: int, seconds: float) -> None:  # noqa: FBT001 - drawn
    prices = prices_of("eu-central-1")
    task = Resources(cpu=size.cpu, memory=size.memory, is_spot=is_spot, storage=storage)
    cost = dollars(prices, task, seconds)
    arm = Resources(cpu=size.cpu, memory=size.memory, is_spot=is_spot, storage=storage, is_arm=True)
    assert 0 < dollars(prices, arm, seconds) < cost
    assert cost <= dollars(prices, Resources(cpu=size.cpu, memory=size.memory, storage=storage), seconds)
    assert cost <= dollars(prices, task, seconds + 1)
    assert cost == pytest.approx(dollars_per_second(prices, task) * max(60, math.ceil(seconds)))
