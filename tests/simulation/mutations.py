"""What keeps overlapping functions apart, taken away one at a time: days that pass without it prove nothing.

A mutation changes the requests of functions, or of the programs of tasks, to AWS, so that it needs no second version of
the product.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.account import Account
from simulator.calls import WORKLOAD, caller, is_function
from simulator.cloud import Cloud

type Params = Mapping[str, Any]
type Change = Callable[[Params], Params]
type Day = Callable[[int, Mutation | None], list[str]]
"""Runs the day of a seed; returns what was wrong."""

TRIES = 10


@dataclass(frozen=True)
class Mutation:
    """Changes of requests, by operation. A day that is broken by it says so in a sentence that contains `shows`.

    seed: of a day that is known to be. of_programs: whether it is the requests of the programs of tasks.
    """

    name: str
    changes: Mapping[str, Change]
    shows: str
    seed: int
    of_programs: bool = field(default=False, kw_only=True)

    def apply(self, cloud: Cloud) -> None:
        """Let the functions or programs of a cloud do without it from now on."""
        for operation, change in self.changes.items():
            _change(cloud, operation, change, of_programs=self.of_programs)

    def is_noticed(self, day: Day) -> bool:
        """Whether the day that is known to notice it does, or else one of the first few."""
        return any(self.is_noticed_by(day, seed) for seed in (self.seed, *range(TRIES)))

    def is_noticed_by(self, day: Day, seed: int) -> bool:
        """Whether the day of a seed is broken by it."""
        return any(self.shows in problem for problem in day(seed, self))

    def __str__(self) -> str:
        return self.name


def _change(cloud: Cloud, operation: str, change: Change, *, of_programs: bool) -> None:
    handler = cloud.handlers[operation]

    def mutated(account: Account, params: Params) -> dict[str, Any] | None:
        is_meant = caller() == WORKLOAD if of_programs else is_function()
        return handler(account, change(params) if is_meant else params)

    cloud.handlers[operation] = mutated


def asking(**parameters: Any) -> Change:
    """A request with other parameters."""
    return lambda params: {**params, **parameters}


def unconditional(*partitions: str) -> Change:
    """A write without its condition, to items whose partition key begins so."""

    def changed(params: Params) -> Params:
        if "TransactItems" in params:
            return {**params, "TransactItems": [_changed_action(one) for one in params["TransactItems"]]}
        key = params["Key"] if "Key" in params else params["Item"]
        return _always_true(params) if key["pk"]["S"].startswith(partitions) else params

    def _changed_action(action: Params) -> Params:
        return {kind: changed(one) for kind, one in action.items()}

    return changed


def hidden(*partitions: str) -> Change:
    """A BatchGetItem that does not find the items whose partition key begins so."""

    def renamed(key: Params) -> Params:
        return {**key, "pk": {"S": f"hidden#{key['pk']['S']}"}} if key["pk"]["S"].startswith(partitions) else key

    def changed(params: Params) -> Params:
        tables = params["RequestItems"]
        return {
            **params,
            "RequestItems": {
                name: {**asked, "Keys": [renamed(key) for key in asked["Keys"]]} for name, asked in tables.items()
            },
        }

    return changed


def _always_true(params: Params) -> Params:
    # DynamoDB refuses a value that no expression uses, so the condition stays, as one side of an OR.
    condition = params.get("ConditionExpression")
    if not condition:
        return params
    return {**params, "ConditionExpression": f"({condition}) OR attribute_not_exists(no_such_attribute)"}
