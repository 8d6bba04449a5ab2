"""What must be true at every moment of a busy day. Each violation is a sentence with its evidence."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.ecs.task import Task
from simulator.aws.elbv2.targets import WhileDraining
from simulator.calls import OPERATOR, WORKLOAD
from tests.simulation.targets.call_invariants import CallInvariants
from tests.simulation.targets.day import BY_ECS, Day, Destination, Key, at

EVENT_BOUND, LOST_BOUND = 30.0, 300.0
"""Seconds for which anything may be wrong: after an event about it was delivered, and if events are lost."""
RELIABLE = frozenset({WhileDraining.REFUSED, WhileDraining.ACCEPTED})
"""What RegisterTargets does about an address that drains, if its response is true."""
UNAVAILABLE = frozenset({WhileDraining.REFUSED, WhileDraining.IGNORED})
"""An address that drains cannot be registered before that has ended."""
SAID_WITHIN = 100.0
"""Seconds within which people hear, if events are delivered, that a task must wait for the end of a drain."""
MISDIRECTED_BOUND = 10.0
"""As late as an event may be: until a stop is known and Cloud Map has acted, another task may be at the address."""
FAILED_OPERATIONS = 120.0
"""What two runs more cost, if Cloud Map's operations may fail."""
CRASH = 60.0
"""What each crash of a function may cost in addition: the next run comes a minute later."""
TRIED_AGAIN = frozenset({"ok", "Throttling", "ThrottlingException", "InternalFailure", "Crashed"})


@dataclass(frozen=True)
class Wrong:
    """One thing that is not as it should be: its kind, where it is, which task it is about, and in words."""

    kind: str
    key: Key
    task: Task | None
    sentence: str


@dataclass
class StateInvariants:
    """Watches a day step by step.

    delivered: events are delivered. Then everything is right within EVENT_BOUND of its event, and traffic goes to an
    address at which another task listens for no longer than MISDIRECTED_BOUND. stops_lost: all but those of tasks that
    leave are, so that only the next owner of an address says that the former one is gone.
    """

    day: Day
    calls: CallInvariants
    delivered: bool
    stops_lost: bool = False
    wrong_since: dict[tuple[str, Key], float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    event_at: dict[tuple[str, bool], float] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    heard: int = 0
    seen: int = 0

    def __post_init__(self) -> None:
        queue = self.day.berthmaster.template.identity("TargetsQueue").attributes["Arn"]
        deliver = self.day.berthmaster.deliver

        def deliver_and_note(arn: str, text: str) -> None:
            if arn == queue and self.stops_lost and _is_stop(json.loads(text)):
                return
            if arn == queue:
                self._note(text)
            deliver(arn, text)

        self.day.cloud.buses.deliver = deliver_and_note

    def watch(self) -> None:
        """Look once. It must be cheap, since it is done after every step."""
        now = self.day.cloud.clock.timestamp()
        wrong = {(one.kind, one.key): one for one in self._wrong(now)}
        for what in [what for what in self.wrong_since if what not in wrong]:
            del self.wrong_since[what]
        for what, one in wrong.items():
            since = max(self.wrong_since.setdefault(what, now), self._known_at(one, now))
            if now - since > self._patience(one, since):
                self.broken.append(f"{one.sentence}, for {now - since:.0f} s at {now:.0f}")
        self._watch_calls()

    def _note(self, text: str) -> None:
        event = json.loads(text)
        if event["detail-type"] == "ECS Task State Change":
            detail, is_leaving = event["detail"], _is_stop(event)
            task = self.day.fleet.task(detail["taskArn"])
            if is_leaving or detail["lastStatus"] == "RUNNING":
                is_ready = not task.has_health_check or detail["healthStatus"] == "HEALTHY"
                if is_leaving or is_ready:
                    self.event_at.setdefault((task.arn, is_leaving), self.day.cloud.clock.timestamp())

    def _known_at(self, wrong: Wrong, now: float) -> float:
        """When Berthmaster could know, on a day when events are delivered."""
        is_known_by_event = wrong.kind == "unregistered" or (wrong.kind == "dead" and not self.stops_lost)
        if not self.delivered or wrong.task is None or not is_known_by_event:
            return 0.0
        return self.event_at.get((wrong.task.arn, wrong.kind == "dead"), now)

    def _patience(self, wrong: Wrong, since: float) -> float:
        if wrong.kind == "misdirected" and self.delivered:
            return MISDIRECTED_BOUND
        if wrong.kind == "unsaid" and self.delivered:
            return SAID_WITHIN
        destination = next(one for one in self.day.destinations if one.arn == wrong.key[0])
        has_event = wrong.kind != "without event" and not (wrong.kind == "dead" and self.stops_lost)
        delivered = self.delivered and has_event and not destination.is_unsettled(since)
        lost = LOST_BOUND + CRASH * self.day.cloud.faults.crashes + FAILED_OPERATIONS * self.day.operations_fail
        return EVENT_BOUND if delivered else lost

    # What is wrong

    def _wrong(self, now: float) -> Iterator[Wrong]:
        tasks = self.day.fleet.tasks
        for destination in self.day.destinations:
            routed, berthmasters = self._routed(destination)
            for ip, port in sorted(berthmasters):
                yield from self._wrongly_routed(destination, ip, port)
            for task in tasks:
                if (task.address, task.port) not in routed and self._belongs(destination, task):
                    yield from self._wrongly_missing(destination, task, now)

    def _wrongly_routed(self, destination: Destination, ip: str, port: int) -> Iterator[Wrong]:
        occupant, key = self.day.fleet.occupant(ip), (destination.arn, ip, port)
        if occupant is None or not occupant.is_listening:
            owner = self.calls.owner(destination, ip, port)
            yield Wrong("dead", key, owner, f"no task is at {ip}:{port}, which gets traffic")
        elif destination.matches(occupant) and occupant.port == port:
            if occupant.left_at is not None:
                yield Wrong("dead", key, occupant, f"{occupant.arn} leaves and gets traffic")
            elif occupant.arn in self.day.to_drain:
                yield Wrong("to drain", key, occupant, f"{occupant.arn} is to drain and gets traffic")
            elif destination.is_detached:
                yield Wrong("without event", key, occupant, f"{occupant.arn} is in a detached group")
        elif occupant.service not in destination.registered_by_ecs:
            yield Wrong(
                "misdirected",
                key,
                occupant,
                f"{occupant.arn} gets the traffic of another service from {destination.arn}",
            )

    def _belongs(self, destination: Destination, task: Task) -> bool:
        return (
            destination.wants(task)
            and task.is_ready
            and task.arn not in self.day.to_drain
            and self.day.shifts.is_to_serve(task)
        )

    def _wrongly_missing(self, destination: Destination, task: Task, now: float) -> Iterator[Wrong]:
        key = (destination.arn, task.address, task.port)
        deregistered = self.calls.deregistrations.get(key)
        is_own = deregistered is not None and deregistered.owner is task
        # No event reports deregistrations by others or changed tags; else only drains of other tasks are waited for.
        has_no_event = deregistered is not None and (
            deregistered.by in (OPERATOR, WORKLOAD)
            or (is_own and destination.retagged_at > deregistered.at - LOST_BOUND)
        )
        if not self._is_unavailable(key):
            yield Wrong(
                "without event" if has_no_event else "unregistered",
                key,
                task,
                f"{task.arn} is not in {destination.arn}",
            )
        elif not self._is_said(key, task):
            kind = "without event" if has_no_event else "unsaid"
            yield Wrong(kind, key, task, f"nobody hears that {task.arn} waits to be in {destination.arn}")

    def _is_unavailable(self, key: Key) -> bool:
        """Whether AWS registers nothing there, since another target drains."""
        targets = self.day.cloud.targets
        return targets.while_draining in UNAVAILABLE and targets.state(*key) == "draining"

    def _is_said(self, key: Key, task: Task) -> bool:
        """Whether a finding names the task and its address."""
        for seen in self.day.berthmaster.bus_events[self.heard :]:
            if seen.event["detail-type"] == "Finding Reported" and seen.event["detail"]["code"] == "address drains":
                self.findings.append(seen.event["detail"]["text"])
        self.heard = len(self.day.berthmaster.bus_events)
        return any(text.startswith(f"{key[1]}:{key[2]} of {task.arn} ") for text in self.findings)

    def _routed(self, destination: Destination) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
        """What gets traffic, and what of it Berthmaster has registered."""
        if destination.is_group:
            routed = self.day.cloud.targets.routable(destination.arn)
            registrations = self.calls.registrations
            return routed, {key for key in routed if registrations[(destination.arn, *key)].is_berthmasters}
        self.day.cloud.settle()
        instances = self.day.cloud.discovery.registry(destination.service_id).instances.values()
        berthmasters = {at(one.attributes) for one in instances if one.registered_by not in (OPERATOR, WORKLOAD)}
        return {at(one.attributes) for one in instances}, berthmasters

    def _watch_calls(self) -> None:
        """AWS refuses no call, unless a target was to be registered where another one drains."""
        calls = self.day.cloud.calls.all
        is_refusing = self.day.cloud.targets.while_draining is WhileDraining.REFUSED
        for call in calls[self.seen :]:
            if call.service == "elbv2" and call.is_by_function and call.outcome not in TRIED_AGAIN:
                is_early = is_refusing and (call.operation, call.outcome) == ("RegisterTargets", "InvalidTarget")
                if not is_early:
                    self.broken.append(f"AWS refused {call}")
        self.seen = len(calls)

    def at_rest(self) -> list[str]:
        """What is not as it should be after all faults have ended."""
        problems = []
        tasks = self.day.fleet.tasks
        for one in self.day.destinations:
            routed, berthmasters = self._routed(one)
            wanted = {(task.address, task.port) for task in tasks if self._belongs(one, task)}
            if berthmasters - wanted or wanted - routed:
                problems.append(f"{one} routes to {sorted(berthmasters)} instead of {sorted(wanted)}")
            # Otherwise what ECS registers may be gone without anybody's doing.
            if one.registered_by_ecs and self.day.cloud.targets.while_draining in RELIABLE:
                by_ecs = {(task.address, task.port): task for task in tasks if task.service == BY_ECS}
                problems += [
                    f"{task.arn}, which ECS registered, is gone from {one}"
                    for key, task in by_ecs.items()
                    if task.is_ready and key not in routed
                ]
        problems += [
            f"{arn} was to drain and was never stopped"
            for arn in self.day.to_drain
            if self.day.fleet.task(arn).left_at is None
        ]
        if letters := self.day.berthmaster.dead_letters("TargetsDeadLetterQueue"):
            problems.append(f"{len(letters)} messages are in the dead-letter queue: {letters}")
        return problems


def _is_stop(event: Mapping[str, Any]) -> bool:
    """Whether an event says that a task leaves."""
    return event["detail-type"] == "ECS Task State Change" and event["detail"]["desiredStatus"] == "STOPPED"
