"""FARGATE and FARGATE_SPOT: which of them a task of a capacity provider strategy gets.

Texts of errors as users have quoted them; unverified word by word.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.account import Params


def providers(home: Any, params: Params, count: int) -> list[str]:
    """The capacity provider of each of `count` tasks that RunTask starts in a cluster (moto's); empty for none.

    A strategy excludes a launch type. Without either, the cluster's default strategy counts, and without that Fargate.
    """
    strategy = params.get("capacityProviderStrategy")
    launch_type = params.get("launchType")
    if strategy and launch_type:
        message = (
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
        raise AwsError("InvalidParameterException", message)
    if launch_type:
        return [""] * count
    strategy = strategy or home.default_capacity_provider_strategy
    return _assigned(home, strategy, count) if strategy else [""] * count


def _assigned(home: Any, strategy: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    for one in strategy:
        if one["capacityProvider"] not in (home.capacity_providers or ()):
            message = (
                f"The specified capacity provider '{one['capacityProvider']}' is not associated with the cluster. "
                "Specify a capacity provider that is associated with the cluster and try again."
            )
            raise AwsError("InvalidParameterException", message)
    weights = {one["capacityProvider"]: one.get("weight", 0) for one in strategy}
    if not any(weights.values()):
        message = "All capacity providers in the strategy have a weight of 0. Specify a weight greater than 0."
        raise AwsError("InvalidParameterException", message)
    base = [one["capacityProvider"] for one in strategy for _ in range(one.get("base", 0))][:count]
    given: Counter[str] = Counter()
    rest = []
    for _ in range(count - len(base)):
        # Whoever is furthest below the share of its weight.
        name = min((one for one in weights if weights[one]), key=lambda one: (given[one] + 1) / weights[one])
        given[name] += 1
        rest.append(name)
    return base + rest
