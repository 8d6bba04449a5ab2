"""Each event comes to its function by exactly one rule, and what only looks like one wakes nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from berthmaster.bus import OPERATOR_SOURCE, SOURCE
from berthmaster.capacity import triggers as capacity
from berthmaster.targets import triggers as targets
from berthmaster.targets.model import Phase
from tests.template.application import named, of_type, properties
from tests.template.events import QUEUED, but, event_in, matches, queue_of, read

RULES = {
    "capacity_expand_alarm": "AlarmRule",
    "capacity_expand_autoscaling": "LaunchFailedRule",
    "capacity_expand_cloudtrail_addresses": "ApiErrorRule",
    "capacity_expand_cloudtrail_parameter": "ApiErrorRule",
    "capacity_expand_cloudtrail_prefixes": "ApiErrorRule",
    "capacity_expand_expand_requested": "OperatorRule",
    "capacity_expand_expansion_continued": "NeedRule",
    "capacity_expand_expansion_retired": "OperatorRule",
    "capacity_expand_expansion_stalled": "NeedRule",
    "capacity_expand_ipam_alarm": "AlarmRule",
    "capacity_expand_placement_failure": "PlacementFailureRule",
    "capacity_expand_plan_approved": "OperatorRule",
    "capacity_expand_plan_rejected": "OperatorRule",
    "capacity_expand_room_needed": "NeedRule",
    "capacity_expand_task_stopped": "TaskStoppedRule",
    "targets_sync_change_approved": "TargetsOperatorRule",
    "targets_sync_change_rejected": "TargetsOperatorRule",
    "targets_sync_drain_requested": "TargetsOperatorRule",
    "targets_sync_spot_notice": "TaskStateRule",
    "targets_sync_task_deactivating": "TaskStateRule",
    "targets_sync_task_running": "TaskStateRule",
    "targets_sync_task_stopped": "TaskStateRule",
    "targets_sync_task_stopping": "TaskStateRule",
}
SENT_TO_ONESELF = {"targets_sync_look_again"}
DEFAULT_BUS = "default"
PARSERS = {"CapacityQueue": capacity.parse, "TargetsQueue": targets.parse}


def rules_for(event: Mapping[str, Any], queue: str, bus: str | None = None) -> list[str]:
    """The rules that bring an event to a queue, from the bus that its source puts it on."""
    bus = bus or ("${Bus}" if event["source"] in {SOURCE, OPERATOR_SOURCE} else DEFAULT_BUS)
    return [
        name
        for name, rule in of_type("AWS::Events::Rule").items()
        if rule.get("EventBusName", DEFAULT_BUS) == bus
        and queue in {named(target["Arn"]) for target in rule["Targets"]}
        and matches(rule["EventPattern"], event)
    ]


@pytest.mark.parametrize("name", QUEUED)
def test_an_event_is_taken_by_its_rule_and_no_other(name: str) -> None:
    assert rules_for(event_in(name), queue_of(name)) == ([] if name in SENT_TO_ONESELF else [RULES[name]])


@pytest.mark.parametrize("name", [name for name in QUEUED if name not in SENT_TO_ONESELF])
def test_an_event_of_one_automation_is_understood_by_each_that_gets_it(name: str) -> None:
    for queue, parse in PARSERS.items():
        if rules_for(event_in(name), queue):
            parse(read(name)["Records"][0]["body"])


def test_every_rule_has_an_event_that_shows_it() -> None:
    assert set(RULES.values()) == set(of_type("AWS::Events::Rule"))


@pytest.mark.parametrize("name", sorted(SENT_TO_ONESELF))
def test_what_a_function_sends_to_itself_is_understood(name: str) -> None:
    PARSERS[queue_of(name)](read(name)["Records"][0]["body"])


@pytest.mark.parametrize(
    "name", ["capacity_expand_plan_approved", "capacity_expand_room_needed", "targets_sync_drain_requested"]
)
def test_the_default_bus_carries_no_word_of_berthmasters(name: str) -> None:
    assert [rules_for(event_in(name), queue, DEFAULT_BUS) for queue in PARSERS] == [[], []]


@pytest.mark.parametrize("desired", ["RUNNING", "STOPPED"])
@pytest.mark.parametrize(
    "last", ["PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
)
def test_targets_hear_of_every_task_that_has_or_had_an_address(last: str, desired: str) -> None:
    event = but(but(event_in("targets_sync_task_running"), "detail.lastStatus", last), "detail.desiredStatus", desired)
    assert rules_for(event, "TargetsQueue") == ["TaskStateRule"]


def test_targets_do_not_hear_of_a_task_that_has_no_address_yet() -> None:
    event = but(event_in("targets_sync_task_running"), "detail.lastStatus", "PROVISIONING")
    assert rules_for(event, "TargetsQueue") == []


@pytest.mark.parametrize("name", ["spot_notice", "task_deactivating", "task_stopped", "task_stopping"])
def test_the_samples_of_a_task_that_leaves_say_so(name: str) -> None:
    match targets.parse(read(f"targets_sync_{name}")["Records"][0]["body"]):
        case targets.Sighting(task=task):
            assert task.phase is Phase.LEAVING
        case other:
            pytest.fail(f"it says {other}")


OWN_ROLE = "${CapacityExpandRole.Arn}"
ISSUER = "detail.userIdentity.sessionContext.sessionIssuer.arn"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("alarm", "detail.state.value", "OK", id="an alarm that ends"),
        pytest.param("alarm", "detail.configuration.metrics.0.metricStat.metric.namespace", "AWS/SQS", id="another's"),
        pytest.param("alarm", "detail.configuration.metrics.0.metricStat.metric.name", "Expansions", id="no shortage"),
        pytest.param("alarm", "detail.configuration.metrics", [], id="a composite alarm"),
        pytest.param("ipam_alarm", "detail.configuration.metrics.0.metricStat.metric.name", "Overlapping", id="IPAM's"),
        pytest.param(
            "task_stopped",
            "detail.stoppedReason",
            "Unexpected EC2 error while attempting to Create Network Interface in subnet "
            "'subnet-0a11111111111111a': AuthFailure",
            id="a task that may not",
        ),
        pytest.param(
            "task_stopped",
            "detail.stoppedReason",
            "Rate limit exceeded while attempting to Create Network Interface in subnet 'subnet-0a11111111111111a'",
            id="a task that must wait",
        ),
        pytest.param("task_stopped", "detail.stopCode", "EssentialContainerExited", id="a task that ran"),
        pytest.param("task_stopped", "detail.lastStatus", "DEPROVISIONING", id="a task not yet stopped"),
        pytest.param("placement_failure", "detail.reason", "RESOURCE:CPU", id="no processor"),
        pytest.param("placement_failure", "detail.eventName", "SERVICE_STEADY_STATE", id="a service at rest"),
        pytest.param("cloudtrail_addresses", "detail.errorCode", "Client.UnauthorizedOperation", id="a call forbidden"),
        pytest.param("cloudtrail_addresses", "detail.errorCode", "Server.InsufficientInstanceCapacity", id="no host"),
        pytest.param("cloudtrail_parameter", "detail.errorMessage", "Invalid id: eni-1", id="a call mistyped"),
        pytest.param("cloudtrail_addresses", ISSUER, OWN_ROLE, id="Berthmaster's own canary"),
        pytest.param(
            "autoscaling", "detail.StatusMessage", "We do not have sufficient capacity", id="no host to launch"
        ),
        pytest.param("room_needed", "detail-type", "Expansion Completed", id="news, not a need"),
        pytest.param("plan_approved", "source", "berthmaster.guest", id="not an operator"),
    ],
)
def test_what_only_looks_like_a_shortage_wakes_nothing(name: str, path: str, value: object) -> None:
    assert rules_for(but(event_in(f"capacity_expand_{name}"), path, value), "CapacityQueue") == []


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param(
            "task_stopped",
            "detail.stoppedReason",
            "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled in "
            "subnet 'subnet-0a11111111111111a': InsufficientFreeAddressesInSubnet",
            id="ECS's other wording",
        ),
        pytest.param("cloudtrail_addresses", "detail.errorCode", "InsufficientFreeAddressesInSubnet", id="no prefix"),
        pytest.param("cloudtrail_addresses", "detail.userIdentity", {"type": "IAMUser"}, id="a caller without a role"),
    ],
)
def test_a_shortage_in_other_words_is_heard(name: str, path: str, value: object) -> None:
    name = f"capacity_expand_{name}"
    assert rules_for(but(event_in(name), path, value), "CapacityQueue") == [RULES[name]]


def test_the_bus_is_open_to_nobody_but_those_iam_lets_in() -> None:
    assert of_type("AWS::Events::EventBusPolicy") == {}
    assert properties("Bus")["Name"] == "berthmaster"
