"""Watch what AWS is asked to do, at the moment at which AWS does it."""

from collections.abc import Callable, Mapping
from typing import Any

from simulator.account import Account
from simulator.cloud import Cloud

type Params = Mapping[str, Any]
type Afterwards = Callable[[], None]


def judge(cloud: Cloud, operation: str, look: Callable[[Params], Afterwards]) -> None:
    """Look before AWS carries out a call of an operation, and judge after it has accepted the call."""
    handler = cloud.handlers[operation]

    def judged(account: Account, params: Params) -> dict[str, Any] | None:
        afterwards = look(params)
        result = handler(account, params)
        afterwards()
        return result

    cloud.handlers[operation] = judged
