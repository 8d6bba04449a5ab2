"""`sam deploy --guided` asks questions that people can answer."""

import json
import re
import shlex
from itertools import chain

import pytest

from berthmaster.capacity import triggers as capacity
from berthmaster.targets import triggers as targets
from tests.template.application import PSEUDO_PARAMETERS, properties, source
from tests.template.events import matches

PARAMETERS = source()["Parameters"]
INTERFACE = source()["Metadata"]["AWS::CloudFormation::Interface"]


def test_every_parameter_is_in_one_group() -> None:
    grouped = list(chain.from_iterable(group["Parameters"] for group in INTERFACE["ParameterGroups"]))
    assert sorted(grouped) == sorted(PARAMETERS)


def test_every_parameter_has_a_label() -> None:
    assert set(INTERFACE["ParameterLabels"]) == set(PARAMETERS)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_parameter_says_what_it_is_for_and_has_a_default_that_fits(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["Description"]
    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), str(parameter["Default"]))
    assert parameter["Default"] in parameter.get("AllowedValues", [parameter["Default"]])


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CapacityPools", "100.64.0.0/10, 10.20.0.0/16", True),
        ("CapacityPools", "100.64.0.0", False),
        ("CapacityPools", "100.64.0.0/10;10.20.0.0/16", False),
        ("CapacityAvoid", "10.0.0.0/8,172.17.0.0/16", True),
        ("CapacityIpamPool", "ipam-pool-0123456789abcdef0", True),
        ("CapacityIpamPool", "pool-1", False),
        ("CapacityCallerRoles", "ecs/events-*", True),
        ("CapacityCallerRoles", "", True),
        ("CapacityCallerRoles", "arn:aws:iam::123456789012:role/ecs", False),
        ("TargetsHostedZones", "arn:aws:route53:::hostedzone/Z1ABC,arn:aws-cn:route53:::hostedzone/Z2", True),
        ("TargetsHostedZones", "", True),
        ("TargetsHostedZones", "Z1ABC", False),
        ("TargetsHostedZones", "arn:aws:route53:::hostedzone/*", False),
        ("TargetsHostedZones", "arn:aws:route53:::hostedzone/Z1,", False),
        ("NotificationEmail", "scene@example.com", True),
        ("NotificationEmail", "scene", False),
        ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/boundary", True),
        ("PermissionsBoundary", "boundary", False),
    ],
)
def test_a_slip_of_the_pen_is_seen_before_anything_is_deployed(name: str, value: str, allowed: bool) -> None:  # noqa: FBT001 - a column
    assert bool(re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)) is allowed


def test_what_cannot_be_undone_by_the_next_event_is_only_observed_unless_told_otherwise() -> None:
    assert (PARAMETERS["CapacityMode"]["Default"], PARAMETERS["TargetsMode"]["Default"]) == ("observe", "enforce")


def test_the_log_level_never_drops_metrics() -> None:
    # Lambda takes an EMF line, which has no level, for INFO.
    assert set(PARAMETERS["LogLevel"]["AllowedValues"]) <= {"INFO", "DEBUG", "TRACE"}


def said_by(output: str, rule: str, **in_place_of: str) -> str:
    """The event that the command in an output sends, as the rule's queue holds it."""
    command = source()["Outputs"][output]["Value"]["Fn::Sub"]
    for name, value in PSEUDO_PARAMETERS.items():
        command = command.replace(f"${{{name}}}", value)
    for placeholder, value in in_place_of.items():
        command = command.replace(placeholder, value)
    (entry,) = json.loads(shlex.split(command)[-1])
    event = {
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "time": "2026-11-22T12:00:00Z",
        "detail": json.loads(entry["Detail"]),
    }
    assert entry["EventBusName"] == properties(rule)["EventBusName"]
    assert matches(properties(rule)["EventPattern"], event)
    return json.dumps(event)


def test_the_commands_in_the_outputs_say_what_they_promise() -> None:
    expansion = "vpc-0a1b2c3d4e5f60718.20261122T113000Z"
    approval = capacity.parse(said_by("ApproveCommand", "OperatorRule", EXPANSION=expansion))
    assert isinstance(approval, capacity.Decision)
    assert (approval.verdict, approval.expansion_id) == (capacity.Verdict.APPROVED, expansion)
    task = "arn:aws:ecs:eu-central-1:123456789012:task/scene/9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5"
    drain = targets.parse(said_by("DrainCommand", "TargetsOperatorRule", TASK=task))
    assert drain == targets.Drain(owner=task, by="")
    change = "cranes-blue.20261122T113000Z"
    decision = targets.parse(said_by("ApproveChangeCommand", "TargetsOperatorRule", CHANGE=change))
    assert decision == targets.Decision(change=change, approved=True, by="")


@pytest.mark.parametrize("automation", ["Capacity", "Targets"])
def test_what_is_redriven_goes_to_who_gave_it_up(automation: str) -> None:
    output = {"Capacity": "RedriveCommand", "Targets": "RedriveTargetsCommand"}[automation]
    command = source()["Outputs"][output]["Value"]["Fn::Sub"]
    assert f"--source-arn ${{{automation}DeadLetterQueue.Arn}}" in command
    assert (
        properties(f"{automation}Queue")["RedrivePolicy"]["deadLetterTargetArn"]
        == f"${{{automation}DeadLetterQueue.Arn}}"
    )
