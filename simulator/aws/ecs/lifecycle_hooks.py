"""Deployment lifecycle hooks: functions that ECS calls at a stage of a deployment, again and again until they agree.

A hook that answers SUCCEEDED lets the deployment go on; one that answers IN_PROGRESS is called again after its
`callBackDelay`, with the `hookDetails` of its answer, until its timeout; anything else, and a function that fails,
rolls the deployment back. Hooks of type PAUSE are not simulated.

Source: "Lambda hooks for Amazon ECS service deployments" of the ECS guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account

type Function = Callable[[dict[str, Any]], Any]
"""Takes the payload of a hook and returns the answer; None if the function fails."""

CALL_BACK_DELAY = 30.0
TIMEOUT_MINUTES = 24 * 60


class HookTargets:
    """The functions that hooks may call, by ARN; one that is missing fails.

    >>> cloud.state(HookTargets).functions[arn] = lambda payload: berthmaster.invoke(GATE, payload).result
    """

    def __init__(self, _: Account) -> None:
        self.functions: dict[str, Function] = {}


class HookRun:
    """One hook (as in `lifecycleHooks`) at one stage; `finished` is called with whether the deployment may go on."""

    def __init__(
        self,
        account: Account,
        hook: Mapping[str, Any],
        payload: Mapping[str, Any],
        finished: Callable[[HookRun, bool], None],
    ) -> None:
        timeout = hook.get("timeoutConfiguration", {})
        self._account = account
        self._function = account.state(HookTargets).functions.get(hook["hookTargetArn"])
        self._payload = {"executionId": str(mock_random.uuid4()), **payload}
        self._details: dict[str, Any] = dict(hook.get("hookDetails", {}))
        self._finished = finished
        self._expires = account.clock.timestamp() + timeout.get("timeoutInMinutes", TIMEOUT_MINUTES) * 60
        self._continues = timeout.get("action", "ROLLBACK") == "CONTINUE"
        # A function may have started the deployment, and functions never nest.
        self._next = account.clock.after(0.0, self._call)

    def cancel(self) -> None:
        """Do not call the hook again."""
        self._next.cancel()

    def _call(self) -> None:
        clock = self._account.clock
        if clock.timestamp() >= self._expires:
            self._finished(self, self._continues)
            return
        answer = self._answer()
        if answer.get("hookStatus") == "IN_PROGRESS":
            self._details |= answer.get("hookDetails", {})
            again = clock.timestamp() + answer.get("callBackDelay", CALL_BACK_DELAY)
            self._next = clock.at(min(again, self._expires), self._call)
        else:
            self._finished(self, answer.get("hookStatus") == "SUCCEEDED")

    def _answer(self) -> dict[str, Any]:
        details = {"hookDetails": dict(self._details)} if self._details else {}
        answer = self._function(self._payload | details) if self._function else None
        return answer if isinstance(answer, dict) else {}
