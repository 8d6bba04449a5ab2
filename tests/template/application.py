"""The application as CloudFormation gets it: template.yaml after the SAM transform, intrinsic functions resolved.

Resources become symbols, as in Fn::Sub: `!GetAtt Bus.Arn` is "${Bus.Arn}", `!Ref Bus` is "${Bus}".
"""

import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "berthmaster",
    "AWS::URLSuffix": "amazonaws.com",
}
FUNCTIONS = ("CapacityWatchFunction", "CapacityExpandFunction")


def source() -> dict[str, Any]:
    """template.yaml as it is written."""
    return dict(yaml_parse((ROOT / "template.yaml").read_text()))


@cache
def resources() -> dict[str, Any]:
    """All resources, with each parameter at its default."""
    template = source()
    for resource in template["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource["Properties"]:
                resource["Properties"][key] = "s3://bucket/key"
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": PSEUDO_PARAMETERS["AWS::Region"]}):
        translated = Translator({}, Parser()).translate(template, {})
    return dict(_Resolver(translated).resolve(translated["Resources"]))


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


class _NoValue:
    """`!Ref AWS::NoValue`: what holds it is as if it were not there."""


class _Resolver:
    def __init__(self, template: dict[str, Any]) -> None:
        self._conditions = template.get("Conditions", {})
        self._values = PSEUDO_PARAMETERS | {
            name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()
        }

    def resolve(self, value: Any) -> Any:
        match value:
            case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Sub": _} | {"Fn::If": _}:
                return self._answer(value)
            case dict():
                resolved = {key: self.resolve(child) for key, child in value.items()}
                return {key: child for key, child in resolved.items() if child is not _NoValue}
            case list():
                return [child for child in map(self.resolve, value) if child is not _NoValue]
        return value

    def _answer(self, function: dict[str, Any]) -> Any:
        match function:
            case {"Ref": "AWS::NoValue"}:
                return _NoValue
            case {"Ref": name}:
                return self._values.get(name, f"${{{name}}}")
            case {"Fn::GetAtt": [name, attribute]}:
                return f"${{{name}.{attribute}}}"
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}!]+)\}", lambda found: self._values.get(found[1], found[0]), text)
            case {"Fn::If": [condition, then, otherwise]}:
                return self.resolve(then if self._holds(self._conditions[condition]) else otherwise)
        raise ValueError(f"this function is not read here: {function}")

    def _holds(self, condition: dict[str, Any]) -> bool:
        match condition:
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::Equals": [left, right]}:
                return bool(self.resolve(left) == self.resolve(right))
        raise ValueError(f"this condition is not read here: {condition}")
