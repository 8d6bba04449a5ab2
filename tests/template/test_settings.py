"""Each function reads exactly the environment variables that the template sets."""

from datetime import timedelta

import pytest
from msgspec import Struct
from msgspec.structs import fields

from berthmaster import settings
from berthmaster.batch.settings import ControlSettings, DispatchSettings, FollowSettings, IntakeSettings
from berthmaster.batch.settings import ReconcileSettings as BatchReconcileSettings
from berthmaster.capacity.expand import LEAST_FOR_REQUEST, LEAST_TIME
from berthmaster.capacity.settings import ExpandSettings, MetricDetail, WatchSettings
from berthmaster.modes import Mode
from berthmaster.security_groups.settings import (
    ChangeSettings,
    CreditSettings,
    ReportSettings,
    SurveySettings,
    TrackSettings,
)
from berthmaster.security_groups.settings import WatchSettings as RejectionSettings
from berthmaster.targets.settings import GateSettings, PodsSettings, ReconcileSettings, SyncSettings
from simulator.template_contract.application import FUNCTIONS, of_type, properties, source
from tests.template.events import read


class NoSettings(Struct):
    """Of a function that is told everything."""


SETTINGS: dict[str, type[Struct]] = {
    "CapacityWatchFunction": WatchSettings,
    "CapacityExpandFunction": ExpandSettings,
    "TargetsSyncFunction": SyncSettings,
    "TargetsReconcileFunction": ReconcileSettings,
    "TargetsPodsFunction": PodsSettings,
    "TargetsPodsReaderFunction": NoSettings,
    "TargetsGateFunction": GateSettings,
    "BatchControlFunction": ControlSettings,
    "BatchIntakeFunction": IntakeSettings,
    "BatchDispatchFunction": DispatchSettings,
    "BatchFollowFunction": FollowSettings,
    "BatchReconcileFunction": BatchReconcileSettings,
    "SecurityGroupsSurveyFunction": SurveySettings,
    "SecurityGroupsTrackFunction": TrackSettings,
    "SecurityGroupsCreditFunction": CreditSettings,
    "SecurityGroupsWatchFunction": RejectionSettings,
    "SecurityGroupsReportFunction": ReportSettings,
    "SecurityGroupsChangeFunction": ChangeSettings,
}
OF_POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
PARAMETERS = source()["Parameters"]


def environment(function: str) -> dict[str, str]:
    """The variables of a function, each parameter at its default."""
    return {name: str(value) for name, value in properties(function)["Environment"]["Variables"].items()}


def test_every_function_has_settings() -> None:
    assert set(SETTINGS) == set(of_type("AWS::Lambda::Function")) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_variables_are_the_fields(function: str) -> None:
    declared = set(environment(function)) - OF_POWERTOOLS
    assert declared == {field.name.upper() for field in fields(SETTINGS[function])}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_defaults_are_accepted(function: str) -> None:
    settings.read(environment(function), SETTINGS[function])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_bounds_are_accepted(function: str) -> None:
    written = source()["Resources"][function]["Properties"]["Environment"]["Variables"]
    for variable, value in written.items():
        parameter = PARAMETERS.get(value["Ref"], {}) if isinstance(value, dict) and "Ref" in value else {}
        for bound in (parameter[name] for name in ("MinValue", "MaxValue") if name in parameter):
            settings.read(environment(function) | {variable: str(bound)}, SETTINGS[function])


@pytest.mark.parametrize("waits", PARAMETERS["TargetsWaitForHealth"]["AllowedValues"])
def test_true_and_false_are_understood(waits: str) -> None:
    given = {"TARGETS_WAIT_FOR_HEALTH": waits}
    sync = settings.read(environment("TargetsSyncFunction") | given, SyncSettings)
    reconcile = settings.read(environment("TargetsReconcileFunction") | given, ReconcileSettings)
    assert sync.targets_wait_for_health is reconcile.targets_wait_for_health is (waits == "true")


@pytest.mark.parametrize(
    ("name", "choices"),
    [("CapacityMode", Mode), ("CapacityMetrics", MetricDetail), ("TargetsMode", Mode), ("SecurityGroupsMode", Mode)],
)
def test_the_choices_are_the_same(name: str, choices: type[Mode] | type[MetricDetail]) -> None:
    assert PARAMETERS[name]["AllowedValues"] == list(choices)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_endpoint_is_declared_for_sam_local_and_never_set_in_production(function: str) -> None:
    assert "AWS_ENDPOINT_URL" in source()["Globals"]["Function"]["Environment"]["Variables"]
    assert "AWS_ENDPOINT_URL" not in environment(function)


def test_sam_local_is_given_only_variables_that_exist() -> None:
    given = set(read("local-env")["Parameters"])
    assert given <= {"AWS_ENDPOINT_URL"}.union(*(environment(function) for function in FUNCTIONS))


def test_sam_local_is_given_every_resource_that_a_function_names() -> None:
    named = set[str]().union(*(environment(function) for function in FUNCTIONS))
    resources = {one for one in named if one.endswith(("_TABLE", "_QUEUE_URL", "_BUCKET", "_ARN", "_BUS"))}
    assert resources <= set(read("local-env")["Parameters"])


def test_capacity_expand_begins_work_in_its_first_seconds_only_and_has_time_to_end_it() -> None:
    timeout = timedelta(seconds=properties("CapacityExpandFunction")["Timeout"])
    assert timedelta(seconds=10) <= timeout - LEAST_TIME <= timedelta(seconds=20)
    assert LEAST_TIME > LEAST_FOR_REQUEST
