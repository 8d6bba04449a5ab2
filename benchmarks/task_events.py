"""A thousand task events in a minute, and fifty starts and stops a second for two minutes: calls and delays.

Events go through the queue to invocations of the function, of which two run at a time, as on AWS. Each call takes a
realistic time; CPU takes none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import IPv4Network
from itertools import islice
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks.cluster import CLUSTER, SYNC, ZONES, busy_cluster, task_of
from benchmarks.usage import Meter
from simulator.aws.ecs.task_events import task_state_changed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.cluster import BusyCluster
    from benchmarks.usage import Usage
    from simulator.aws.ecs.task import Task
    from simulator.calls import Call

AIM = 15
"""How many times fewer calls of Elastic Load Balancing than one per event and target group.

They include a DescribeTargetHealth after each DeregisterTargets, which the calls they are compared with do not.
"""
SOON = 2.0
"""Seconds from the event to the call, for 99 of a hundred."""

SERVICES = {"web": 2, "shop": 2, "search": 1, "cart": 1, "account": 1, "mail": 1}
"""Target groups of each; each has a Cloud Map service too."""
TASKS = 28
"""Of each service: a deployment of all of them is a thousand events in a minute."""

AT_ONCE = 1008
"""Tasks."""

RATE = 50
SUSTAINED, LIFETIME, DRAIN = 120, 30, 15
"""Seconds. Targets that drain count towards the quota of 1,000 per group."""
CROWDS = (2, 4, 8)
"""Target groups; one alone would have more than the 1,000 targets that AWS allows."""
CALLS_A_SECOND = 4
"""The rate of RegisterTargets and DeregisterTargets; 20 may be made at once, which lasts for the first seconds."""
CALLS = {"elbv2:RegisterTargets": "registered", "elbv2:DeregisterTargets": "deregistered"}


@dataclass(frozen=True)
class Storm:
    """Rolling deployments of all services at once.

    by_event, by_change: the calls of Elastic Load Balancing that one call per target group would take, for each event,
    and for each start and stop of a task.
    """

    events: int
    seconds: float
    tasks: int
    by_event: int
    by_change: int
    calls: Counter[str]

    @property
    def balancing(self) -> int:
        """Calls of Elastic Load Balancing."""
        return sum(count for name, count in self.calls.items() if name.startswith("elbv2:"))


@dataclass(frozen=True)
class Delays:
    """Virtual seconds from the event to the call that it causes."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Delays:
        """Of single delays."""
        return cls(median(seconds), quantiles(seconds, n=100)[98])


@dataclass(frozen=True)
class Batch:
    """What came of events that were all there at once.

    targets, instances: virtual seconds until the last call that registers in a target group, and in Cloud Map.
    """

    usage: Usage
    targets: float
    instances: float


@dataclass(frozen=True)
class Report:
    """The storm, events at once, and delays by the number of target groups and the call."""

    storm: Storm
    batch: Batch
    delays: Mapping[int, Mapping[str, Delays]]


@cache
def report() -> Report:
    """Measure all three."""
    return Report(storm=storm(), batch=at_once(), delays={groups: delays(groups) for groups in CROWDS})


@cache
def storm() -> Storm:
    """Deploy all services of a busy cluster, and count until everything has settled."""
    with busy_cluster(SERVICES, tasks=TASKS) as scene:
        cloud = scene.cloud
        began, calls_before, events_before = (
            cloud.clock.timestamp(),
            len(cloud.calls),
            len(scene.berthmaster.bus_events),
        )
        event_times: list[float] = []
        cloud.tasks.watchers.append(lambda _: event_times.append(cloud.clock.timestamp()))
        for service in SERVICES:
            scene.fleet.deploy(service)
        scene.berthmaster.run(minutes=5)
        scene.berthmaster.drain()
        services = [
            seen.event["detail"]["group"].removeprefix("service:")
            for seen in scene.berthmaster.bus_events[events_before:]
            if seen.event["detail-type"] == "ECS Task State Change" and seen.rules
        ]
        return Storm(
            events=len(services),
            seconds=event_times[-1] - began,
            tasks=len(SERVICES) * TASKS,
            by_event=sum(SERVICES[service] for service in services),
            by_change=sum(2 * TASKS * groups for groups in SERVICES.values()),
            calls=cloud.calls.of(SYNC).since(calls_before).counts(),
        )


@cache
def at_once() -> Batch:
    """Let more than a thousand tasks start at the same moment, while the function has no container yet."""
    with busy_cluster(SERVICES, tasks=1) as scene:
        scene.berthmaster.runtime.kill_containers()
        clock, meter = scene.cloud.clock, Meter(scene.berthmaster, SYNC)
        began, before = clock.timestamp(), len(scene.cloud.calls)
        tasks = list(islice(_tasks(scene, 2 * AT_ONCE), AT_ONCE))
        _known_to_ecs(scene, tasks)
        for task in tasks:
            task.last_status, task.running_at, task.version = "RUNNING", clock.now(), 3
            scene.berthmaster.put_event(task_state_changed(task))
        scene.berthmaster.drain()
        calls = scene.cloud.calls.of(SYNC).since(before)
        targets, instances = (
            max(call.at for call in calls.named(name) if call.outcome == "ok") - began
            for name in ("elbv2:RegisterTargets", "servicediscovery:RegisterInstance")
        )
        return Batch(meter.read(), targets, instances)


@cache
def delays(groups: int) -> Mapping[str, Delays]:
    """Let 25 tasks start and 25 stop each second, spread evenly over so many target groups."""
    services = {f"service-{number}": 1 for number in range(groups)}
    with busy_cluster(services, tasks=1, cloud_map=False, drain=DRAIN) as scene:
        clock = scene.cloud.clock
        began, calls_before = clock.timestamp() + 1, len(scene.cloud.calls)
        sent: dict[str, list[tuple[float, Task]]] = {name: [] for name in CALLS}

        def send(task: Task, call: str) -> None:
            sent[call].append((clock.timestamp(), task))
            scene.berthmaster.put_event(task_state_changed(task))

        def start(task: Task) -> None:
            task.last_status, task.running_at, task.version = "RUNNING", clock.now(), 3
            send(task, "elbv2:RegisterTargets")

        def stop(task: Task) -> None:
            task.desired_status, task.version = "STOPPED", 4
            send(task, "elbv2:DeregisterTargets")

        step = 2 / RATE
        tasks = list(_tasks(scene, (SUSTAINED + LIFETIME) * RATE // 2))
        _known_to_ecs(scene, tasks)
        for number, task in enumerate(tasks):
            clock.at(began + number * step, partial(start, task))
            clock.at(began + LIFETIME + (number + 0.5) * step, partial(stop, task))
        scene.berthmaster.run(minutes=(SUSTAINED + 2 * LIFETIME) / 60 + 1)
        calls = scene.cloud.calls.of(SYNC).since(calls_before)
        # Only in this time are there both starts and stops.
        between = began + LIFETIME, began + LIFETIME + SUSTAINED
        return {
            name: Delays.of(
                list(_waits(scene, [one for one in sent[name] if between[0] <= one[0] < between[1]], named))
            )
            for name in CALLS
            if (named := [call for call in calls.named(name) if call.outcome == "ok"])
        }


def least_wait(groups: int) -> float:
    """Seconds that 99 of a hundred events wait at best if calls on so many target groups use the whole rate of AWS."""
    return 0.99 * groups * len(CALLS) / CALLS_A_SECOND


def _tasks(scene: BusyCluster, count: int) -> Iterator[Task]:
    """Tasks that are about to run, of all services in turn, each with its own address."""
    services, places = list(scene.groups), list(scene.network.subnets.items())
    for number in range(count):
        subnet, zone = places[number % len(places)]
        address = str(IPv4Network(ZONES[zone])[-10 - number])
        service = services[number % len(services)]
        # The tasks that run already have any addresses.
        if scene.fleet.occupant(address, subnet) is None:
            yield task_of(scene.cloud, CLUSTER, service, number, subnet=subnet, address=address)


def _known_to_ecs(scene: BusyCluster, tasks: Iterable[Task]) -> None:
    """Let ECS describe tasks that the simulator does not run: what is late is checked there."""
    known = {task.arn: task for task in tasks}
    scene.cloud.handlers["ecs:DescribeTasks"] = lambda _, params: {
        "tasks": [known[arn].described() for arn in params["tasks"]],
        "failures": [],
    }


def _waits(scene: BusyCluster, sent: Iterable[tuple[float, Task]], calls: Iterable[Call]) -> Iterator[float]:
    answered: dict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        for target in call.params["Targets"]:
            answered[call.params["TargetGroupArn"], target["Id"]].append(call.at)
    for at, task in sent:
        (group,) = scene.groups[task.service]
        yield min(answered[group, task.address]) - at


def printed(found: Report) -> Iterator[str]:
    """Calls by operation beside both baselines, then delays."""
    one = found.storm
    yield f"{one.events} events within {one.seconds:.0f} s: {len(SERVICES)} services are deployed,"
    yield f"{one.tasks} tasks replaced; {sum(SERVICES.values())} target groups, and a Cloud Map service for each"
    for name, count in one.calls.most_common():
        yield f"  {name:40s}{count:6d}{count / one.events:8.2f} an event"
    yield f"  {'calls of Elastic Load Balancing':40s}{one.balancing:6d}"
    for what, calls in (
        (f"one for each event (aim: {AIM} times)", one.by_event),
        ("one for each start and stop", one.by_change),
    ):
        yield f"  {what:40s}{calls:6d}{calls / one.balancing:8.1f} times as many"
    yield f"{AT_ONCE:,} tasks start at once, new containers: {len(found.batch.usage.seconds)} invocations"
    yield f"  {'seconds until the last is in its target groups':50s}{found.batch.targets:8.1f}"
    yield f"  {'seconds until the last is in Cloud Map':50s}{found.batch.instances:8.1f}"
    yield f"{RATE} starts and stops a second for {SUSTAINED} s, seconds from the event to the call (aim: {SOON:g} s):"
    yield f"  {'':16s}" + "".join(f"{name:>20s}" for name in CALLS.values())
    columns = f"{'median':>11s}{'p99':>9s}" * len(CALLS) + f"{'least p99':>12s}"
    yield f"  {'target groups':16s}{columns}"
    for groups, calls_ in found.delays.items():
        figures = "".join(f"{calls_[name].median:11.2f}{calls_[name].p99:9.2f}" for name in CALLS)
        yield f"  {groups:<16d}{figures}{least_wait(groups):12.2f}"
    yield f"least: AWS allows {CALLS_A_SECOND} calls a second that change targets; many target groups take turns at it."
    yield "The queue adds up to a second, and a slow call, of which there is one in some hundreds, up to four."
