"""BatchPrices: what replaces the prices that Berthmaster knows, and what is wrong with it."""

import pytest

from berthmaster import settings
from berthmaster.batch.plan.prices import prices_of
from berthmaster.batch.settings import PricedSettings
from berthmaster.errors import InvalidSetting

GIVEN = {
    "BATCH_TABLE": "table",
    "BATCH_MODE": "enforce",
    "BATCH_KEPT_DAYS": "90",
    "STACK": "berthmaster",
    "EVENT_BUS": "berthmaster",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:topic",
}


def read(prices: str) -> PricedSettings:
    return settings.read(GIVEN | {"BATCH_PRICES": prices}, PricedSettings)


def test_without_prices_those_of_the_region_count() -> None:
    assert read("").prices("eu-west-1") == prices_of("eu-west-1")


def test_each_price_may_be_given() -> None:
    found = read('{"vcpu": 0.04, "spotShare": 0.25, "asOf": "2026-12-01"}').prices("eu-central-1")
    assert (found.vcpu, found.gib, found.spot_share, found.as_of) == (0.04, 0.00511, 0.25, "2026-12-01")
    assert found.arm_vcpu == pytest.approx(0.04 * 0.8)


@pytest.mark.parametrize(
    ("prices", "problem"),
    [
        ("{", "truncated"),
        ("[0.04]", "object"),
        ('{"cpu": 0.04}', "unknown field `cpu`"),
        ('{"vcpu": "0.04"}', r"\$\.vcpu"),
        ('{"gib": 0}', r"\$\.gib"),
        ('{"armVcpu": -1}', r"\$\.armVcpu"),
        ('{"spotShare": 70}', r"\$\.spotShare"),
        ('{"asOf": "today"}', r"\$\.asOf"),
    ],
)
def test_what_is_wrong_is_named(prices: str, problem: str) -> None:
    with pytest.raises(InvalidSetting, match=problem) as refused:
        read(prices).prices("eu-central-1")
    assert refused.value.field == "BATCH_PRICES"
