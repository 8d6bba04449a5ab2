"""The rates of ECS and Fargate for tasks, per account and Region; only functions' calls count.

Sources: "Request throttling for the Amazon ECS API" and "AWS Fargate throttling quotas" of the ECS guide. That a call
for several tasks is throttled as a whole when Fargate has too few tokens for them is unverified.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from simulator.aws.ecs.fargate import FARGATE, FARGATE_SPOT
from simulator.aws.throttling import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.account import Account


class Rates:
    """The token buckets: calls of RunTask for Fargate, launches, calls that change a cluster's tasks, their reads."""

    def __init__(self, _: Account) -> None:
        self.run_task = TokenBucket(rate=20, burst=20)
        self.launches = {name: TokenBucket(rate=20, burst=100) for name in (FARGATE, FARGATE_SPOT)}
        self.changes = TokenBucket(rate=40, burst=100)
        self.reads = TokenBucket(rate=20, burst=100)

    def admit_launches(self, account: Account, providers: Iterable[str]) -> None:
        """Take a token for each task that is launched; `Throttled` if there are too few."""
        for provider, count in Counter(one or FARGATE for one in providers).items():
            self.launches[provider].admit(account, count)
