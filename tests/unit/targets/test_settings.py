"""Settings become a policy, and a wrong one is named."""

import pytest

from berthmaster import settings
from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode
from berthmaster.pace import Rate
from berthmaster.targets.model import Policy
from berthmaster.targets.settings import GateSettings, ReconcileSettings, SyncSettings

BOTH = {
    "TARGETS_TABLE": "table",
    "EVENT_BUS": "berthmaster",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:topic",
    "TARGETS_MODE": "enforce",
    "TARGETS_WAIT_FOR_HEALTH": "true",
    "TARGETS_READ_RATE": "8",
    "TARGETS_READ_BURST": "30",
    "TARGETS_CALL_RATE": "4",
    "TARGETS_CALL_BURST": "20",
}
SYNC = BOTH | {"TARGETS_QUEUE_URL": "https://queue"}
RECONCILE = BOTH | {
    "TARGETS_BREAKER_PERCENT": "30",
    "TARGETS_BREAKER_FLOOR": "5",
    "TARGETS_MINIMUM_TARGETS": "1",
}


def test_the_defaults_of_the_template_are_those_of_the_policy() -> None:
    assert settings.read(SYNC, SyncSettings).policy == Policy()
    assert settings.read(RECONCILE, ReconcileSettings).policy == Policy()


def test_in_mode_approve_nothing_is_registered_at_once_and_in_mode_observe_nothing_at_all() -> None:
    for mode, registers in ((Mode.APPROVE, True), (Mode.OBSERVE, False)):
        sync = settings.read(SYNC | {"TARGETS_MODE": mode}, SyncSettings)
        reconcile = settings.read(RECONCILE | {"TARGETS_MODE": mode}, ReconcileSettings)
        assert sync.targets_mode is reconcile.targets_mode is mode
        assert sync.policy == reconcile.policy == Policy(registers=registers, registers_at_once=False)


def test_settings_become_a_policy() -> None:
    waits = {"TARGETS_WAIT_FOR_HEALTH": "false"}
    breaker = {"TARGETS_BREAKER_PERCENT": "100", "TARGETS_BREAKER_FLOOR": "0", "TARGETS_MINIMUM_TARGETS": "2"}
    assert settings.read(SYNC | waits, SyncSettings).policy == Policy(wait_for_health=False)
    policy = settings.read(RECONCILE | waits | breaker, ReconcileSettings).policy
    assert policy == Policy(wait_for_health=False, breaker_share=1.0, breaker_floor=0, minimum_targets=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TARGETS_TABLE", ""),
        ("TARGETS_MODE", "yolo"),
        ("TARGETS_WAIT_FOR_HEALTH", "yes"),
        ("TARGETS_BREAKER_PERCENT", "0"),
        ("TARGETS_BREAKER_PERCENT", "101"),
        ("TARGETS_BREAKER_PERCENT", "30%"),
        ("TARGETS_BREAKER_FLOOR", "-1"),
        ("TARGETS_BREAKER_FLOOR", "few"),
        ("TARGETS_READ_RATE", "0"),
        ("TARGETS_READ_RATE", "29"),
        ("TARGETS_READ_BURST", "9"),
        ("TARGETS_MINIMUM_TARGETS", "-1"),
        ("TARGETS_CALL_RATE", "0"),
        ("TARGETS_CALL_RATE", "fast"),
        ("TARGETS_CALL_BURST", "3"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        settings.read(RECONCILE | {name: value}, ReconcileSettings)
    assert refused.value.field == name


def test_a_burst_that_the_rate_would_never_let_fill_up_is_named() -> None:
    with pytest.raises(InvalidSetting, match="TARGETS_READ_BURST: 15 is less than the 22"):
        settings.read(RECONCILE | {"TARGETS_READ_RATE": "20", "TARGETS_READ_BURST": "15"}, ReconcileSettings)


@pytest.mark.parametrize("name", sorted(SYNC))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        settings.read(SYNC | {name: ""}, SyncSettings)
    assert refused.value.field == name


def test_the_gate_has_its_own_settings() -> None:
    gate = BOTH | {"TARGETS_GATE_MINUTES": "30"}
    assert settings.read(gate, GateSettings).targets_gate_minutes == 30
    with pytest.raises(InvalidSetting, match="TARGETS_GATE_MINUTES"):
        settings.read(gate | {"TARGETS_GATE_MINUTES": "0"}, GateSettings)


def test_a_burst_that_the_rate_uses_up_is_named() -> None:
    assert settings.read(SYNC, SyncSettings).rate == Rate(calls=4.0, burst=20.0)
    rates = {"TARGETS_CALL_RATE": "9.5", "TARGETS_CALL_BURST": "11"}
    with pytest.raises(InvalidSetting, match=r"TARGETS_CALL_RATE, 9\.5") as refused:
        _ = settings.read(RECONCILE | rates, ReconcileSettings).rate
    assert refused.value.field == "TARGETS_CALL_BURST"
