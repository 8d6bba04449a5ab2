"""The settings of the capacity functions; a wrong one stops the function at its start and is named."""

import pytest

from berthmaster.capacity.model.plan import Policy
from berthmaster.capacity.settings import ExpandSettings, MetricDetail, WatchSettings
from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode
from berthmaster.settings import read

EXPAND = {
    "CAPACITY_TABLE": "table",
    "CAPACITY_QUEUE_URL": "https://queue",
    "EVENT_BUS": "berthmaster",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:topic",
    "CAPACITY_MODE": "approve",
    "CAPACITY_POOLS": "100.64.0.0/10, 10.9.0.0/16",
    "CAPACITY_IPAM_POOL": "",
    "CAPACITY_AVOID": "",
    "CAPACITY_HORIZON_DAYS": "30",
    "CAPACITY_BLOCK_PREFIX_LENGTH": "20",
    "CAPACITY_EXPANSIONS_PER_DAY": "3",
    "CAPACITY_CALLER_ROLES": "",
}


def test_settings_become_a_policy() -> None:
    settings = read(EXPAND, ExpandSettings)
    assert settings.capacity_mode is Mode.APPROVE
    assert [str(pool) for pool in settings.policy.pools] == ["100.64.0.0/10", "10.9.0.0/16"]


def test_the_defaults_of_the_template_are_those_of_the_policy() -> None:
    environment = EXPAND | {"CAPACITY_MODE": "observe", "CAPACITY_POOLS": "100.64.0.0/10"}
    assert read(environment, ExpandSettings).policy == Policy()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAPACITY_TABLE", ""),
        ("CAPACITY_MODE", "always"),
        ("CAPACITY_POOLS", "100.64.0.0/99"),
        ("CAPACITY_POOLS", ""),
        ("CAPACITY_AVOID", "10.0.0.1/8"),
        ("CAPACITY_HORIZON_DAYS", "0"),
        ("CAPACITY_HORIZON_DAYS", "a month"),
        ("CAPACITY_BLOCK_PREFIX_LENGTH", "15"),
        ("CAPACITY_EXPANSIONS_PER_DAY", "-1"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read(EXPAND | {name: value}, ExpandSettings)
    assert refused.value.field == name


def test_an_ipam_pool_is_enough() -> None:
    settings = read(EXPAND | {"CAPACITY_POOLS": "", "CAPACITY_IPAM_POOL": "ipam-pool-0a1b2c3d"}, ExpandSettings)
    assert settings.policy.pools == ()


def test_the_watch_reads_its_own() -> None:
    environment = {"CAPACITY_TABLE": "t", "EVENT_BUS": "b", "CAPACITY_MODE": "off", "CAPACITY_METRICS": "subnet"}
    settings = read(environment, WatchSettings)
    assert (settings.capacity_mode, settings.capacity_metrics) == (Mode.OFF, MetricDetail.SUBNET)
