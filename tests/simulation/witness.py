"""What must hold at every moment of a busy day. Each broken promise is a sentence with its evidence."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.task import Task
from tests.simulation.day import SOMEBODYS, Day, Destination

type Key = tuple[str, str, int]

TOLD_BOUND, LOST_BOUND = 30.0, 300.0
"""Seconds for which anything may be wrong: if events about it arrive, and if they are lost."""
NETWORK_DRAIN = 120.0


@dataclass
class Witness:
    """Watches a day step by step; `patience` in seconds is how long anything may stay wrong.

    strict: no address may be routed to that somebody else listens at, for no time at all.
    """

    day: Day
    patience: float
    strict: bool
    wrong_since: dict[tuple[str, Key], float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    let_go_at: dict[Key, float] = field(default_factory=dict)
    seen: int = 0

    def watch(self) -> None:
        """Look once; cheap, since it is done after every step."""
        now = self.day.cloud.clock.timestamp()
        wrong = dict(self._wrong())
        for what in [what for what in self.wrong_since if what not in wrong]:
            del self.wrong_since[what]
        for what, sentence in wrong.items():
            since = self.wrong_since.setdefault(what, now)
            if now - since > self._patience(what[0]):
                self.broken.append(f"{sentence}, for {now - since:.0f} s at {now:.0f}")
        self._watch_calls()

    def _patience(self, kind: str) -> float:
        if kind == "misdirected" and self.strict:
            return 0.0
        return LOST_BOUND if kind == "taken out" else self.patience

    def _wrong(self) -> Iterator[tuple[tuple[str, Key], str]]:
        for destination in self.day.destinations:
            routed = self._routed(destination)
            for ip, port in routed:
                occupant = self.day.fleet.occupant(ip)
                if occupant is not None and destination.wants(occupant) and occupant.port == port:
                    if occupant.left_at is not None:
                        yield ("dead", (destination.arn, ip, port)), f"{occupant.arn} leaves and is routed to"
                elif occupant is None or not occupant.is_listening:
                    yield ("dead", (destination.arn, ip, port)), f"nobody is at {ip}:{port}, which is routed to"
                else:
                    yield ("misdirected", (destination.arn, ip, port)), f"{occupant.arn} gets another's traffic"
            yield from self._unregistered(destination, routed)

    def _unregistered(
        self, destination: Destination, routed: set[tuple[str, int]]
    ) -> Iterator[tuple[tuple[str, Key], str]]:
        for task in self.day.fleet.tasks:
            if destination.wants(task) and task.is_ready and (task.address, task.port) not in routed:
                key = (destination.arn, task.address, task.port)
                if not self._drains(destination, task):
                    kind = "taken out" if key in self.day.by_hand else "unregistered"
                    yield (kind, key), f"{task.arn} is not registered"

    def _routed(self, destination: Destination) -> set[tuple[str, int]]:
        if destination.is_group:
            return self.day.cloud.targets.routable(destination.arn) - {SOMEBODYS}
        instances = self.day.cloud.discovery.instances(destination.arn.rpartition("/")[2])
        return {(one["AWS_INSTANCE_IPV4"], int(one["AWS_INSTANCE_PORT"])) for one in instances.values()}

    def _drains(self, destination: Destination, task: Task) -> bool:
        """Whether the address must wait: it drains, or a Network Load Balancer may still route to it."""
        cloud, key = self.day.cloud, (destination.arn, task.address, task.port)
        let_go = self.let_go_at.get(key, 0.0) if destination.is_network else 0.0
        is_draining = destination.is_group and cloud.targets.state(*key) == "draining"
        return is_draining or cloud.clock.timestamp() - let_go < NETWORK_DRAIN

    def _watch_calls(self) -> None:
        """No target of another owner is ever touched, and none is registered that drains or is there."""
        calls = self.day.cloud.calls.all
        for call in calls[self.seen :]:
            if call.operation == "DeregisterTargets":
                group = call.params["TargetGroupArn"]
                self.let_go_at |= {(group, one["Id"], one["Port"]): call.at for one in call.params["Targets"]}
            if call.service == "elbv2" and call.is_by_function and not call.is_read:
                if any(one["Id"] == SOMEBODYS[0] for one in call.params["Targets"]):
                    self.broken.append(f"somebody's target was touched: {call}")
                if call.outcome not in {"ok", "Throttling", "ThrottlingException", "InternalFailure", "Crashed"}:
                    self.broken.append(f"AWS refused {call}")
        self.seen = len(calls)


def at_rest(day: Day) -> list[str]:
    """What is not as it should be when everything has calmed down."""
    problems = []
    for destination in day.destinations:
        wanted = {(task.address, task.port) for task in day.fleet.tasks if destination.wants(task) and task.is_ready}
        routed = Witness(day, 0, strict=False)._routed(destination)
        if routed != wanted:
            problems.append(f"{destination} routes to {sorted(routed)} instead of {sorted(wanted)}")
    problems += [
        f"somebody's target is gone from {one}"
        for one in day.destinations
        if one.is_group and SOMEBODYS not in day.cloud.targets.routable(one.arn)
    ]
    if letters := day.berthmaster.dead_letters("TargetsDeadLetterQueue"):
        problems.append(f"{len(letters)} messages were given up")
    return problems
