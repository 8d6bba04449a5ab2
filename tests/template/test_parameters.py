"""`sam deploy --guided` asks questions that people can answer."""

import json
import re
import shlex
from itertools import chain

import pytest

from berthmaster.capacity.triggers import Decision, Verdict, parse
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
        ("NotificationEmail", "harbour@example.com", True),
        ("NotificationEmail", "harbour", False),
        ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/boundary", True),
        ("PermissionsBoundary", "boundary", False),
    ],
)
def test_a_slip_of_the_pen_is_seen_before_anything_is_deployed(name: str, value: str, allowed: bool) -> None:  # noqa: FBT001 - a column
    assert bool(re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)) is allowed


def test_it_only_observes_unless_told_otherwise() -> None:
    assert PARAMETERS["CapacityMode"]["Default"] == "observe"


def test_the_log_level_never_drops_metrics() -> None:
    # Lambda takes an EMF line, which has no level, for INFO.
    assert set(PARAMETERS["LogLevel"]["AllowedValues"]) <= {"INFO", "DEBUG", "TRACE"}


def test_the_command_in_the_outputs_approves() -> None:
    command = source()["Outputs"]["ApproveCommand"]["Value"]["Fn::Sub"]
    for name, value in PSEUDO_PARAMETERS.items():
        command = command.replace(f"${{{name}}}", value)
    (entry,) = json.loads(shlex.split(command.replace("EXPANSION", "vpc-0a1b2c3d4e5f60718.20261122T113000Z"))[-1])
    event = {
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "time": "2026-11-22T12:00:00Z",
        "detail": json.loads(entry["Detail"]),
    }
    assert entry["EventBusName"] == properties("OperatorRule")["EventBusName"]
    assert matches(properties("OperatorRule")["EventPattern"], event)
    match parse(json.dumps(event)):
        case Decision(verdict=verdict, expansion_id=expansion):
            assert (verdict, expansion) == (Verdict.APPROVED, "vpc-0a1b2c3d4e5f60718.20261122T113000Z")
        case other:
            pytest.fail(f"it says {other}")
