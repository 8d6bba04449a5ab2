"""CloudWatch alarms of a rolling deployment: it bakes before it completes, and an alarm meanwhile ends it as FAILED.

The bake time begins when all tasks run and the older ones are gone; until it is over the deployment is in progress, and
the older ones are listed. A deployment that starts while one of its alarms is in state ALARM ignores them all.

Source: "How CloudWatch alarms detect Amazon ECS deployment failures" of the ECS guide. Unverified: the texts of the
reasons, and how often ECS looks at the alarms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.deployments import Deployments, complete_deployment, configuration_of, fail_deployment

if TYPE_CHECKING:
    from simulator.account import Account

POLL_INTERVAL = 30.0
# "The default bake time is less than 5 minutes."
BAKE_MINUTES = 4
ALARM_DETECTED = "ECS deployment alarms: alarm detected."
ROLLED_BACK = "ECS deployment alarms: rolling back to deploymentId {id}."


class DeploymentAlarms:
    """The deployments of an account whose alarms are watched, each from its start."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._monitors: dict[str, Monitor | None] = {}
        account.state(Deployments).watchers.append(self.of)

    def of(self, service: Any) -> Monitor | None:
        """The monitor of the primary deployment of a service (moto's), if it has alarms to watch."""
        primary = service.deployments[0]
        if primary["id"] not in self._monitors:
            monitor = Monitor(self._account, service)
            self._monitors[primary["id"]] = monitor if monitor.begin() else None
        return self._monitors[primary["id"]]


class Monitor:
    """Watches the alarms of the primary deployment of a service (moto's) until it is over."""

    def __init__(self, account: Account, service: Any) -> None:
        self._account = account
        self._service = service
        self._deployment = service.deployments[0]
        self._configuration = configuration_of(service)
        self._alarms: dict[str, Any] = self._configuration.get("alarms", {})
        self._baked_at: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether its deployment is in progress, and not replaced."""
        return self._service.deployments[0] is self._deployment and self._deployment["rolloutState"] == "IN_PROGRESS"

    def begin(self) -> bool:
        """Begin to watch; False if there is nothing to watch."""
        is_rolling = self._configuration["strategy"] == "ROLLING"
        if not (is_rolling and self.is_active and self._alarms.get("enable")) or self._is_in_alarm():
            return False
        self._account.clock.after(POLL_INTERVAL, self._poll)
        return True

    def bake(self) -> None:
        """All tasks are the deployment's and ready: complete it when the bake time is over."""
        if self._baked_at is None:
            minutes = self._configuration.get("bakeTimeInMinutes", BAKE_MINUTES)
            self._baked_at = self._account.clock.timestamp() + minutes * 60

    def _poll(self) -> None:
        if not self.is_active:
            return
        if self._is_in_alarm():
            rolled_back = ROLLED_BACK if self._alarms["rollback"] else ""
            fail_deployment(self._account, self._service, ALARM_DETECTED, rolled_back=rolled_back)
        elif self._baked_at is not None and self._account.clock.timestamp() >= self._baked_at:
            complete_deployment(self._account, self._service, self._deployment["id"])
        else:
            self._account.clock.after(POLL_INTERVAL, self._poll)

    def _is_in_alarm(self) -> bool:
        alarms = self._account.backend("cloudwatch").alarms
        return any(name in alarms and alarms[name].state_value == "ALARM" for name in self._alarms["alarmNames"])
