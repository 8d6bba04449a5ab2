"""What functions do to targets on a busy day, judged call by call, in the moment in which AWS does as it is told.

A target belongs to whoever registered it last while it was not registered, and to ECS if ECS has registered it since.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.ecs.task import Task
from simulator.calls import OPERATOR, WORKLOAD, caller
from simulator.cloud import Cloud
from tests.simulation.day import Day, Destination, Key, at

type Params = Mapping[str, Any]
type Afterwards = Callable[[], None]

RETAGGING_HEEDED_WITHIN = 300.0


@dataclass(frozen=True)
class Title:
    """Who registered a target, and for which task, if that was a function."""

    by: str
    owner: Task | None

    @property
    def is_berthmasters(self) -> bool:
        """Whether a function registered it."""
        return self.by not in (OPERATOR, WORKLOAD)


@dataclass(frozen=True)
class LettingGo:
    """Who deregistered a target, when, and whose it was."""

    by: str
    owner: Task | None
    at: float


@dataclass
class CallInvariants:
    """Sees every registration and deregistration; `broken` tells, in sentences, of those that should not have been.

    lag: seconds after a task began to leave for which a function may not know it.
    """

    day: Day
    lag: float
    broken: list[str] = field(default_factory=list)
    titles: dict[Key, Title] = field(default_factory=dict)
    let_go: dict[Key, LettingGo] = field(default_factory=dict)
    instances: dict[tuple[str, str], Task] = field(default_factory=dict)
    visitors: dict[str, list[Task]] = field(default_factory=lambda: defaultdict(list))
    _destinations: dict[str, Destination] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._destinations = {one.arn: one for one in self.day.destinations}
        self._destinations |= {one.service_id: one for one in self.day.destinations if not one.is_group}
        for one in self.day.destinations:
            self.titles |= {(one.arn, *key): Title(OPERATOR, None) for key in self._routable(one)}
        self.day.cloud.tasks.watchers.append(self._visited)
        self._judge("elbv2:RegisterTargets", self._registering)
        self._judge("elbv2:DeregisterTargets", self._deregistering)
        self._judge("servicediscovery:RegisterInstance", self._registering_instance)
        self._judge("servicediscovery:DeregisterInstance", self._deregistering_instance)
        self._judge("ecs:StopTask", self._stopping)
        self._judge("dynamodb:TransactWriteItems", self._writing)

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.day.cloud.clock.timestamp()

    def owner(self, destination: Destination, ip: str, port: int) -> Task | None:
        """For whom a function registered what is registered at an address."""
        if destination.is_group:
            title = self.titles.get((destination.arn, ip, port))
            return title.owner if title else None
        instances = self.day.cloud.discovery.registry(destination.service_id).instances
        owners = [self.instances.get((destination.service_id, name)) for name in instances]
        return next((task for task in owners if task and (task.address, task.port) == (ip, port)), None)

    def _judge(self, operation: str, judge: Callable[[Params], Afterwards]) -> None:
        """Look before AWS answers, and speak when it has done what was asked."""
        answer = self.day.cloud.answers[operation]

        def answered(cloud: Cloud, params: Params) -> dict[str, Any] | None:
            afterwards = judge(params)
            result = answer(cloud, params)
            afterwards()
            return result

        self.day.cloud.answers[operation] = answered

    def _object(self, sentence: str) -> None:
        self.broken.append(f"{caller()} {sentence} at {self.now:.0f}")

    def _visited(self, task: Task) -> None:
        if task.last_status == "PENDING":
            self.visitors[task.address].append(task)

    def _routable(self, destination: Destination) -> set[tuple[str, int]]:
        return self.day.cloud.targets.routable(destination.arn) if destination.is_group else set()

    # Target groups

    def _registering(self, params: Params) -> Afterwards:
        destination = self._destinations[params["TargetGroupArn"]]
        there = self._routable(destination)
        keys = [(one["Id"], one["Port"]) for one in params["Targets"]]

        def registered() -> None:
            for ip, port in keys:
                key = (destination.arn, ip, port)
                present = self.titles[key] if (ip, port) in there else None
                owner = self._newcomer(destination, ip, port) if _is_function() else None
                if _is_function() and present and not present.is_berthmasters:
                    self._object(f"registered {ip}:{port}, which {present.by} had registered,")
                if present is None or caller() == WORKLOAD:
                    self.titles[key] = Title(caller(), owner)

        return registered

    def _deregistering(self, params: Params) -> Afterwards:
        destination = self._destinations[params["TargetGroupArn"]]
        there = self._routable(destination)
        keys = [(one["Id"], one["Port"]) for one in params["Targets"]]

        def deregistered() -> None:
            for ip, port in keys:
                key = (destination.arn, ip, port)
                title = self.titles.pop(key, None) if (ip, port) in there else None
                if title and _is_function():
                    self._judge_removal(destination, ip, title)
                self.let_go[key] = LettingGo(caller(), title.owner if title else None, self.now)

        return deregistered

    def _newcomer(self, destination: Destination, ip: str, port: int) -> Task | None:
        """The task that a function registers: one that runs and is wanted, or was a moment ago."""
        settled = not destination.is_unsettled(self.now)
        for task in reversed(self.visitors[ip]):
            is_wanted = destination.wants(task) if settled else destination.names(task)
            has_run = task.running_at is not None and (not task.has_health_check or task.health_status == "HEALTHY")
            is_recent = task.left_at is None or self.now - task.left_at.timestamp() < self.lag
            if is_wanted and task.port == port and has_run and is_recent:
                return task
        self._object(f"registered {ip}:{port}, where nobody is who is wanted,")
        return None

    def _judge_removal(self, destination: Destination, ip: str, title: Title) -> None:
        if not title.is_berthmasters:
            self._object(f"deregistered {ip}, which {title.by} had registered,")
        elif title.owner and not self._may_go(destination, title.owner):
            self._object(f"deregistered {title.owner.arn}, which lives and is wanted,")

    def _may_go(self, destination: Destination, task: Task) -> bool:
        was_detached = destination.retagged_at and self.now - destination.retagged_at < RETAGGING_HEEDED_WITHIN
        return bool(
            task.left_at
            or not task.has_process
            or destination.is_detached
            or was_detached
            or task.arn in self.day.to_drain
        )

    # Cloud Map

    def _registering_instance(self, params: Params) -> Afterwards:
        destination, name = self._destinations[params["ServiceId"]], params["InstanceId"]
        present = self.day.cloud.discovery.registry(destination.service_id).instances.get(name)

        def registered() -> None:
            if not _is_function():
                return
            owner = self._newcomer(destination, *at(params["Attributes"]))
            if present and not Title(present.registered_by, None).is_berthmasters:
                self._object(f"replaced {name}, which {present.registered_by} had registered,")
            if owner:
                self.instances[destination.service_id, name] = owner

        return registered

    def _deregistering_instance(self, params: Params) -> Afterwards:
        destination, name = self._destinations[params["ServiceId"]], params["InstanceId"]
        present = self.day.cloud.discovery.registry(destination.service_id).instances.get(name)

        def deregistered() -> None:
            if present is None:
                return
            ip, port = at(present.attributes)
            owner = self.instances.get((destination.service_id, name))
            if _is_function():
                self._judge_removal(destination, ip, Title(present.registered_by, owner))
            self.let_go[destination.arn, ip, port] = LettingGo(caller(), owner, self.now)

        return deregistered

    # Tasks and claims

    def _stopping(self, params: Params) -> Afterwards:
        task = self.day.cloud.tasks.find(params["task"])
        is_judged = _is_function() and task is not None and task.desired_status == "RUNNING"

        def stopped() -> None:
            if not is_judged or task is None:
                return
            if task.arn not in self.day.to_drain:
                self._object(f"stopped {task.arn}, unasked,")
            for destination in self.day.destinations:
                if self._still_has(destination, task):
                    self._object(f"stopped {task.arn}, which {destination.arn} may still route to,")

        return stopped

    def _still_has(self, destination: Destination, task: Task) -> bool:
        if self.owner(destination, task.address, task.port) is task:
            return True
        let_go = self.let_go.get((destination.arn, task.address, task.port))
        return let_go is not None and let_go.owner is task and self.now - let_go.at < destination.drain

    def _writing(self, params: Params) -> Afterwards:
        bodies = [item["Put"]["Item"]["body"]["S"] for item in params["TransactItems"] if "body" in item["Put"]["Item"]]

        def written() -> None:
            for body in bodies:
                if '"state":"registered"' in body:
                    self._judge_claim(json.loads(body))

        return written

    def _judge_claim(self, claim: Mapping[str, Any]) -> None:
        """A target's health is its owner's own if it was registered after the owner got the address."""
        group, ip, port = (claim["key"][name] for name in ("destination", "ip", "port"))
        owner = self.day.cloud.tasks.find(claim["owner"])
        target = self.day.cloud.targets.of(group).get((ip, port)) if self._destinations[group].is_group else None
        if owner is None or owner.connected_at is None or owner.address != ip:
            self._object(f"claimed {ip}:{port} for {claim['owner']}, which never had it,")
        elif target and target.gone_at is None and target.registered_at < owner.connected_at.timestamp():
            self._object(f"claimed {ip}:{port} for {owner.arn}, with another's health,")


def _is_function() -> bool:
    return caller() not in (OPERATOR, WORKLOAD)
