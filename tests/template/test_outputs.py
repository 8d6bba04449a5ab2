"""Every request that an operator may send is a command in the stack's outputs, which works as printed."""

import json
import re
import shlex

import pytest

from berthmaster import envelope
from berthmaster.batch import control_triggers as batch
from berthmaster.capacity import triggers as capacity
from berthmaster.security_groups import change_triggers, report_triggers
from berthmaster.targets import triggers as targets
from simulator.template_contract.application import PSEUDO_PARAMETERS, properties, source
from tests.template.events import matches

OUTPUTS = source()["Outputs"]
TASK = "arn:aws:ecs:eu-central-1:123456789012:task/web/9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5"
OF_CAPACITY = "capacity.vpc-0a1b2c3d4e5f60718.20261122T113000Z"
OF_TARGETS = "targets.shop.20261122T113000Z"
OF_SECURITY_GROUPS = "security_groups.sg-0a1b2c3d4e5f60718.20261122T113000Z"
OF_BATCH = "batch.ocr.20261122T113000Z"
FILE = "bbfc0a20436bf0acb68eb3fc2ecc0a"
REQUESTS = [
    pytest.param("ApproveCommand", {"PROPOSAL": OF_CAPACITY}, "CapacityOperatorRule", id="approve-capacity"),
    pytest.param("RejectCommand", {"PROPOSAL": OF_CAPACITY}, "CapacityOperatorRule", id="reject-capacity"),
    pytest.param("CapacityExpandCommand", {"VPC": "vpc-0a1b2c3d4e5f60718"}, "CapacityOperatorRule", id="expand"),
    pytest.param(
        "CapacityRetireCommand",
        {"EXPANSION": OF_CAPACITY.removeprefix("capacity.")},
        "CapacityOperatorRule",
        id="retire",
    ),
    pytest.param("CapacityPauseCommand", {}, "CapacityOperatorRule", id="pause-capacity"),
    pytest.param("CapacityResumeCommand", {}, "CapacityOperatorRule", id="resume-capacity"),
    pytest.param("ApproveCommand", {"PROPOSAL": OF_TARGETS}, "TargetsOperatorRule", id="approve-targets"),
    pytest.param("RejectCommand", {"PROPOSAL": OF_TARGETS}, "TargetsOperatorRule", id="reject-targets"),
    pytest.param("TargetsDrainCommand", {"TASK": TASK}, "TargetsOperatorRule", id="drain"),
    pytest.param("TargetsPauseCommand", {}, "TargetsOperatorRule", id="pause-targets"),
    pytest.param("TargetsResumeCommand", {}, "TargetsOperatorRule", id="resume-targets"),
    pytest.param("ApproveCommand", {"PROPOSAL": OF_BATCH}, "BatchOperatorRule", id="approve-batch"),
    pytest.param("RejectCommand", {"PROPOSAL": OF_BATCH}, "BatchOperatorRule", id="reject-batch"),
    pytest.param("BatchStatusCommand", {"FILE": FILE}, "BatchOperatorRule", id="status"),
    pytest.param("BatchCancelCommand", {"FILE": FILE}, "BatchOperatorRule", id="cancel"),
    pytest.param("BatchReplayCommand", {"FILE": FILE}, "BatchOperatorRule", id="replay"),
    pytest.param("BatchBackfillCommand", {"PIPELINE": "ocr"}, "BatchOperatorRule", id="backfill-files"),
    pytest.param("BatchPauseCommand", {}, "BatchOperatorRule", id="pause-batch"),
    pytest.param("BatchResumeCommand", {}, "BatchOperatorRule", id="resume-batch"),
    pytest.param(
        "ApproveCommand", {"PROPOSAL": OF_SECURITY_GROUPS}, "SecurityGroupsChangeOperatorRule", id="approve-removals"
    ),
    pytest.param(
        "RejectCommand", {"PROPOSAL": OF_SECURITY_GROUPS}, "SecurityGroupsChangeOperatorRule", id="reject-removals"
    ),
    pytest.param("SecurityGroupsRemovalsCommand", {}, "SecurityGroupsChangeOperatorRule", id="removal-status"),
    pytest.param("SecurityGroupsRestoreCommand", {}, "SecurityGroupsChangeOperatorRule", id="restore"),
    pytest.param("SecurityGroupsReportCommand", {}, "SecurityGroupsOperatorRule", id="report"),
    pytest.param(
        "SecurityGroupsStatusCommand", {"RULE": "sgr-0a1b2c3d4e5f60718"}, "SecurityGroupsOperatorRule", id="rule-status"
    ),
    pytest.param(
        "SecurityGroupsBackfillCommand",
        {"BUCKET": "flow-logs", "PREFIX": "production/", "FIRST": "2026-09-01", "LAST": "2026-09-30"},
        "SecurityGroupsOperatorRule",
        id="backfill",
    ),
    pytest.param("SecurityGroupsPauseCommand", {}, "SecurityGroupsOperatorRule", id="pause-security-groups"),
    pytest.param("SecurityGroupsResumeCommand", {}, "SecurityGroupsOperatorRule", id="resume-security-groups"),
]
PARSERS = {
    "CapacityOperatorRule": capacity.parse,
    "TargetsOperatorRule": targets.parse,
    "BatchOperatorRule": lambda body: envelope.parse(body, batch.PARSERS),
    "SecurityGroupsOperatorRule": lambda body: envelope.parse(body, report_triggers.PARSERS),
    "SecurityGroupsChangeOperatorRule": lambda body: envelope.parse(body, change_triggers.PARSERS),
}


def command(output: str, **given: str) -> list[str]:
    """The words of the command in an output, as a shell sees them; `given` replaces words in capitals."""
    text = str(OUTPUTS[output]["Value"]["Fn::Sub"])
    for name, value in PSEUDO_PARAMETERS.items():
        text = text.replace(f"${{{name}}}", value)
    for placeholder, value in given.items():
        text = text.replace(placeholder, value)
    return shlex.split(text)


def event_of(output: str, **given: str) -> dict[str, object]:
    """The event that a command puts on the bus."""
    (entry,) = json.loads(command(output, **given)[-1])
    assert entry["EventBusName"] == "${Bus}"
    return {
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "time": "2026-11-22T12:00:00Z",
        "detail": json.loads(entry["Detail"]),
    }


@pytest.mark.parametrize("output", sorted(name for name in OUTPUTS if name.endswith("Command")))
def test_a_command_names_its_region(output: str) -> None:
    words = command(output)
    assert words[0] == "aws"
    assert words[words.index("--region") + 1] == PSEUDO_PARAMETERS["AWS::Region"]


@pytest.mark.parametrize("output", sorted(name for name in OUTPUTS if name.endswith("Command")))
def test_a_description_names_the_word_to_replace(output: str) -> None:
    placeholders = set(re.findall(r'\\"([A-Z]+)\\"', OUTPUTS[output]["Value"]["Fn::Sub"]))
    assert set(re.findall(r"Replace ([A-Z]+)\b", OUTPUTS[output]["Description"])) == placeholders


@pytest.mark.parametrize(("output", "given", "rule"), REQUESTS)
def test_a_request_reaches_its_automation_and_no_other(output: str, given: dict[str, str], rule: str) -> None:
    event = event_of(output, **given)
    assert [name for name in PARSERS if matches(properties(name)["EventPattern"], event)] == [rule]


@pytest.mark.parametrize(("output", "given", "rule"), REQUESTS)
def test_a_request_is_understood(output: str, given: dict[str, str], rule: str) -> None:
    PARSERS[rule](json.dumps(event_of(output, **given)))


def test_every_request_of_the_operator_rules_has_a_command() -> None:
    sent = {event_of(output, **given)["detail-type"] for output, given, _ in (one.values for one in REQUESTS)}
    branches = [branch for rule in PARSERS for branch in properties(rule)["EventPattern"]["$or"]]
    assert sent == {detail_type for branch in branches for detail_type in branch["detail-type"]}


@pytest.mark.parametrize(
    "automation",
    [
        "Capacity",
        "Targets",
        "BatchControl",
        "BatchObject",
        "BatchDispatch",
        "BatchTask",
        "SecurityGroupsTopology",
        "SecurityGroupsCredit",
        "SecurityGroupsReport",
        "SecurityGroupsWatch",
        "SecurityGroupsChange",
    ],
)
def test_a_redrive_returns_messages_to_the_queue_that_they_came_from(automation: str) -> None:
    dead_letters = f"${{{automation}DeadLetterQueue.Arn}}"
    words = command(f"{automation}RedriveCommand")
    assert words[words.index("--source-arn") + 1] == dead_letters
    assert properties(f"{automation}Queue")["RedrivePolicy"]["deadLetterTargetArn"] == dead_letters
