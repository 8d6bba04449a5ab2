"""Client tokens of RunTask: the same request again gives the stored result, failures included.

A token belongs to a cluster. It is kept for 24 hours, or for an hour after the last of its tasks has stopped, if that
is sooner. A stopped task is replayed as ARN and statuses, failures older than an hour as their number. Source:
"Ensuring idempotency" of the ECS API reference. Unverified: the message of the conflict, that changed subnets are one,
what a replay shows of a task that stopped over an hour ago (nothing here), and how it shows the number of failures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.account import Account, Params
    from simulator.aws.ecs.task import Task

HOUR = 3600.0
LONGEST = 24 * HOUR


@dataclass(frozen=True)
class Result:
    """What a request gave: tasks, failures, and when."""

    request: str
    tasks: Sequence[Task]
    failures: Sequence[dict[str, str]]
    at: float

    def expires(self) -> float:
        """When the token may be used for another request."""
        ends = [task.stopped_at.timestamp() if task.stopped_at else self.at + LONGEST for task in self.tasks]
        return min(self.at + LONGEST, max(ends, default=self.at) + HOUR)

    def replayed(self, now: float) -> dict[str, Any]:
        """The answer to the same request."""
        shown = [_shown(task, now) for task in self.tasks]
        failures = list(self.failures)
        if failures and now >= self.at + HOUR:
            failures = [{"reason": f"{len(failures)} task(s) failed to start."}]
        return {"tasks": [one for one in shown if one], "failures": failures}


class ClientTokens:
    """The tokens of an account and what they gave."""

    def __init__(self, account: Account) -> None:
        self._clock = account.clock
        self._results: dict[tuple[str, str], Result] = {}

    def replay(self, cluster_arn: str, params: Params) -> dict[str, Any] | None:
        """The stored answer to this request; None if its token is new; ConflictException if it is another request's."""
        key = cluster_arn, params.get("clientToken", "")
        result, now = self._results.get(key), self._clock.timestamp()
        if result is None or now >= result.expires():
            return None
        if result.request != _canonical(params):
            message = "The provided clientToken is already in use with a different RunTask request."
            raise AwsError("ConflictException", message, resourceIds=[task.arn for task in result.tasks])
        return result.replayed(now)

    def keep(self, cluster_arn: str, params: Params, tasks: Sequence[Task], failures: Sequence[dict[str, str]]) -> None:
        """Remember what a request gave."""
        if token := params.get("clientToken"):
            result = Result(_canonical(params), tasks, failures, self._clock.timestamp())
            self._results[cluster_arn, token] = result


def _canonical(params: Params) -> str:
    return json.dumps(params, sort_keys=True, default=str)


def _shown(task: Task, now: float) -> dict[str, Any]:
    if task.stopped_at is None:
        return task.described() | {"tags": task.tags}
    if now >= task.stopped_at.timestamp() + HOUR:
        return {}
    return {"taskArn": task.arn, "lastStatus": task.last_status, "desiredStatus": task.desired_status}
