"""The application as CloudFormation gets it: template.yaml after the SAM transform, intrinsic functions resolved.

Resources become symbols, as in Fn::Sub: `!GetAtt Bus.Arn` is "${Bus.Arn}", `!Ref Bus` is "${Bus}".
"""

import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from simulator.stack.intrinsics import Resolver

ROOT = Path(__file__).parents[2]
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "berthmaster",
    "AWS::URLSuffix": "amazonaws.com",
}
OPTIONAL = {
    "CapacityCallerRoles": "${CapacityCallerRoles}",
    "TargetsHostedZones": "arn:aws:route53:::hostedzone/${TargetsHostedZones}",
}
"""Parameters that grant more than the defaults do, with a value in which each name stands for itself."""
FUNCTIONS = (
    "CapacityWatchFunction",
    "CapacityExpandFunction",
    "TargetsSyncFunction",
    "TargetsReconcileFunction",
    "TargetsGateFunction",
)


def source() -> dict[str, Any]:
    """template.yaml as it is written."""
    return dict(yaml_parse((ROOT / "template.yaml").read_text()))  # type: ignore[no-untyped-call]


@cache
def resources(*given: str) -> dict[str, Any]:
    """All resources, with each parameter at its default but those that an operator has `given`."""
    template = source()
    for resource in template["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource["Properties"]:
                resource["Properties"][key] = "s3://bucket/key"
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": PSEUDO_PARAMETERS["AWS::Region"]}):
        translated = Translator({}, Parser()).translate(template, {})
    names = {name: f"${{{name}}}" for name in translated["Resources"]}
    defaults = {name: str(parameter["Default"]) for name, parameter in translated["Parameters"].items()}
    resolver = Resolver(
        names | defaults | PSEUDO_PARAMETERS | {name: OPTIONAL[name] for name in given},
        lambda name, attribute: f"${{{name}.{attribute}}}",
        translated["Conditions"],
        {},
    )
    return dict(resolver.resolve(translated["Resources"]))


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of one type, by logical id."""
    return {name: resource["Properties"] for name, resource in resources().items() if resource["Type"] == kind}


def properties(logical_id: str) -> dict[str, Any]:
    """The properties of one resource."""
    return dict(resources()[logical_id]["Properties"])


def named(symbol: str) -> str:
    """The logical id in a symbol: "${Bus.Arn}" is of Bus."""
    return symbol.removeprefix("${").removesuffix("}").partition(".")[0]


def as_list(value: Any) -> list[Any]:
    """What CloudFormation and IAM let be one or many."""
    return value if isinstance(value, list) else [value]
