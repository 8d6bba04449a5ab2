"""A wrong setting stops the function at its first line, and says which it is."""

import pytest

from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode
from berthmaster.targets.model import Policy
from berthmaster.targets.settings import GateSettings, ReconcileSettings, SyncSettings

BOTH = {
    "TARGETS_TABLE": "table",
    "EVENT_BUS": "berthmaster",
    "TARGETS_MODE": "enforce",
    "TARGETS_WAIT_FOR_HEALTH": "true",
}
SYNC = BOTH | {"TARGETS_QUEUE_URL": "https://queue"}
RECONCILE = BOTH | {
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:topic",
    "TARGETS_BREAKER_PERCENT": "30",
    "TARGETS_BREAKER_FLOOR": "5",
}


def test_the_templates_defaults_are_the_policys_own() -> None:
    assert SyncSettings.from_environment(SYNC).policy == Policy()
    assert ReconcileSettings.from_environment(RECONCILE).policy == Policy()


def test_who_must_ask_registers_nothing_at_once_and_who_observes_plans_as_if_it_might() -> None:
    for mode, at_once in ((Mode.APPROVE, False), (Mode.OBSERVE, True)):
        sync = SyncSettings.from_environment(SYNC | {"TARGETS_MODE": mode})
        reconcile = ReconcileSettings.from_environment(RECONCILE | {"TARGETS_MODE": mode})
        assert sync.targets_mode is reconcile.targets_mode is mode
        assert sync.policy == reconcile.policy == Policy(registers_at_once=at_once)


def test_settings_become_a_policy() -> None:
    waits = {"TARGETS_WAIT_FOR_HEALTH": "false"}
    breaker = {"TARGETS_BREAKER_PERCENT": "100", "TARGETS_BREAKER_FLOOR": "0"}
    assert SyncSettings.from_environment(SYNC | waits).policy == Policy(wait_for_health=False)
    policy = ReconcileSettings.from_environment(RECONCILE | waits | breaker).policy
    assert policy == Policy(wait_for_health=False, breaker_share=1.0, breaker_floor=0)


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
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        ReconcileSettings.from_environment(RECONCILE | {name: value})
    assert refused.value.field == name


@pytest.mark.parametrize("name", sorted(SYNC))
def test_a_setting_of_sync_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        SyncSettings.from_environment(SYNC | {name: ""})
    assert refused.value.field == name


def test_the_gate_reads_its_own() -> None:
    gate = {"TARGETS_TABLE": "table", "TARGETS_MODE": "enforce", "TARGETS_GATE_MINUTES": "30"}
    assert GateSettings.from_environment(gate).targets_gate_minutes == 30
    with pytest.raises(InvalidSetting, match="TARGETS_GATE_MINUTES"):
        GateSettings.from_environment(gate | {"TARGETS_GATE_MINUTES": "0"})
