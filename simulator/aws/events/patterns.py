"""What EventBridge accepts as an event pattern; moto lets an unknown operator match everything."""

from __future__ import annotations

from typing import Any

# Amazon EventBridge User Guide, "Comparison operators for use in event patterns".
OPERATORS = {"prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "cidr", "exists"}


class InvalidPatternError(ValueError):
    """EventBridge would refuse this pattern with InvalidEventPatternException."""


def check_pattern(pattern: Any, path: str = "$") -> None:
    """Refuse what EventBridge refuses: a value that is no list or object, an empty list, an unknown operator."""
    if not isinstance(pattern, dict):
        raise InvalidPatternError(f"{path} must be an object or an array")
    for key, value in pattern.items():
        where = f"{path}.{key}"
        if key == "$or":
            for index, branch in enumerate(value):
                check_pattern(branch, f"{where}[{index}]")
        elif isinstance(value, list):
            _check_values(value, where)
        else:
            check_pattern(value, where)


def _check_values(values: list[Any], path: str) -> None:
    if not values:
        raise InvalidPatternError(f"{path}: empty arrays are not allowed")
    for value in values:
        if isinstance(value, dict) and (len(value) != 1 or not set(value) <= OPERATORS):
            raise InvalidPatternError(f"{path}: unrecognised match type {', '.join(value)}")
        if isinstance(value, list):
            raise InvalidPatternError(f"{path}: a value cannot be an array")
