"""RunTask, and what its answers show of the account: for files and for workers, for any number of threads."""

from berthmaster.batch.act.launch import TaskRequest, request_task
from berthmaster.batch.conditions import Conditions
from berthmaster.batch.model.launch_failures import LaunchFailure
from berthmaster.batch.plan.launching import placement_of
from berthmaster.batch.report.launches import quota_reached
from berthmaster.batch.report.outcomes import EVERY_DAY, Outcomes
from berthmaster.clients import Clients
from berthmaster.telemetry import logger


class Requesting:
    """Requests tasks for one invocation."""

    def __init__(self, clients: Clients, conditions: Conditions, outcomes: Outcomes, *, stack: str) -> None:
        self._clients = clients
        self._conditions = conditions
        self._outcomes = outcomes
        self._stack = stack

    def request(self, task: TaskRequest) -> str | LaunchFailure:
        """Request a task; returns its ARN, or why there is none as far as is known."""
        where = placement_of(task.launch)
        outcome = request_task(self._clients.ecs_once, task, stack=self._stack)
        if isinstance(outcome, str):
            self._conditions.succeeded(where)
            return outcome
        logger.warning("task not launched", started_by=task.name, reason=outcome.text)
        follows = outcome.follows
        if follows.slows_down:
            self._conditions.throttle()
        if follows.rotates:
            self._conditions.lacks(where)
        if follows.waits_for_quota and self._conditions.over_quota(where.provider):
            self._outcomes.once(quota_reached(where.provider, outcome), f"quota {where.provider}", EVERY_DAY)
        return outcome
