"""The application as CloudFormation receives it: template.yaml after the SAM transform, intrinsic functions resolved.

Resources become symbols, as in Fn::Sub: `!GetAtt Bus.Arn` is "${Bus.Arn}", `!Ref Bus` is "${Bus}".
"""

from __future__ import annotations

from functools import cache
from typing import Any

from simulator.stack.intrinsics import Resolver
from simulator.stack.template import TEMPLATE, transformed

ROOT = TEMPLATE.parent
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "berthmaster",
    "AWS::URLSuffix": "amazonaws.com",
}
FUNCTIONS = (
    "CapacityWatchFunction",
    "CapacityExpandFunction",
    "TargetsSyncFunction",
    "TargetsReconcileFunction",
    "TargetsPodsFunction",
    "TargetsPodsReaderFunction",
    "TargetsGateFunction",
    "BatchControlFunction",
    "BatchIntakeFunction",
    "BatchDispatchFunction",
    "BatchFollowFunction",
    "BatchReconcileFunction",
    "SecurityGroupsSurveyFunction",
    "SecurityGroupsTrackFunction",
    "SecurityGroupsCreditFunction",
    "SecurityGroupsWatchFunction",
    "SecurityGroupsReportFunction",
    "SecurityGroupsChangeFunction",
)


def source() -> dict[str, Any]:
    """template.yaml as it is written."""
    written, _ = _template()
    return written


@cache
def resources(**given: str) -> dict[str, Any]:
    """All resources, with each parameter at its default except those that are `given`."""
    _, translated = _template()
    names = {name: f"${{{name}}}" for name in translated["Resources"]}
    defaults = {name: str(parameter["Default"]) for name, parameter in translated["Parameters"].items()}
    resolver = Resolver(
        names | defaults | PSEUDO_PARAMETERS | given,
        lambda name, attribute: f"${{{name}.{attribute}}}",
        translated["Conditions"],
        {},
    )
    return dict(resolver.resolve(translated["Resources"]))


def of_type(kind: str, **given: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of one type, by logical id."""
    return {name: resource["Properties"] for name, resource in resources(**given).items() if resource["Type"] == kind}


def properties(logical_id: str, **given: str) -> dict[str, Any]:
    """The properties of one resource."""
    return dict(resources(**given)[logical_id]["Properties"])


def named(symbol: str) -> str:
    """The logical id in a symbol: that of "${Bus.Arn}" is Bus."""
    return symbol.removeprefix("${").removesuffix("}").partition(".")[0]


def as_list(value: Any) -> list[Any]:
    """A list, where CloudFormation and IAM accept one value or many."""
    return value if isinstance(value, list) else [value]


def _template() -> tuple[dict[str, Any], dict[str, Any]]:
    return transformed(TEMPLATE.read_text(), PSEUDO_PARAMETERS["AWS::Region"])
