"""Each event reaches its function by exactly one rule, and similar events reach none."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from berthmaster import envelope, requests
from berthmaster.batch import control_triggers
from berthmaster.batch import triggers as batch
from berthmaster.capacity import triggers as capacity
from berthmaster.security_groups import change_triggers, report_triggers, watch_triggers
from berthmaster.security_groups import triggers as security_groups
from berthmaster.security_groups.aws_events import read as topology_event
from berthmaster.security_groups.restore_calls import RestoreCall
from berthmaster.targets import triggers as targets
from berthmaster.targets.model import Phase
from simulator.template_contract.application import ROOT, named, of_type, properties
from tests.template.events import FROM_TOPICS, QUEUED, event_in, matches, queue_of, read, with_value

RULES = {
    "CapacityQueue": {
        "CloudWatch Alarm State Change": "CapacityAlarmRule",
        "ECS Task State Change": "CapacityTaskStoppedRule",
        "ECS Service Action": "CapacityPlacementFailureRule",
        "AWS API Call via CloudTrail": "CapacityApiErrorRule",
        "EC2 Instance Launch Unsuccessful": "CapacityLaunchFailedRule",
        "Room Needed": "CapacityNeedRule",
        "Expansion Stalled": "CapacityNeedRule",
        "Expand Requested": "CapacityOperatorRule",
        "Retirement Requested": "CapacityOperatorRule",
        "Proposal Approved": "CapacityOperatorRule",
        "Proposal Rejected": "CapacityOperatorRule",
        "Pause Requested": "CapacityOperatorRule",
        "Resume Requested": "CapacityOperatorRule",
    },
    "TargetsQueue": {
        "ECS Task State Change": "TargetsTaskStateRule",
        "Drain Requested": "TargetsOperatorRule",
        "Proposal Approved": "TargetsOperatorRule",
        "Proposal Rejected": "TargetsOperatorRule",
        "Pause Requested": "TargetsOperatorRule",
        "Resume Requested": "TargetsOperatorRule",
    },
    "BatchControlQueue": {
        "Parameter Store Change": "BatchPipelineRule",
        "File Status Requested": "BatchOperatorRule",
        "Cancel Requested": "BatchOperatorRule",
        "Replay Requested": "BatchOperatorRule",
        "Backfill Requested": "BatchOperatorRule",
        "Proposal Approved": "BatchOperatorRule",
        "Proposal Rejected": "BatchOperatorRule",
        "Pause Requested": "BatchOperatorRule",
        "Resume Requested": "BatchOperatorRule",
    },
    "BatchObjectQueue": {"Object Created": "BatchObjectRule", "Object Deleted": "BatchObjectRule"},
    "BatchDispatchQueue": {},
    "BatchTaskQueue": {"ECS Task State Change": "BatchTaskStateRule"},
    "BatchResultQueue": {},
    "SecurityGroupsTopologyQueue": {
        "ECS Task State Change": "SecurityGroupsTaskStateRule",
        "AWS API Call via CloudTrail": "SecurityGroupsApiCallRule",
    },
    "SecurityGroupsCreditQueue": {"Object Created": "SecurityGroupsObjectRule"},
    "SecurityGroupsWatchQueue": {"Object Created": "SecurityGroupsObjectRule"},
    "SecurityGroupsReportQueue": {
        "Security Groups Report Requested": "SecurityGroupsOperatorRule",
        "Rule Status Requested": "SecurityGroupsOperatorRule",
        "Flow Log Backfill Requested": "SecurityGroupsOperatorRule",
        "Pause Requested": "SecurityGroupsOperatorRule",
        "Resume Requested": "SecurityGroupsOperatorRule",
    },
    "SecurityGroupsChangeQueue": {
        "Restore Requested": "SecurityGroupsChangeOperatorRule",
        "Removal Status Requested": "SecurityGroupsChangeOperatorRule",
        "Proposal Approved": "SecurityGroupsChangeOperatorRule",
        "Proposal Rejected": "SecurityGroupsChangeOperatorRule",
        "CloudWatch Alarm State Change": "SecurityGroupsRestoreAlarmRule",
    },
}
"""By queue and detail type."""
OWN_QUEUE_COMMANDS = {
    "Change Files",
    "Backfill Files",
    "Check Pipelines",
    "Report Unfinished",
    "Resume Expansion",
    "Resume Wiring",
    "Check Targets",
    "Dispatch Files",
    "Commit File",
    "Release Claims",
    "File Processed",
    "Read Flow Log",
    "Write Report",
    "Find Flow Logs",
    "Change Group",
    "Plan Removals",
    "Restore Rules",
    "Propose Restore",
}
"""Detail types that a function sends to its own queue, past EventBridge."""
GIVEN = {
    "BatchInputBuckets": "arn:aws:s3:::incoming",
    "FlowLogBuckets": "arn:aws:s3:::flow-logs",
    "SecurityGroupsRestoreAlarms": "shop-unreachable,shop-slow",
}
"""Parameters without which a rule matches nothing."""
UNKNOWN = "UnknownRequestRule"
"""The rule for requests that no automation receives."""
NO_STRINGS: tuple[Any, ...] = (None, 17, True, [], {}, {"id": "capacity.vpc"}, [7])
DEFAULT_BUS = "default"
PARSERS: dict[str, Callable[[str], Any]] = {
    "CapacityQueue": capacity.parse,
    "TargetsQueue": targets.parse,
    "BatchControlQueue": lambda body: envelope.parse(body, control_triggers.PARSERS),
    "BatchObjectQueue": batch.object_message,
    "BatchDispatchQueue": batch.dispatch,
    "BatchTaskQueue": batch.task_message,
    "BatchResultQueue": batch.result_message,
    "SecurityGroupsTopologyQueue": topology_event,
    "SecurityGroupsCreditQueue": security_groups.delivered,
    "SecurityGroupsWatchQueue": watch_triggers.delivered,
    "SecurityGroupsReportQueue": lambda body: envelope.parse(body, report_triggers.PARSERS),
    "SecurityGroupsChangeQueue": lambda body: envelope.parse(body, change_triggers.PARSERS),
}


def rules_for(event: Mapping[str, Any], queue: str, bus: str | None = None) -> list[str]:
    """The rules that send an event to a queue, from the bus that its source uses."""
    bus = bus or ("${Bus}" if event["source"] in {"berthmaster", "berthmaster.operator"} else DEFAULT_BUS)
    return [
        name
        for name, rule in of_type("AWS::Events::Rule", **GIVEN).items()
        if rule.get("EventBusName", DEFAULT_BUS) == bus
        and queue in {named(target["Arn"]) for target in rule["Targets"]}
        and matches(rule["EventPattern"], event)
    ]


@pytest.mark.parametrize("name", QUEUED)
def test_an_event_is_matched_by_its_rule_and_no_other(name: str) -> None:
    event, queue = event_in(name), queue_of(name)
    expected = [] if event["detail-type"] in OWN_QUEUE_COMMANDS else [RULES[queue][event["detail-type"]]]
    assert rules_for(event, queue) == expected


@pytest.mark.parametrize("name", QUEUED)
def test_an_event_is_understood_by_every_function_that_receives_it(name: str) -> None:
    event = event_in(name)
    for queue, parse in PARSERS.items():
        is_own = event["detail-type"] in OWN_QUEUE_COMMANDS and queue == queue_of(name)
        if is_own or rules_for(event, queue):
            parse(read(name)["Records"][0]["body"])


@pytest.mark.parametrize("name", FROM_TOPICS)
def test_what_is_published_to_a_topic_is_understood(name: str) -> None:
    (record,) = read(name)["Records"]
    assert isinstance(change_triggers.read(record["body"]), RestoreCall)


def test_every_rule_is_shown_by_an_event() -> None:
    matched = {rule for name in QUEUED for rule in rules_for(event_in(name), queue_of(name))}
    assert matched | {UNKNOWN} == set(of_type("AWS::Events::Rule"))


@pytest.mark.parametrize(
    "name", ["capacity_expand_expand_requested", "capacity_expand_room_needed", "targets_sync_drain_requested"]
)
def test_berthmasters_events_are_ignored_on_the_default_bus(name: str) -> None:
    assert [rules_for(event_in(name), queue, DEFAULT_BUS) for queue in PARSERS] == [[] for _ in PARSERS]


@pytest.mark.parametrize("detail_type", ["Proposal Approved", "Proposal Rejected"])
@pytest.mark.parametrize(
    ("proposal", "queue"),
    [
        ("capacity.vpc-0a1b2c3d4e5f60718.20261122T113000Z", "CapacityQueue"),
        ("targets.shop.20261122T113000Z", "TargetsQueue"),
        ("targets.capacity.20261122T113000Z", "TargetsQueue"),
        ("batch.ocr.20261122T113000Z", "BatchControlQueue"),
        ("security_groups.sg.20261122T113000Z", "SecurityGroupsChangeQueue"),
    ],
)
def test_a_decision_reaches_the_automation_that_proposed(detail_type: str, proposal: str, queue: str) -> None:
    event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": {"proposal": proposal}}
    assert {one: rules_for(event, one) for one in RULES if rules_for(event, one)} == {
        queue: [RULES[queue][detail_type]]
    }


@pytest.mark.parametrize("detail_type", ["Pause Requested", "Resume Requested"])
@pytest.mark.parametrize(
    ("automation", "queue"),
    [
        ("batch", "BatchControlQueue"),
        ("capacity", "CapacityQueue"),
        ("security_groups", "SecurityGroupsReportQueue"),
        ("targets", "TargetsQueue"),
    ],
)
def test_pause_and_resume_reach_the_automation_they_name(detail_type: str, automation: str, queue: str) -> None:
    event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": {"automation": automation}}
    assert {one: rules_for(event, one) for one in RULES if rules_for(event, one)} == {
        queue: [RULES[queue][detail_type]]
    }


@pytest.mark.parametrize("desired", ["RUNNING", "STOPPED"])
@pytest.mark.parametrize(
    "last", ["PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
)
def test_targets_receive_every_state_of_a_task_that_has_or_had_an_address(last: str, desired: str) -> None:
    running = event_in("targets_sync_task_running")
    event = with_value(with_value(running, "detail.lastStatus", last), "detail.desiredStatus", desired)
    assert rules_for(event, "TargetsQueue") == ["TargetsTaskStateRule"]


def test_targets_do_not_receive_a_task_that_has_no_address_yet() -> None:
    event = with_value(event_in("targets_sync_task_running"), "detail.lastStatus", "PROVISIONING")
    assert rules_for(event, "TargetsQueue") == []


@pytest.mark.parametrize("name", ["spot_notice", "task_deactivating", "task_stopped", "task_stopping"])
def test_the_samples_of_a_stopping_task_are_parsed_as_leaving(name: str) -> None:
    match targets.parse(read(f"targets_sync_{name}")["Records"][0]["body"]):
        case targets.TaskStateChange(task=task):
            assert task.phase is Phase.LEAVING
        case other:
            pytest.fail(f"parsed as {other}")


@pytest.mark.parametrize(
    ("detail_type", "detail"),
    [
        ("Expnad Requested", {"vpc": "vpc-0a1b2c3d4e5f60718"}),
        ("Proposal Approved", {}),
        ("Proposal Approved", {"proposal": "vpc-0a1b2c3d4e5f60718.20261122T113000Z"}),
        ("Proposal Rejected", {"proposal": "target.shop.20261122T113000Z"}),
        ("Pause Requested", {}),
        ("Pause Requested", {"automation": "Targets"}),
        ("Resume Requested", {"automation": "everything"}),
        *(("Proposal Approved", {"proposal": value}) for value in NO_STRINGS),
        *(("Pause Requested", {"automation": value}) for value in NO_STRINGS),
    ],
)
def test_a_request_that_no_automation_receives_is_answered_by_one_function(detail_type: str, detail: Any) -> None:
    event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": detail}
    assert {queue: found for queue in RULES if (found := rules_for(event, queue))} == {"TargetsQueue": [UNKNOWN]}


@pytest.mark.parametrize("source", ["berthmaster", "berthmaster.operators", "Berthmaster.Operator", "ann"])
@pytest.mark.parametrize("name", QUEUED)
def test_a_request_from_another_source_is_answered_too(name: str, source: str) -> None:
    event = event_in(name)
    if event["source"] == "berthmaster.operator":
        bus = "${Bus}"
        assert rules_for(event | {"source": source}, "TargetsQueue", bus) == [UNKNOWN]
        assert rules_for(event | {"source": source}, "CapacityQueue", bus) == []


def test_an_outcome_is_no_unknown_request() -> None:
    for title in sorted(path.stem for path in (ROOT / "docs/events").glob("*.json")):
        schema = json.loads((ROOT / f"docs/events/{title}.json").read_text())
        if schema["x-source"] == "berthmaster":
            event = {"source": "berthmaster", "detail-type": schema["title"], "detail": schema["examples"][0]}
            assert UNKNOWN not in rules_for(event, "TargetsQueue")


def test_a_pattern_is_no_longer_than_eventbridge_takes() -> None:
    for rule in of_type("AWS::Events::Rule").values():
        assert len(json.dumps(rule["EventPattern"], separators=(",", ":"))) <= 2048


def test_the_rule_for_unknown_requests_knows_every_request_and_every_automation() -> None:
    branches = properties(UNKNOWN)["EventPattern"]["$or"]
    other_type, other_source, proposal, switch = branches
    assert other_type["detail-type"][0]["anything-but"] == other_source["detail-type"] == list(requests.DETAIL_TYPES)
    assert proposal["detail"]["proposal"][1]["anything-but"]["prefix"] == [f"{one}." for one in requests.AUTOMATIONS]
    assert switch["detail"]["automation"][1]["anything-but"] == list(requests.AUTOMATIONS)


OWN_ROLE = "${CapacityExpandRole.Arn}"
ISSUER = "detail.userIdentity.sessionContext.sessionIssuer.arn"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("alarm", "detail.state.value", "OK", id="an alarm that ends"),
        pytest.param(
            "alarm", "detail.configuration.metrics.0.metricStat.metric.namespace", "AWS/SQS", id="another metric"
        ),
        pytest.param(
            "alarm", "detail.configuration.metrics.0.metricStat.metric.name", "Expansions", id="a metric of no shortage"
        ),
        pytest.param("alarm", "detail.configuration.metrics", [], id="a composite alarm"),
        pytest.param(
            "ipam_alarm",
            "detail.configuration.metrics.0.metricStat.metric.name",
            "Overlapping",
            id="another metric of IPAM",
        ),
        pytest.param(
            "task_stopped",
            "detail.stoppedReason",
            "Unexpected EC2 error while attempting to Create Network Interface in subnet "
            "'subnet-0a11111111111111a': AuthFailure",
            id="a task without permission",
        ),
        pytest.param(
            "task_stopped",
            "detail.stoppedReason",
            "Rate limit exceeded while attempting to Create Network Interface in subnet 'subnet-0a11111111111111a'",
            id="a throttled task",
        ),
        pytest.param("task_stopped", "detail.stopCode", "EssentialContainerExited", id="a task that ran"),
        pytest.param("task_stopped", "detail.lastStatus", "DEPROVISIONING", id="a task not yet stopped"),
        pytest.param("placement_failure", "detail.reason", "RESOURCE:CPU", id="no CPU"),
        pytest.param("placement_failure", "detail.eventName", "SERVICE_STEADY_STATE", id="a steady service"),
        pytest.param("cloudtrail_addresses", "detail.errorCode", "Client.UnauthorizedOperation", id="a forbidden call"),
        pytest.param(
            "cloudtrail_addresses", "detail.errorCode", "Server.InsufficientInstanceCapacity", id="no capacity"
        ),
        pytest.param("cloudtrail_parameter", "detail.errorMessage", "Invalid id: eni-1", id="an invalid call"),
        pytest.param("cloudtrail_addresses", ISSUER, OWN_ROLE, id="Berthmaster's own canary"),
        pytest.param(
            "autoscaling", "detail.StatusMessage", "We do not have sufficient capacity", id="no capacity to launch"
        ),
        pytest.param("room_needed", "detail-type", "Expansion Completed", id="an outcome, not a need"),
        pytest.param("expand_requested", "source", "berthmaster.guest", id="not an operator"),
    ],
)
def test_a_similar_event_that_is_no_shortage_matches_no_rule(name: str, path: str, value: object) -> None:
    assert rules_for(with_value(event_in(f"capacity_expand_{name}"), path, value), "CapacityQueue") == []


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
def test_a_shortage_in_other_words_matches_its_rule(name: str, path: str, value: object) -> None:
    event = with_value(event_in(f"capacity_expand_{name}"), path, value)
    assert rules_for(event, "CapacityQueue") == [RULES["CapacityQueue"][event["detail-type"]]]


def test_the_bus_has_no_policy_so_that_iam_alone_decides_who_sends() -> None:
    assert of_type("AWS::Events::EventBusPolicy") == {}
    assert properties("Bus")["Name"] == "berthmaster"
