"""DeregisterTargets that AWS answers with success and does not carry out.

Unverified: users saw targets of stopped tasks that stayed registered (aws/amazon-ecs-agent#1417), and not what the call
had answered. A call without the port that a target was registered with does nothing (aws/aws-sdk-js#1964) at all times.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from simulator.calls import is_function

if TYPE_CHECKING:
    from collections.abc import Iterable


class LostDeregistrations:
    """Which deregistrations by functions have no effect.

    groups: the ARNs of target groups where none has. per_call, per_target: how probable it is that a whole call has
    none, or one target of a call is left registered.
    """

    def __init__(self, seed: int) -> None:
        self.groups: set[str] = set()
        self.per_call = 0.0
        self.per_target = 0.0
        self._random = Random(f"{seed}:lost deregistrations")

    def carried_out[Key](self, group_arn: str, keys: Iterable[Key]) -> list[Key]:
        """The targets of a call that do begin to drain."""
        if not is_function():
            return list(keys)
        if group_arn in self.groups or self._is_lost(self.per_call):
            return []
        return [key for key in keys if not self._is_lost(self.per_target)]

    def _is_lost(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability
