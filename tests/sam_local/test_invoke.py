"""Each function, as it is packaged, runs in Lambda's container and answers each of its events."""

import re

import pytest

from tests.sam_local.containers import EVENTS, VARIABLES, Application

FUNCTIONS = {
    "capacity_watch": "CapacityWatchFunction",
    "capacity_expand": "CapacityExpandFunction",
    "targets_sync": "TargetsSyncFunction",
    "targets_reconcile": "TargetsReconcileFunction",
    "targets_pods": "TargetsPodsFunction",
    "targets_pods_reader": "TargetsPodsReaderFunction",
    "targets_gate": "TargetsGateFunction",
    "batch_intake": "BatchIntakeFunction",
    "batch_dispatch": "BatchDispatchFunction",
    "batch_follow": "BatchFollowFunction",
    "batch_reconcile": "BatchReconcileFunction",
    "batch_control": "BatchControlFunction",
    "security_groups_survey": "SecurityGroupsSurveyFunction",
    "security_groups_track": "SecurityGroupsTrackFunction",
    "security_groups_credit": "SecurityGroupsCreditFunction",
    "security_groups_watch": "SecurityGroupsWatchFunction",
    "security_groups_report": "SecurityGroupsReportFunction",
    "security_groups_change": "SecurityGroupsChangeFunction",
}
NOT_THERE = re.compile(r"is not known|does not know the task")
"""Why requests about expansions, changes and tasks fail that the simulated AWS does not have; nothing else may."""
INVOCATIONS = [
    (FUNCTIONS[max(prefixes, key=len)], path.stem)
    for path in sorted(EVENTS.glob("*.json"))
    if (prefixes := [prefix for prefix in FUNCTIONS if path.stem.startswith(prefix)])
]


@pytest.mark.usefixtures("_aws")
@pytest.mark.parametrize(("function", "event"), INVOCATIONS)
def test_a_function_answers(application: Application, function: str, event: str) -> None:
    answer = application.invoke(function, event)
    assert not answer.is_error, answer.log
    if answer.value.get("batchItemFailures"):
        assert NOT_THERE.search(answer.log)
    assert answer.value.get("hookStatus") != "FAILED"


def test_every_event_belongs_to_a_function() -> None:
    assert {event for _, event in INVOCATIONS} == {path.stem for path in EVENTS.glob("*.json")} - {VARIABLES.stem}
