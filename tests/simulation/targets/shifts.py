"""Blue/green deployments on busy days: when their tasks are to serve, and a hook that holds and fails them."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator.aws.ecs.blue_green import STAGES, BlueGreen
from simulator.aws.ecs.lifecycle_hooks import HookTargets
from simulator.aws.ecs.task import Task
from simulator.cloud import Cloud

HOOK = "arn:aws:lambda:eu-central-1:123456789012:function:hook"
HELD_AT = ["POST_SCALE_UP", "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"]
SHIFTED = STAGES[STAGES.index("PRODUCTION_TRAFFIC_SHIFT") :]
LONGEST_CALL_BACK = 40.0
HELD, FAILED = 0.5, 0.1
"""How often the hook lets a deployment wait, and how often it rolls one back."""


@dataclass
class Shifts:
    """The blue/green deployments of a day; is_calm: the hook agrees to everything."""

    cloud: Cloud
    random: Random
    is_calm: bool = False

    def configuration(self) -> Mapping[str, Any]:
        """A deployment configuration with the hook."""
        self.cloud.state(HookTargets).functions[HOOK] = lambda _: self._answer()
        hook = {"hookTargetArn": HOOK, "roleArn": "arn:aws:iam::123456789012:role/hooks", "lifecycleStages": HELD_AT}
        return {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1, "lifecycleHooks": [hook]}

    def may_serve(self, task: Task) -> bool:
        """Whether production traffic has ever been shifted to the revision of a task."""
        rollout = self.cloud.state(BlueGreen).by_green.get(task.started_by)
        return rollout is None or rollout.lifecycle_stage in SHIFTED

    def is_to_serve(self, task: Task) -> bool:
        """Whether a task belongs to a revision that takes production traffic now."""
        rollout = self.cloud.state(BlueGreen).by_green.get(task.started_by)
        if rollout is None or rollout.green["rolloutState"] == "COMPLETED":
            return True
        return rollout.is_active and rollout.weight > 0

    def _answer(self) -> dict[str, Any]:
        drawn = self.random.random()
        if self.is_calm or drawn > HELD + FAILED:
            return {"hookStatus": "SUCCEEDED"}
        if drawn > HELD:
            return {"hookStatus": "FAILED"}
        return {"hookStatus": "IN_PROGRESS", "callBackDelay": self.random.uniform(5, LONGEST_CALL_BACK)}
