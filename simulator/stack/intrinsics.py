"""CloudFormation's intrinsic functions, as far as templates of this kind use them."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")


class _NoValue:
    """What `AWS::NoValue` leaves behind: the property is not there."""


NO_VALUE = _NoValue()


class UnknownIntrinsicError(LookupError):
    """The template uses a function, reference or condition that cannot be resolved."""


class Resolver:
    """Turns a value of a template into what CloudFormation would pass on.

    refs: what `Ref` gives, for parameters, pseudo parameters and resources.
    attribute: what `Fn::GetAtt` gives, by logical id and attribute name.
    """

    def __init__(
        self,
        refs: Mapping[str, Any],
        attribute: Callable[[str, str], Any],
        conditions: Mapping[str, Any],
        mappings: Mapping[str, Any],
    ) -> None:
        self._refs = refs
        self._attribute = attribute
        self._conditions = conditions
        self._mappings = mappings
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self.condition,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": lambda args: self.resolve(args[0]).join(str(part) for part in self.resolve(args[1])),
            "Fn::Split": lambda args: self.resolve(args[1]).split(args[0]),
            "Fn::Select": lambda args: self.resolve(args[1])[int(self.resolve(args[0]))],
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": lambda text: base64.b64encode(self.resolve(text).encode()).decode(),
            "Fn::If": lambda args: self.resolve(args[1] if self.condition(args[0]) else args[2]),
            "Fn::Equals": lambda args: str(self.resolve(args[0])) == str(self.resolve(args[1])),
            "Fn::Not": lambda args: not self.resolve(args[0]),
            "Fn::And": lambda args: all(self.resolve(arg) for arg in args),
            "Fn::Or": lambda args: any(self.resolve(arg) for arg in args),
        }

    def resolve(self, value: Any) -> Any:
        """Resolve every function in a value, however deep; properties that are `AWS::NoValue` disappear."""
        if isinstance(value, dict):
            if len(value) == 1 and (name := next(iter(value))) in self._functions:
                return self._functions[name](value[name])
            for name in value:
                if name.startswith("Fn::"):
                    raise UnknownIntrinsicError(name)
            resolved = {key: self.resolve(item) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not NO_VALUE}
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        return value

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds."""
        if name not in self._conditions:
            raise UnknownIntrinsicError(f"condition {name}")
        return bool(self.resolve(self._conditions[name]))

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name not in self._refs:
            raise UnknownIntrinsicError(f"Ref {name}")
        return self._refs[name]

    def _get_att(self, target: str | list[str]) -> Any:
        name, attribute = target.split(".", 1) if isinstance(target, str) else target
        return self._attribute(name, attribute)

    def _sub(self, argument: str | list[Any]) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.resolve(value) for name, value in given.items()}

        def replace(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            if escaped:
                return f"${{{name}}}"
            if name in values:
                return str(values[name])
            if name in self._refs:
                return str(self._refs[name])
            return str(self._get_att(name))

        return PLACEHOLDER.sub(replace, text)

    def _find_in_map(self, path: list[Any]) -> Any:
        found: Any = self._mappings
        for key in path:
            found = found[self.resolve(key)]
        return found
