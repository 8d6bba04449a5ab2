"""One expansion: its AWS calls, the virtual time to the first address and to its end; and a burst of events."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks.survey import size_of
from benchmarks.usage import Meter
from simulator.aws.ec2.subnets import Creations
from simulator.aws.ec2.vpcs import Associations
from simulator.aws.ecs.task_events import api_call_failed
from simulator.calls import READ_VERBS
from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment
from simulator.workload.network import MANAGED, Network
from simulator.workload.services import Workload

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from benchmarks.usage import Usage
    from simulator.calls import Call

FUNCTION = "CapacityExpandFunction"
SUBNETS = {"a": "10.0.0.0/26", "b": "10.0.0.64/26", "c": "10.0.0.128/26"}
PUBLIC = "10.0.0.192/26"
FREE = 10
"""Addresses that are free for the service in each subnet."""
TASKS, TOO_MANY_TASKS = 12, 60
QUIET = 10
"""Minutes before anything happens."""
BURST = 1000


@dataclass(frozen=True)
class Moment:
    """Something that happened, in virtual seconds after the event."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Expansion:
    """One expansion in the mode `enforce`: its plan's steps, its calls, its moments, and what it left.

    ``delays`` and ``latency`` are those of the simulated AWS, ``seconds`` the virtual time of each invocation.
    """

    calls: Counter[str]
    steps: tuple[str, ...]
    moments: tuple[Moment, ...]
    delays: Mapping[str, float]
    latency: str
    seconds: tuple[float, ...]
    log_bytes: int
    record_bytes: int


@dataclass(frozen=True)
class Report:
    """An expansion that the watch starts while there is room, and one that the first failed task starts.

    ``burst``: of an expansion that ``BURST`` events led to, all events included. ``repeat``: of an event about a VPC
    that is still short and that people have been notified of.
    """

    in_time: Expansion
    too_late: Expansion
    burst: Usage
    repeat: Usage


@dataclass(frozen=True)
class Scene:
    """A VPC that three subnets fill, one in each zone and nine tenths full, and a service in all three.

    meter: of the function, since the scene was opened.
    """

    cloud: Cloud
    network: Network
    workload: Workload
    berthmaster: Deployment
    meter: Meter

    @property
    def calls(self) -> list[Call]:
        """The successful calls of the function."""
        return [call for call in self.cloud.calls.of(FUNCTION) if call.outcome == "ok"]

    def room_needed(self) -> None:
        """Put the watch's event about the first subnet."""
        subnet = {"subnet": next(iter(self.network.subnets)), "reason": "a benchmark"}
        detail = {"vpc": self.network.vpc_id, "subnets": [subnet]}
        event = {"source": "berthmaster", "detail-type": "Room Needed", "detail": detail}
        self.berthmaster.put_event(event, bus="berthmaster")


@contextmanager
def a_vpc_nearly_full(*, mode: str = "enforce", tasks: int = TASKS) -> Iterator[Scene]:
    """Open a cloud with the scene in it, in which no schedule runs; the service comes to want ``tasks``."""
    with Cloud(seed=3) as cloud:
        network = Network.create(cloud, "10.0.0.0/24", public=PUBLIC)
        for zone, block in SUBNETS.items():
            network.occupy(network.subnet(zone, block), leave=FREE)
        berthmaster = Deployment(cloud, parameters={"CapacityMode": mode})
        berthmaster.schedules_enabled = False
        workload = Workload(cloud)
        workload.service(
            "shop",
            network.network_configuration(),
            lambda minutes: TASKS if minutes < QUIET else tasks,
            tags=MANAGED,
        )
        berthmaster.run(minutes=QUIET - 1)
        yield Scene(cloud, network, workload, berthmaster, Meter(berthmaster, FUNCTION))


@cache
def report() -> Report:
    """Expand in time and too late; then send a burst of events, and let a VPC stay short."""
    return Report(in_time=in_time(), too_late=_too_late(), burst=burst(), repeat=repeat())


@cache
def in_time() -> Expansion:
    """Expand a VPC before its service needs it."""
    with a_vpc_nearly_full() as scene:
        scene.room_needed()
        return _expanded(scene, since=scene.cloud.clock.timestamp())


def _too_late() -> Expansion:
    with a_vpc_nearly_full(tasks=TOO_MANY_TASKS) as scene:
        while not scene.workload.failed:
            scene.berthmaster.run(minutes=1)
        return _expanded(scene, since=scene.workload.failed[0].at)


def _expanded(scene: Scene, *, since: float) -> Expansion:
    cloud, berthmaster = scene.cloud, scene.berthmaster
    while set(scene.workload.tasks_by_subnet("shop")) <= set(scene.network.subnets):
        berthmaster.run(minutes=1 / 60)
    placed = cloud.clock.timestamp()
    berthmaster.drain()
    used = scene.meter.read()
    (event,) = [one.event for one in berthmaster.bus_events if one.event["detail-type"] == "Expansion Completed"]
    return Expansion(
        calls=used.calls,
        steps=tuple(event["detail"]["steps"]),
        moments=tuple(_moments(scene, since=since, placed=placed)),
        delays={
            "a block associates": cloud.state(Associations).delay,
            "a subnet is made": cloud.state(Creations).delay,
        },
        latency=str(cloud.latency),
        seconds=used.seconds,
        log_bytes=len(berthmaster.logs.text(FUNCTION).encode()),
        record_bytes=max(map(size_of, _records(scene))),
    )


def _moments(scene: Scene, *, since: float, placed: float) -> Iterator[Moment]:
    for what, operation in (
        ("the VPC is read and a block requested", "ec2:AssociateVpcCidrBlock"),
        ("the first subnet is requested", "ec2:CreateSubnet"),
        ("the first subnet is tested", "ec2:DeleteNetworkInterface"),
        ("the service lists the new subnets", "ecs:UpdateService"),
    ):
        yield Moment(what, next(call.at for call in scene.calls if call.name == operation) - since)
    yield Moment("the first task has a new address", placed - since)
    completed = next(call.at for call in scene.calls if _says(call, "Expansion Completed"))
    yield Moment("the service's deployment is over, the expansion completed", completed - since)


def _says(call: Call, detail_type: str) -> bool:
    return any(entry["DetailType"] == detail_type for entry in call.params.get("Entries", ()))


def _records(scene: Scene) -> list[Mapping[str, Any]]:
    answer = scene.cloud.client("dynamodb").query(
        TableName=str(scene.berthmaster.template.identity("CapacityTable").name),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "expansion"}},
    )
    items: list[Mapping[str, Any]] = answer["Items"]
    return items


@cache
def burst() -> Usage:
    """Report a VPC that is short many times at once."""
    with a_vpc_nearly_full() as scene:
        _fill(scene)
        for _ in range(BURST // 2):
            scene.room_needed()
            scene.berthmaster.put_event(api_call_failed(scene.cloud, subnet_id=next(iter(scene.network.subnets))))
        scene.berthmaster.drain()
        return scene.meter.read()


@cache
def repeat() -> Usage:
    """Report a VPC that is short, and report it again."""
    with a_vpc_nearly_full(mode="observe") as scene:
        _fill(scene)
        scene.room_needed()
        scene.berthmaster.drain()
        scene.berthmaster.run(minutes=5)
        meter = Meter(scene.berthmaster, FUNCTION)
        scene.room_needed()
        scene.berthmaster.drain()
        return meter.read()


def _fill(scene: Scene) -> None:
    for subnet in scene.network.subnets:
        scene.network.occupy(subnet, leave=1)


def printed(found: Report) -> Iterator[str]:
    """Steps, times, calls, and calls per event of the burst."""
    one, late = found.in_time, found.too_late
    reads = {name: count for name, count in one.calls.items() if name.partition(":")[2].startswith(READ_VERBS)}
    writes = {name: count for name, count in one.calls.items() if name not in reads}
    yield f"{len(one.steps)} steps:"
    yield from (f"  {step.partition(':')[0].partition(' beside ')[0]}" for step in one.steps)
    simulated = ", ".join(f"{what} in {seconds:g} s" for what, seconds in one.delays.items())
    yield "virtual seconds since the watch reported the VPC in time, and since the first task that found no address"
    yield f"(where {simulated}; {one.latency}):"
    for moment, too_late in zip(one.moments, late.moments, strict=True):
        yield f"  {moment.seconds:7.1f} {too_late.seconds:7.1f}  {moment.what}"
    for kind, calls in (("reads", reads), ("writes", writes)):
        yield f"{sum(calls.values())} {kind}:"
        ordered = sorted(calls.items(), key=lambda one: (-one[1], one[0]))
        yield from (f"  {count:4d}  {name}" for name, count in ordered)
    all_ = found.burst.calls.total()
    yield f"a burst of {BURST} events about one VPC: {all_} calls, {all_ / BURST:.2f} for each event"
    yield f"an event about a VPC that stays short and was reported before: {found.repeat.calls.total()} calls"
