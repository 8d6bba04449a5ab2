"""A wrong setting stops the function at its first line, and says which it is."""

import pytest

from berthmaster.capacity.model import Policy
from berthmaster.capacity.settings import ExpandSettings, MetricDetail, WatchSettings
from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode

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
    settings = ExpandSettings.from_environment(EXPAND)
    assert settings.capacity_mode is Mode.APPROVE
    assert [str(pool) for pool in settings.policy.pools] == ["100.64.0.0/10", "10.9.0.0/16"]


def test_the_templates_defaults_are_the_policys_own() -> None:
    environment = EXPAND | {"CAPACITY_MODE": "observe", "CAPACITY_POOLS": "100.64.0.0/10"}
    assert ExpandSettings.from_environment(environment).policy == Policy()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAPACITY_TABLE", ""),
        ("CAPACITY_MODE", "yolo"),
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
        ExpandSettings.from_environment(EXPAND | {name: value})
    assert refused.value.field == name


def test_the_watch_reads_its_own() -> None:
    settings = WatchSettings.from_environment({"CAPACITY_TABLE": "t", "EVENT_BUS": "b", "CAPACITY_METRICS": "subnet"})
    assert settings.capacity_metrics is MetricDetail.SUBNET
