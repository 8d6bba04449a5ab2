"""What the flow logs of a VPC lack, for people."""

from dataclasses import replace
from typing import Any

import pytest

from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.model.topology import FlowLog, Interface
from berthmaster.security_groups.plan.completeness import USEFUL_FIELDS
from berthmaster.security_groups.plan.log_checks import NEEDED_FIELDS, log_findings

LOGS = "arn:aws:s3:::logs"
MANAGED = Group(id="sg-1", vpc="vpc-1", tags=(("berthmaster:security-groups", "managed"),))
ONE, OTHER = (
    Interface(id="eni-1", vpc="vpc-1", subnet="subnet-1"),
    Interface(id="eni-2", vpc="vpc-1", subnet="subnet-2"),
)
WHOLE = FlowLog(id="fl-1", resource="vpc-1", fields=(*NEEDED_FIELDS, *USEFUL_FIELDS), destination=f"{LOGS}/vpc/")


def found(*subjects: Any) -> list[tuple[str, str]]:
    """The findings about these, and two interfaces of a managed group's VPC."""
    state = {one.id: one for one in (MANAGED, ONE, OTHER, *subjects)}
    return [(one.resource, one.code) for one in log_findings(state, [LOGS])]


@pytest.mark.parametrize(
    ("logs", "findings"),
    [
        ([WHOLE], []),
        ([], [("vpc-1", "no flow log")]),
        ([replace(WHOLE, destination="arn:aws:s3:::logs-of-others")], [("vpc-1", "flow logs are not read")]),
        ([replace(WHOLE, destination="/aws/logs")], [("vpc-1", "flow logs are not read")]),
        (
            [replace(WHOLE, failure="Access error")],
            [("fl-1", "flow log fails"), ("vpc-1", "no flow log")],
        ),
        (
            [replace(WHOLE, traffic_type="REJECT")],
            [("fl-1", "flow log without accepted traffic"), ("vpc-1", "no flow log")],
        ),
        ([replace(WHOLE, traffic_type="ACCEPT")], []),
        ([replace(WHOLE, fields=NEEDED_FIELDS[1:])], [("fl-1", "flow log lacks needed fields")]),
        (
            [replace(WHOLE, fields=tuple(one for one in WHOLE.fields if one != "tcp-flags"))],
            [("fl-1", "flow log lacks fields")],
        ),
        ([replace(WHOLE, resource="subnet-1")], [("vpc-1", "interfaces without a flow log")]),
        ([replace(WHOLE, resource="subnet-1"), replace(WHOLE, id="fl-2", resource="eni-2")], []),
    ],
)
def test_what_keeps_rules_from_being_judged_is_found(logs: list[FlowLog], findings: list[tuple[str, str]]) -> None:
    assert found(*logs) == findings


def test_a_vpc_without_managed_groups_may_do_without_logs() -> None:
    assert log_findings({ONE.id: ONE, "sg-2": Group(id="sg-2", vpc="vpc-1")}, [LOGS]) == []
