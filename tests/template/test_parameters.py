"""`sam deploy --guided` asks for each parameter in words that people understand, and refuses wrong values."""

import re
from itertools import chain

import pytest

from simulator.template_contract.application import source

PARAMETERS = source()["Parameters"]
INTERFACE = source()["Metadata"]["AWS::CloudFormation::Interface"]


def test_every_parameter_is_in_one_group() -> None:
    grouped = list(chain.from_iterable(group["Parameters"] for group in INTERFACE["ParameterGroups"]))
    assert sorted(grouped) == sorted(PARAMETERS)


def test_every_parameter_has_a_label() -> None:
    assert set(INTERFACE["ParameterLabels"]) == set(PARAMETERS)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_parameter_has_a_description_and_an_allowed_default(name: str) -> None:
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
        ("SecurityGroupsFreeze", "Fri 16:00-Mon 07:00, 2026-12-20/2027-01-03", True),
        ("SecurityGroupsFreeze", "Sat 00:00 - Sun 23:59,2026-12-20 / 2026-12-20", True),
        ("SecurityGroupsFreeze", "Fri 16:00", False),
        ("SecurityGroupsFreeze", "Fri 24:00-Mon 07:00", False),
        ("SecurityGroupsFreeze", "2026-13-20/2027-01-03", False),
        ("SecurityGroupsRestoreAlarms", "shop unreachable,p99", True),
        ("SecurityGroupsRestoreAlarms", "shop, p99", False),
        ("CapacityCallerRoles", "ecs/events-*", True),
        ("CapacityCallerRoles", "", True),
        ("CapacityCallerRoles", "arn:aws:iam::123456789012:role/ecs", False),
        ("TargetsHostedZones", "arn:aws:route53:::hostedzone/Z1ABC,arn:aws-cn:route53:::hostedzone/Z2", True),
        ("TargetsHostedZones", "", True),
        ("TargetsHostedZones", "Z1ABC", False),
        ("TargetsHostedZones", "arn:aws:route53:::hostedzone/*", False),
        ("TargetsHostedZones", "arn:aws:route53:::hostedzone/Z1,", False),
        ("CapacityTableName", "berthmaster-CapacityTable-1ABC", True),
        ("CapacityTableName", "arn:aws:dynamodb:eu-central-1:123456789012:table/capacity", False),
        ("CapacityTableKey", "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-0123456789ab", True),
        ("CapacityTableKey", "alias/berthmaster", False),
        ("TargetsTableName", "berthmaster-TargetsTable-1ABC", True),
        ("TargetsTableName", "arn:aws:dynamodb:eu-central-1:123456789012:table/claims", False),
        ("TargetsTableKey", "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-0123456789ab", True),
        ("TargetsTableKey", "alias/berthmaster", False),
        ("NotificationEmail", "network@example.com", True),
        ("NotificationEmail", "network", False),
        ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/boundary", True),
        ("PermissionsBoundary", "boundary", False),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_deployed(name: str, value: str, allowed: bool) -> None:  # noqa: FBT001 - a column
    assert bool(re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)) is allowed


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name.endswith("Mode")])
def test_every_automation_only_observes_by_default_and_can_be_switched_off(name: str) -> None:
    assert PARAMETERS[name]["Default"] == "observe"
    assert PARAMETERS[name]["AllowedValues"] == ["off", "observe", "approve", "enforce"]


def test_the_log_level_never_drops_metrics() -> None:
    # Lambda treats an EMF line, which has no level, as INFO.
    assert set(PARAMETERS["LogLevel"]["AllowedValues"]) <= {"INFO", "DEBUG", "TRACE"}
