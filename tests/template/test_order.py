"""template.yaml is ordered: what is shared, then everything of one automation after the other, then the dashboard."""

import re
from collections.abc import Iterable
from itertools import chain, groupby

from simulator.template_contract.application import ROOT, source

AUTOMATIONS = ("Capacity", "Targets", "Batch", "SecurityGroups")
OF_AN_AUTOMATION = {
    "AWS::DynamoDB::Table",
    "AWS::Events::Rule",
    "AWS::Serverless::Function",
}
"""Types of which each resource belongs to one automation."""
NAMED_OTHERWISE = {
    "Dashboard": "Dashboard",
    "FlowLogBuckets": "SecurityGroups",
    "FlowLogBucketKeys": "SecurityGroups",
    "FlowLogsLayer": "SecurityGroups",
}


def part(logical_id: str) -> str:
    """The part of the template that a name belongs to."""
    named = (one for one in AUTOMATIONS if logical_id.startswith(one))
    return NAMED_OTHERWISE.get(logical_id) or next(named, "shared")


def order(names: Iterable[str]) -> list[str]:
    """The parts in which names are listed, in order."""
    return [one for one, _ in groupby(map(part, names))]


def test_resources_are_ordered_by_automation() -> None:
    assert order(source()["Resources"]) == ["shared", *AUTOMATIONS, "Dashboard"]


def test_outputs_are_ordered_by_automation() -> None:
    assert order(source()["Outputs"]) == ["shared", *AUTOMATIONS]


def test_parameters_are_ordered_as_people_are_asked_for_them() -> None:
    groups = source()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert list(source()["Parameters"]) == list(chain.from_iterable(group["Parameters"] for group in groups))
    assert order(source()["Parameters"]) == [*AUTOMATIONS, "shared"]


def test_functions_tables_and_rules_carry_the_name_of_their_automation() -> None:
    for logical_id, resource in source()["Resources"].items():
        if resource["Type"] in OF_AN_AUTOMATION and logical_id != "UnknownRequestRule":
            assert part(logical_id) in AUTOMATIONS, logical_id


def test_each_part_begins_with_a_heading() -> None:
    text = (ROOT / "template.yaml").read_text()
    headings = re.findall(r"^  # ══ (Shared|[\w ]+\w)", text, re.MULTILINE)
    parts = [heading.title().replace(" ", "") for heading in headings]
    assert parts == ["Shared", *AUTOMATIONS, "Dashboard"]
    for heading, automation in zip(headings[1:-1], AUTOMATIONS, strict=True):
        first = next(name for name in source()["Resources"] if part(name) == automation)
        following = text.partition(f"  # ══ {heading}")[2]
        assert re.findall(r"^  (\w+):", following, re.MULTILINE)[0] == first
