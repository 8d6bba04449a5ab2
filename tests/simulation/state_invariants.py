"""What must hold at every moment of a busy day. Each broken promise is a sentence with its evidence."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.aws.ecs.task import Task
from simulator.calls import OPERATOR, WORKLOAD
from tests.simulation.call_invariants import CallInvariants
from tests.simulation.day import NATIVES, Day, Destination, Key, at

TOLD_BOUND, LOST_BOUND = 30.0, 300.0
"""Seconds for which anything may be wrong: after an event about it has arrived, and if events are lost."""
DEATH = 60.0
"""What each death of a function may cost beyond that: the next pass comes a minute later."""
TRIED_AGAIN = frozenset({"ok", "Throttling", "ThrottlingException", "InternalFailure", "Crashed"})


@dataclass(frozen=True)
class Wrong:
    """One thing that is not as it should be: what it is, where, whom it is about, and in words."""

    kind: str
    key: Key
    task: Task | None
    sentence: str


@dataclass
class StateInvariants:
    """Watches a day step by step.

    is_told: events arrive. Then whatever is wrong is right within TOLD_BOUND of the event that tells of it, and no
    address is routed to that somebody else listens at, for no time at all.
    """

    day: Day
    conduct: CallInvariants
    is_told: bool
    wrong_since: dict[tuple[str, Key], float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    heard_at: dict[tuple[str, bool], float] = field(default_factory=dict)
    seen: int = 0

    def __post_init__(self) -> None:
        queue = self.day.berthmaster.template.identity("TargetsQueue").attributes["Arn"]
        deliver = self.day.berthmaster.deliver

        def overheard(arn: str, text: str) -> None:
            if arn == queue:
                self._hear(text)
            deliver(arn, text)

        self.day.cloud.buses.deliver = overheard

    def watch(self) -> None:
        """Look once; cheap, since it is done after every step."""
        now = self.day.cloud.clock.timestamp()
        wrong = {(one.kind, one.key): one for one in self._wrong(now)}
        for what in [what for what in self.wrong_since if what not in wrong]:
            del self.wrong_since[what]
        for what, one in wrong.items():
            since = max(self.wrong_since.setdefault(what, now), self._told_at(one, now))
            if now - since > self._patience(one, since):
                self.broken.append(f"{one.sentence}, for {now - since:.0f} s at {now:.0f}")
        self._watch_calls()

    def _hear(self, text: str) -> None:
        event = json.loads(text)
        if event["detail-type"] == "ECS Task State Change":
            detail = event["detail"]
            is_leaving = detail["desiredStatus"] == "STOPPED"
            task = self.day.fleet.task(detail["taskArn"])
            if is_leaving or detail["lastStatus"] == "RUNNING":
                is_ready = not task.has_health_check or detail["healthStatus"] == "HEALTHY"
                if is_leaving or is_ready:
                    self.heard_at.setdefault((task.arn, is_leaving), self.day.cloud.clock.timestamp())

    def _told_at(self, wrong: Wrong, now: float) -> float:
        """When Berthmaster could know, on a day when events arrive."""
        if not self.is_told or wrong.task is None or wrong.kind not in ("dead", "unregistered"):
            return 0.0
        return self.heard_at.get((wrong.task.arn, wrong.kind == "dead"), now)

    def _patience(self, wrong: Wrong, since: float) -> float:
        if wrong.kind == "misdirected" and self.is_told:
            return 0.0
        destination = next(one for one in self.day.destinations if one.arn == wrong.key[0])
        is_told = self.is_told and wrong.kind != "untold" and not destination.is_unsettled(since)
        return TOLD_BOUND if is_told else LOST_BOUND + DEATH * self.day.cloud.faults.crashes

    # What is wrong

    def _wrong(self, now: float) -> Iterator[Wrong]:
        tasks = self.day.fleet.tasks
        for destination in self.day.destinations:
            routed, berthmasters = self._routed(destination)
            for ip, port in berthmasters:
                yield from self._wrongly_routed(destination, ip, port)
            for task in tasks:
                if (task.address, task.port) not in routed and self._belongs(destination, task):
                    yield from self._wrongly_out(destination, task, now)

    def _wrongly_routed(self, destination: Destination, ip: str, port: int) -> Iterator[Wrong]:
        occupant, key = self.day.fleet.occupant(ip), (destination.arn, ip, port)
        if occupant is None or not occupant.is_listening:
            owner = self.conduct.owner(destination, ip, port)
            yield Wrong("dead", key, owner, f"nobody is at {ip}:{port}, which is routed to")
        elif destination.names(occupant) and occupant.port == port:
            if occupant.left_at is not None:
                yield Wrong("dead", key, occupant, f"{occupant.arn} leaves and is routed to")
            elif occupant.arn in self.day.to_drain:
                yield Wrong("to drain", key, occupant, f"{occupant.arn} is to drain and is routed to")
            elif destination.is_detached:
                yield Wrong("untold", key, occupant, f"{occupant.arn} is in a detached group")
        elif occupant.service not in destination.natives:
            yield Wrong("misdirected", key, occupant, f"{occupant.arn} gets another's traffic from {destination.arn}")

    def _belongs(self, destination: Destination, task: Task) -> bool:
        return destination.wants(task) and task.is_ready and task.arn not in self.day.to_drain

    def _wrongly_out(self, destination: Destination, task: Task, now: float) -> Iterator[Wrong]:
        key = (destination.arn, task.address, task.port)
        let_go = self.conduct.let_go.get(key)
        is_own = let_go is not None and let_go.owner is task
        # Who took it out, or that it was to be out, no event tells; else only another's drain is waited for.
        is_untold = let_go is not None and (
            let_go.by in (OPERATOR, WORKLOAD) or (is_own and destination.retagged_at > let_go.at - LOST_BOUND)
        )
        drains = let_go is not None and now - let_go.at < destination.drain
        if not (drains and (is_untold or not is_own)):
            yield Wrong("untold" if is_untold else "unregistered", key, task, f"{task.arn} is not in {destination.arn}")

    def _routed(self, destination: Destination) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
        """What is routed to, and what of it Berthmaster has registered."""
        if destination.is_group:
            routed = self.day.cloud.targets.routable(destination.arn)
            titles = self.conduct.titles
            return routed, {key for key in routed if titles[(destination.arn, *key)].is_berthmasters}
        self.day.cloud.settle()
        instances = self.day.cloud.discovery.registry(destination.service_id).instances.values()
        berthmasters = {at(one.attributes) for one in instances if one.registered_by not in (OPERATOR, WORKLOAD)}
        return {at(one.attributes) for one in instances}, berthmasters

    def _watch_calls(self) -> None:
        """Nothing is asked of AWS that it refuses."""
        calls = self.day.cloud.calls.all
        for call in calls[self.seen :]:
            if call.service == "elbv2" and call.is_by_function and call.outcome not in TRIED_AGAIN:
                self.broken.append(f"AWS refused {call}")
        self.seen = len(calls)

    def at_rest(self) -> list[str]:
        """What is not as it should be when everything has calmed down."""
        problems = []
        tasks = self.day.fleet.tasks
        for one in self.day.destinations:
            routed, berthmasters = self._routed(one)
            wanted = {(task.address, task.port) for task in tasks if self._belongs(one, task)}
            if berthmasters - wanted or wanted - routed:
                problems.append(f"{one} routes to {sorted(berthmasters)} instead of {sorted(wanted)}")
            if one.natives:
                native = {(task.address, task.port): task for task in tasks if task.service == NATIVES}
                problems += [
                    f"{task.arn}, which ECS registered, is gone from {one}"
                    for key, task in native.items()
                    if task.is_ready and key not in routed
                ]
        problems += [
            f"{arn} was to drain and was never stopped"
            for arn in self.day.to_drain
            if self.day.fleet.task(arn).left_at is None
        ]
        if letters := self.day.berthmaster.dead_letters("TargetsDeadLetterQueue"):
            problems.append(f"{len(letters)} messages were given up: {letters}")
        return problems
