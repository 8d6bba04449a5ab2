"""EC2's `Filters` parameter: names, wildcards, tags, and its limits."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

type Filter = Mapping[str, Any]
type Fields[T] = Mapping[str, Callable[[T], Iterable[str]]]

VALUES_LIMIT = 200


def select[T](
    items: Iterable[T], filters: Sequence[Filter], fields: Fields[T], tags: Callable[[T], Mapping[str, str]]
) -> list[T]:
    """The items that pass every filter; within one filter any value will do, `*` and `?` are wildcards.

    Errors: `FilterLimitExceeded` for more than 200 values, `InvalidParameterValue` for a filter EC2 does not know.
    """
    chosen = list(items)
    for condition in filters:
        name, values = condition["Name"], condition.get("Values", [])
        if len(values) > VALUES_LIMIT:
            raise AwsError(
                "FilterLimitExceeded",
                f"The maximum number of filter values specified on a single call is {VALUES_LIMIT}",
            )
        accepts = _acceptor(values)
        if name.startswith("tag:"):
            key = name.removeprefix("tag:")
            chosen = [item for item in chosen if key in (have := tags(item)) and accepts([have[key]])]
        elif name == "tag-key":
            chosen = [item for item in chosen if accepts(tags(item))]
        elif name in fields:
            read = fields[name]
            chosen = [item for item in chosen if accepts(read(item))]
        else:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return chosen


def _acceptor(values: Sequence[str]) -> Callable[[Iterable[str]], bool]:
    exact = {value for value in values if not _has_wildcard(value)}
    wild = [value for value in values if _has_wildcard(value)]
    if not wild:
        return lambda have: not exact.isdisjoint(have)
    return lambda have: any(one in exact or any(fnmatchcase(one, pattern) for pattern in wild) for one in have)


def _has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value
