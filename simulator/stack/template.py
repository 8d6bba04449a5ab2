"""template.yaml as CloudFormation sees it: transformed by SAM's own translator, parameters and functions resolved."""

from __future__ import annotations

import copy
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from simulator.stack.identities import NAMED_BY, Identity, Place, identify
from simulator.stack.intrinsics import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"

type Json = dict[str, Any]


@functools.cache
def transformed(text: str, region: str) -> tuple[Json, Json]:
    """A template as it is written, and after the SAM transform."""
    # The translator takes seconds to import, and only those who deploy need it.
    from samtranslator.translator.transform import transform  # noqa: PLC0415
    from samtranslator.yaml_helper import yaml_parse  # noqa: PLC0415

    # No managed policy is known by a short name: the application's roles are its own.
    no_managed_policies: Any = SimpleNamespace(load=dict)
    written = yaml_parse(text)  # type: ignore[no-untyped-call]
    packaged = copy.deepcopy(written)
    for resource in packaged["Resources"].values():
        for source in ("CodeUri", "ContentUri"):
            if source in resource.get("Properties", {}):
                # The translator wants artefacts where `sam package` puts them.
                resource["Properties"][source] = "s3://bucket/key"
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": region}):
        return written, transform(packaged, {}, no_managed_policies)


@dataclass(frozen=True)
class Resource:
    """A resource that the conditions let exist, with every function resolved."""

    logical_id: str
    type: str
    properties: Json
    identity: Identity


class Template:
    """A SAM template, deployed as a stack with the given parameter values.

    Raises ValueError for a parameter it lacks, a value its AllowedValues exclude, or one left without any value.
    """

    def __init__(self, path: Path = TEMPLATE, parameters: Mapping[str, Any] | None = None, *, place: Place) -> None:
        self.folder = path.parent
        self._written, translated = transformed(path.read_text(), place.region)
        self._resources: dict[str, Json] = translated["Resources"]
        self._place = place
        self.parameters = _values(translated.get("Parameters", {}), parameters or {})
        self._refs: dict[str, Any] = {
            **self.parameters,
            "AWS::Region": place.region,
            "AWS::AccountId": place.account,
            "AWS::StackName": place.stack,
            "AWS::StackId": place.arn("cloudformation", f"stack/{place.stack}/0"),
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NotificationARNs": [],
        }
        self._identities: dict[str, Identity] = {}
        conditions, mappings = translated.get("Conditions", {}), translated.get("Mappings", {})
        self.resolver = Resolver(self._refs, self._attribute, conditions, mappings)
        for logical_id, resource in self._resources.items():
            self._identities[logical_id] = self._identify(logical_id, resource)
            self._refs[logical_id] = self._identities[logical_id].ref

    def resources(self, *types: str) -> Iterator[Resource]:
        """The resources of the given types whose condition holds, in the template's order."""
        for logical_id, resource in self._resources.items():
            if resource["Type"] in types and self._exists(resource):
                properties = self.resolver.resolve(resource.get("Properties", {}))
                yield Resource(logical_id, resource["Type"], properties, self._identities[logical_id])

    def code_folder(self, function: str) -> Path:
        """The folder that holds a function's code."""
        uri = self._written["Resources"][function]["Properties"]["CodeUri"]
        return self.folder / str(uri)

    def layer_folders(self) -> list[Path]:
        """The folders of the layers that the template builds."""
        return [
            self.folder / str(resource["Properties"]["ContentUri"])
            for resource in self._written["Resources"].values()
            if resource["Type"] == "AWS::Serverless::LayerVersion"
        ]

    def ref(self, logical_id: str) -> Any:
        """What `Ref` gives for a parameter or resource."""
        return self._refs[logical_id]

    def identity(self, logical_id: str) -> Identity:
        """Name, `Ref` and attributes of a resource."""
        return self._identities[logical_id]

    def _exists(self, resource: Json) -> bool:
        return "Condition" not in resource or self.resolver.condition(resource["Condition"])

    def _attribute(self, logical_id: str, attribute: str) -> str:
        return self._identities[logical_id].attributes[attribute]

    def _identify(self, logical_id: str, resource: Json) -> Identity:
        properties = resource.get("Properties", {})
        named_by = NAMED_BY.get(resource["Type"], "")
        name = f"{self._place.stack}-{logical_id}"
        if named_by in properties:
            name = self.resolver.resolve(properties[named_by])
        return identify(self._place, resource["Type"], name)


def _values(declared: Json, given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := set(given) - set(declared):
        raise ValueError(f"the template has no parameter {', '.join(sorted(unknown))}")
    values = {}
    for name, parameter in declared.items():
        if name not in given and "Default" not in parameter:
            raise ValueError(f"the parameter {name} has no value")
        value = str(given.get(name, parameter.get("Default")))
        allowed = [str(item) for item in parameter.get("AllowedValues", [])]
        if allowed and value not in allowed:
            raise ValueError(f"{value!r} is no value of {name}: {', '.join(allowed)}")
        is_list = parameter["Type"] == "CommaDelimitedList" or parameter["Type"].startswith("List<")
        values[name] = value.split(",") if is_list else value
    return values
