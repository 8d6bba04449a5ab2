"""What functions do to targets on a busy day, judged call by call, at the moment at which AWS carries a call out.

A target belongs to the caller that registered it last while it was not registered, and to ECS if ECS has registered it
since.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.ecs.task import Task
from simulator.calls import OPERATOR, WORKLOAD, caller
from tests.simulation.judging import Afterwards, Params, judge
from tests.simulation.targets.day import Day, Destination, Key, at

RETAGGING_SETTLED_WITHIN = 300.0


@dataclass(frozen=True)
class Registration:
    """The caller that registered a target, and for which task if it was a function."""

    by: str
    owner: Task | None

    @property
    def is_berthmasters(self) -> bool:
        """Whether a function registered it."""
        return self.by not in (OPERATOR, WORKLOAD)


@dataclass(frozen=True)
class Deregistration:
    """The caller that deregistered a target, when, and the task of the target."""

    by: str
    owner: Task | None
    at: float


@dataclass
class CallInvariants:
    """Judges every registration and deregistration; `broken` lists in sentences those that were wrong.

    lag: for how many seconds after a task begins to leave a function may not know it.
    """

    day: Day
    lag: float
    broken: list[str] = field(default_factory=list)
    registrations: dict[Key, Registration] = field(default_factory=dict)
    deregistrations: dict[Key, Deregistration] = field(default_factory=dict)
    instances: dict[tuple[str, str], Task] = field(default_factory=dict)
    visitors: dict[str, list[Task]] = field(default_factory=lambda: defaultdict(list))
    _destinations: dict[str, Destination] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._destinations = {one.arn: one for one in self.day.destinations}
        self._destinations |= {one.service_id: one for one in self.day.destinations if not one.is_group}
        for one in self.day.destinations:
            self.registrations |= {(one.arn, *key): Registration(OPERATOR, None) for key in self._routable(one)}
        self.day.cloud.tasks.watchers.append(self._add_visitor)
        for operation, look in (
            ("elbv2:RegisterTargets", self._registering),
            ("elbv2:DeregisterTargets", self._deregistering),
            ("servicediscovery:RegisterInstance", self._registering_instance),
            ("servicediscovery:DeregisterInstance", self._deregistering_instance),
            ("ecs:StopTask", self._stopping),
            ("dynamodb:TransactWriteItems", self._writing),
        ):
            judge(self.day.cloud, operation, look)

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.day.cloud.clock.timestamp()

    def owner(self, destination: Destination, ip: str, port: int) -> Task | None:
        """The task for which a function registered what is registered at an address."""
        if destination.is_group:
            registration = self.registrations.get((destination.arn, ip, port))
            return registration.owner if registration else None
        instances = self.day.cloud.discovery.registry(destination.service_id).instances
        owners = [self.instances.get((destination.service_id, name)) for name in instances]
        return next((task for task in owners if task and (task.address, task.port) == (ip, port)), None)

    def _blame(self, sentence: str) -> None:
        self.broken.append(f"{caller()} {sentence} at {self.now:.0f}")

    def _add_visitor(self, task: Task) -> None:
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
                present = self.registrations[key] if (ip, port) in there else None
                owner = self._new_task(destination, ip, port) if _is_function() else None
                if _is_function() and present and not present.is_berthmasters:
                    self._blame(f"registered {ip}:{port}, which {present.by} had registered,")
                if present is None or caller() == WORKLOAD:
                    self.registrations[key] = Registration(caller(), owner)

        return registered

    def _deregistering(self, params: Params) -> Afterwards:
        destination = self._destinations[params["TargetGroupArn"]]
        there = self._routable(destination)
        keys = [(one["Id"], one["Port"]) for one in params["Targets"]]

        def deregistered() -> None:
            # A call without effect leaves its targets where they are.
            left = self._routable(destination)
            for ip, port in keys:
                if (ip, port) in left:
                    continue
                key = (destination.arn, ip, port)
                registration = self.registrations.pop(key, None) if (ip, port) in there else None
                if registration and _is_function():
                    self._judge_removal(destination, ip, registration)
                self.deregistrations[key] = Deregistration(
                    caller(), registration.owner if registration else None, self.now
                )

        return deregistered

    def _new_task(self, destination: Destination, ip: str, port: int) -> Task | None:
        """The task that a function registers: one that runs and is wanted, or did so a moment ago."""
        settled = not destination.is_unsettled(self.now)
        for task in reversed(self.visitors[ip]):
            is_wanted = destination.wants(task) if settled else destination.matches(task)
            has_run = task.running_at is not None and (not task.has_health_check or task.health_status == "HEALTHY")
            is_recent = task.left_at is None or self.now - task.left_at.timestamp() < self.lag
            if is_wanted and task.port == port and has_run and is_recent and self.day.shifts.may_serve(task):
                return task
        self._blame(f"registered {ip}:{port}, where no wanted task runs,")
        return None

    def _judge_removal(self, destination: Destination, ip: str, registration: Registration) -> None:
        if not registration.is_berthmasters:
            self._blame(f"deregistered {ip}, which {registration.by} had registered,")
        elif registration.owner and not self._may_be_removed(destination, registration.owner):
            self._blame(f"deregistered {registration.owner.arn}, which runs and is wanted,")

    def _may_be_removed(self, destination: Destination, task: Task) -> bool:
        was_detached = destination.retagged_at and self.now - destination.retagged_at < RETAGGING_SETTLED_WITHIN
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
            owner = self._new_task(destination, *at(params["Attributes"]))
            if present and not Registration(present.registered_by, None).is_berthmasters:
                self._blame(f"replaced {name}, which {present.registered_by} had registered,")
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
                self._judge_removal(destination, ip, Registration(present.registered_by, owner))
            self.deregistrations[destination.arn, ip, port] = Deregistration(caller(), owner, self.now)

        return deregistered

    # Tasks and claims

    def _stopping(self, params: Params) -> Afterwards:
        task = self.day.cloud.tasks.find(params["task"])
        is_judged = _is_function() and task is not None and task.desired_status == "RUNNING"

        def stopped() -> None:
            if not is_judged or task is None:
                return
            if task.arn not in self.day.to_drain:
                self._blame(f"stopped {task.arn} without a request,")
            for destination in self.day.destinations:
                if self._may_route_to(destination, task):
                    self._blame(f"stopped {task.arn}, which {destination.arn} may still route to,")

        return stopped

    def _may_route_to(self, destination: Destination, task: Task) -> bool:
        if self.owner(destination, task.address, task.port) is task:
            return True
        deregistrations = self.deregistrations.get((destination.arn, task.address, task.port))
        return (
            deregistrations is not None
            and deregistrations.owner is task
            and self.now - deregistrations.at < destination.drain
        )

    def _writing(self, params: Params) -> Afterwards:
        bodies = [item["Put"]["Item"]["body"]["S"] for item in params["TransactItems"] if "body" in item["Put"]["Item"]]

        def written() -> None:
            for body in bodies:
                if '"state":"registered"' in body:
                    self._judge_claim(json.loads(body))

        return written

    def _judge_claim(self, claim: Mapping[str, Any]) -> None:
        """The health of a target is that of its owner only if it was registered after the owner got the address."""
        group, ip, port = (claim["key"][name] for name in ("destination", "ip", "port"))
        owner = self.day.cloud.tasks.find(claim["owner"])
        target = self.day.cloud.targets.of(group).get((ip, port)) if self._destinations[group].is_group else None
        if owner is None or owner.connected_at is None or owner.address != ip:
            self._blame(f"claimed {ip}:{port} for {claim['owner']}, which never had this address,")
        elif target and target.gone_at is None and target.registered_at < owner.connected_at.timestamp():
            self._blame(f"claimed {ip}:{port} for {owner.arn}, with the health of another task,")


def _is_function() -> bool:
    return caller() not in (OPERATOR, WORKLOAD)
