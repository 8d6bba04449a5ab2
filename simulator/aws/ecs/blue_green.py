"""Deployments that shift traffic: the new (green) tasks all run beside the old (blue) ones until the bake time is over.

A deployment of a service with strategy BLUE_GREEN goes through the stages in order; a stage with hooks waits for all of
them. With strategy LINEAR or CANARY, the two stages of the production traffic shift come once for every step. If a
stage fails, the stages of the traffic shifts it has come to are repeated with the traffic back on blue, and blue, whose
tasks have all been kept, is primary again with its configuration. Stages are not carried out on load balancers: what is
simulated is which tasks live, and which hooks are called when. The first deployment of a service has no blue and rolls
out at once.

Source: "Amazon ECS blue/green service deployments workflow" and "Lambda hooks for Amazon ECS service deployments" of
the ECS guide. Unverified: the texts of the reasons, and that DescribeServices shows both deployments as it does those
of a rolling update.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.deployments import Deployments, change_state, configuration_of, restore
from simulator.aws.ecs.lifecycle_hooks import HookRun
from simulator.aws.ecs.service_revisions import revision_arn

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.account import Account
    from simulator.aws.ecs.deployments import Deployment
    from simulator.clock import Timer

STAGES = (
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
)
ROLLBACK_STAGES = ("PRODUCTION_TRAFFIC_SHIFT", "TEST_TRAFFIC_SHIFT")
# "The system times out, fails the deployment, and then initiates a rollback after a stage reaches 24 hours."
STAGE_LIMIT = 24 * 3600.0
SHIFTING = ("BLUE_GREEN", "LINEAR", "CANARY")
# Defaults of linearConfiguration and canaryConfiguration.
LINEAR = {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}
CANARY = {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}
STAGE_FAILED = "ECS deployment {{id}} failed at lifecycle stage {stage}."
ROLLED_BACK = "ECS deployment: rolling back to deploymentId {id}."


class BlueGreen:
    """The blue/green deployments in progress, by the ARN of their service; it begins one when a service starts it.

    by_green: every one there has been, by the id of its green deployment.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.by_green: dict[str, Rollout] = {}
        self._rollouts: dict[str, Rollout] = {}
        account.state(Deployments).watchers.append(self._changed)

    def of(self, service: Any) -> Rollout | None:
        """The one of a service (moto's); None if its deployment, if any, is a rolling one."""
        return self._rollouts.get(service.arn)

    def _changed(self, service: Any) -> None:
        primary = service.deployments[0]
        previous = self._rollouts.get(service.arn)
        if previous is not None:
            if previous.green is primary:
                return
            previous.cancel()
            del self._rollouts[service.arn]
        blue = self._account.state(Deployments).completed.get(service.arn)
        if (
            configuration_of(service)["strategy"] in SHIFTING
            and primary["rolloutState"] == "IN_PROGRESS"
            and blue is not None
            and any(one is blue for one in service.deployments[1:])
        ):
            rollout = Rollout(self._account, service, blue)
            self._rollouts[service.arn] = self.by_green[primary["id"]] = rollout
            rollout.begin()


class Rollout:
    """One blue/green deployment of a service (moto's); the primary deployment is green.

    stage: where it is; "ROLLBACK" while traffic goes back. lifecycle_stage: the last one before that. weight: the
    share of production traffic that green is to get, in percent.
    """

    def __init__(self, account: Account, service: Any, blue: Deployment) -> None:
        self._account = account
        self._service = service
        self._pending: list[HookRun | Timer] = []
        self.blue = blue
        self.green: Deployment = service.deployments[0]
        self.stage = self.lifecycle_stage = ""
        self.weight = 0.0
        self._steps, self._bake_minutes = traffic_steps(configuration_of(service))

    def begin(self) -> None:
        """Enter the first stage."""
        # "when you start a new service deployment with more than 1 service revision in an ACTIVE state"
        is_reconciled = len(self._service.deployments) > 2  # noqa: PLR2004 - more than blue and green
        self._enter("RECONCILE_SERVICE" if is_reconciled else "PRE_SCALE_UP")

    @property
    def is_active(self) -> bool:
        """Whether it is the service's current one."""
        return self._account.state(BlueGreen).of(self._service) is self

    @property
    def keeps_blue(self) -> bool:
        """Whether no task of blue may be stopped."""
        return self.stage != "CLEAN_UP"

    @property
    def starts_green(self) -> bool:
        """Whether tasks of green may be started."""
        return self.stage in STAGES[STAGES.index("SCALE_UP") :]

    def scaled_up(self) -> None:
        """All tasks of green are ready."""
        if self.stage == "SCALE_UP":
            self._go_on()

    def cancel(self) -> None:
        """Call no more hooks: another deployment has taken its place, or it is over."""
        for one in self._pending:
            one.cancel()
        self._pending.clear()

    def _go_on(self) -> None:
        if self.stage == "PRODUCTION_TRAFFIC_SHIFT" and self._steps:
            self._pending.append(
                self._account.clock.after(
                    self._bake_minutes * 60.0, lambda: self._enter("PRE_PRODUCTION_TRAFFIC_SHIFT")
                )
            )
            return
        self._enter(STAGES[STAGES.index(self.stage) + 1])

    def _enter(self, stage: str) -> None:
        self.cancel()
        self.stage = self.lifecycle_stage = stage
        if stage == "PRODUCTION_TRAFFIC_SHIFT":
            self.weight = self._steps.pop(0)
        clock = self._account.clock
        match stage:
            case "SCALE_UP":
                self._pending.append(clock.after(STAGE_LIMIT, self._fail))
            case "BAKE_TIME":
                minutes = configuration_of(self._service).get("bakeTimeInMinutes", 0)
                self._pending.append(clock.after(minutes * 60.0, self._go_on))
            case "CLEAN_UP":
                pass
            case _:
                self._call_hooks(stage, self._go_on, self._fail)
                return
        self._account.state(Deployments).changed(self._service)

    def _call_hooks(self, stage: str, succeeded: Callable[[], None], failed: Callable[[], None]) -> None:
        def finished(run: HookRun, may_go_on: bool) -> None:  # noqa: FBT001 - the callback of HookRun
            self._pending.remove(run)
            if not may_go_on:
                failed()
            elif not self._pending:
                succeeded()

        hooks = configuration_of(self._service).get("lifecycleHooks", ())
        payload = self._payload(stage)
        self._pending += [
            HookRun(self._account, hook, payload, finished) for hook in hooks if stage in hook["lifecycleStages"]
        ]
        if not self._pending:
            succeeded()

    def _payload(self, stage: str) -> dict[str, Any]:
        green, blue = (revision_arn(self._service, one) for one in (self.green, self.blue))
        forth, back = {green: 100, blue: 0}, {green: 0, blue: 100}
        is_back = self.stage == "ROLLBACK"
        now = {green: self.weight, blue: 100 - self.weight}
        production = {"PRE_PRODUCTION_TRAFFIC_SHIFT": now, "PRODUCTION_TRAFFIC_SHIFT": now}
        return {
            "lifecycleStage": stage,
            "resourceArn": green.replace(":service-revision/", ":service-deployment/"),
            "executionDetails": {
                "serviceArn": self._service.arn,
                "targetServiceRevisionArn": green,
                "testTrafficWeights": (back if is_back else forth) if stage == "TEST_TRAFFIC_SHIFT" else {},
                "productionTrafficWeights": production.get(stage, {}),
            },
        }

    def _fail(self) -> None:
        self.cancel()
        reached = STAGES[: STAGES.index(self.stage) + 1]
        change_state(self._account, self._service, self.green, "FAILED", STAGE_FAILED.format(stage=self.stage))
        self.stage, self.weight = "ROLLBACK", 0.0
        self._shift_back([stage for stage in ROLLBACK_STAGES if stage in reached])

    def _shift_back(self, stages: list[str]) -> None:
        if stages:
            # Whatever the hooks answer, traffic goes back.
            def go_on() -> None:
                self.cancel()
                self._shift_back(stages[1:])

            self._call_hooks(stages[0], go_on, go_on)
            return
        others = [one for one in self._service.deployments if one is not self.blue]
        self.blue["status"], self.green["status"] = "PRIMARY", "ACTIVE"
        self._service.deployments[:] = [self.blue, *others]
        restore(self._service, self.blue)
        change_state(self._account, self._service, self.blue, "IN_PROGRESS", ROLLED_BACK)
        self._account.state(Deployments).changed(self._service)


def traffic_steps(configuration: dict[str, Any]) -> tuple[list[float], float]:
    """The percentages of production traffic that green gets step by step, and the minutes between two of them."""
    match configuration["strategy"]:
        case "LINEAR":
            linear = LINEAR | configuration.get("linearConfiguration", {})
            count = math.ceil(100 / linear["stepPercent"])
            steps = [min(100.0, linear["stepPercent"] * number) for number in range(1, count + 1)]
            return steps, linear["stepBakeTimeInMinutes"]
        case "CANARY":
            canary = CANARY | configuration.get("canaryConfiguration", {})
            return [canary["canaryPercent"], 100.0], canary["canaryBakeTimeInMinutes"]
    return [100.0], 0.0
