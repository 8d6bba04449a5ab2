"""A busy day of a cluster behind load balancers, and all that may happen to it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from simulator.aws.dynamodb.batch_reads import PartialBatches
from simulator.aws.dynamodb.stale_reads import StaleReads
from simulator.aws.ecs.task import Task
from simulator.aws.elbv2.targets import WhileDraining
from simulator.aws.events.bus import complete
from simulator.aws.tagging.late_tags import Tagging
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network
from tests.simulation.targets.shifts import Shifts
from tests.support.event_schemas import check_outcomes

type Key = tuple[str, str, int]
"""A destination, an address and a port."""

MANAGED = {"berthmaster:targets": "managed", "berthmaster:cluster": "web"}
BY_HAND = ("10.0.0.200", 9000)
"""A target that a person registered in almost every destination, at an address that no task can have."""
SERVICES = ("shop", "web")
UNMANAGED = "stray"
"""A service without destinations, whose tasks take over addresses."""
BY_ECS = "billing"
"""A service that ECS itself registers in the target group `web`."""
PORT = 8080
"""Of all services."""
UNSCHEDULED = ("CapacityWatchFunction", "TargetsPodsFunction")
TAGS_KNOWN_WITHIN = 70.0
"""Seconds until all functions know a changed tag."""
UNTIL_APPROVED = 30.0
SHIFTING = 3
"""On each third day the deployments of `web` are blue/green."""
LONGEST_GAP = 4.0
"""Seconds between two things of a burst."""


@dataclass
class Destination:
    """A managed target group or Cloud Map service, and which tasks it is for.

    drain: seconds for which an address may still get traffic after its deregistration. retagged_at: when its tag last
    changed.
    """

    arn: str
    service: str = ""
    family: str = ""
    is_group: bool = True
    is_shared: bool = True
    drain: float = 10.0
    registered_by_ecs: frozenset[str] = frozenset()
    is_detached: bool = False
    retagged_at: float = 0.0

    @property
    def service_id(self) -> str:
        """Of a Cloud Map service."""
        return self.arn.rpartition("/")[2]

    def matches(self, task: Task) -> bool:
        """Whether its tags select a task."""
        return task.service == self.service if self.service else task.family == self.family

    def wants(self, task: Task) -> bool:
        """Whether Berthmaster is to register a task here."""
        return not self.is_detached and self.matches(task)

    def is_unsettled(self, now: float) -> bool:
        """Whether some function may not know its tags yet."""
        return self.retagged_at > 0 and now - self.retagged_at < TAGS_KNOWN_WITHIN


@dataclass
class Day:
    """The cluster `web`, its destinations, and Berthmaster.

    within: the network configuration of all tasks, two of the three subnets. by_hand: the targets that a person has
    registered. to_drain: tasks that an operator asked to drain, and when. operations_fail:
    whether some of Cloud Map's do.
    """

    cloud: Cloud
    network: Network
    fleet: Fleet
    berthmaster: Deployment
    random: Random
    shifts: Shifts
    within: Mapping[str, Any]
    is_large: bool
    destinations: list[Destination] = field(default_factory=list)
    by_hand: list[Key] = field(default_factory=list)
    to_drain: dict[str, float] = field(default_factory=dict)
    operations_fail: bool = False
    read: int = 0

    def run(self, seconds: float, watch: Callable[[], None]) -> None:
        """Let time pass, and watch after every step of it."""
        clock = self.cloud.clock
        end = clock.timestamp() + seconds
        while clock.step(end):
            self._approve_proposals()
            watch()
        clock.run_until(end)
        watch()

    def something_happens(self) -> None:
        """Let one thing happen; large services are often deployed."""
        if self.is_large and self.random.random() < 1 / 3:
            self.fleet.deploy(self.random.choice(SERVICES))
            return
        largest = 13 if self.is_large else 7
        self.random.choice(
            (
                lambda: self.fleet.deploy(self.random.choice(SERVICES)),
                lambda: self.fleet.deploy(self.random.choice((UNMANAGED, BY_ECS))),
                lambda: self.fleet.scale(self.random.choice(SERVICES), self.random.randrange(1, largest)),
                lambda: self.fleet.scale(self.random.choice((UNMANAGED, BY_ECS)), self.random.randrange(1, 6)),
                lambda: self._to_a_running_task(self.fleet.interrupt),
                lambda: self._to_a_running_task(self.fleet.interrupt),
                lambda: self._to_a_running_task(self.fleet.crash),
                lambda: self._to_a_running_task(self.fleet.stop),
                lambda: self.single_tasks(self.random.randrange(1, 4)),
                self._person_registers,
                self._person_deregisters,
                self._operator_drains,
                self._operator_retags,
            )
        )()

    def burst(self, watch: Callable[[], None]) -> None:
        """Tasks leave and others take over their addresses within seconds: the events are split over many batches."""
        for _ in range(self.random.randrange(4, 16)):
            self.random.choice(
                (
                    lambda: self._to_a_running_task(self.fleet.crash),
                    lambda: self._to_a_running_task(self.fleet.stop),
                    lambda: self._to_a_running_task(self.fleet.interrupt),
                    lambda: self.fleet.deploy(self.random.choice(SERVICES)),
                    lambda: self.fleet.scale(self.random.choice(SERVICES), self.random.randrange(1, 7)),
                    lambda: self.single_tasks(self.random.randrange(1, 4)),
                    self._operator_drains,
                )
            )()
            self.run(self.random.uniform(0, LONGEST_GAP), watch)

    def single_tasks(self, count: int) -> None:
        """Run tasks of no service."""
        self.fleet.run_task("report", self.within, port=7000, count=count)

    def calm_down(self) -> None:
        """End all faults, and manage every destination again."""
        self.cloud.faults.clear()
        self.shifts.is_calm = True
        self.cloud.state(PartialBatches).unprocessed = 0.0
        self.cloud.state(Tagging).delay = 0.0
        self.cloud.discovery.endings.failed = 0.0
        for one in self.destinations:
            if one.is_detached:
                self._retag(one)

    # People

    def _approve_proposals(self) -> None:
        """Operators approve everything that is proposed, half a minute later, and more than one may do it at once."""
        seen = self.cloud.buses.seen
        for one in seen[self.read :]:
            if one.event["detail-type"] == "Change Proposed":
                approve = partial(self._request, "Proposal Approved", proposal=one.event["detail"]["proposal"])
                for _ in range(self.random.randrange(1, 4)):
                    self.cloud.clock.after(UNTIL_APPROVED + self.random.uniform(0, LONGEST_GAP), approve)
        self.read = len(seen)

    def _request(self, detail_type: str, **detail: Any) -> None:
        """A request, which is never lost: an operator would repeat it if nothing happened."""
        event = complete(
            self.cloud,
            {"source": "berthmaster.operator", "detail-type": detail_type, "detail": {**detail, "by": "ops"}},
        )
        queue = self.berthmaster.template.identity("TargetsQueue").attributes["Arn"]
        self.berthmaster.deliver(queue, json.dumps(event))

    def _operator_drains(self) -> None:
        """An operator asks to drain a running task."""
        now = self.cloud.clock.timestamp()
        settled = [one for one in self.destinations if not one.is_detached and not one.is_unsettled(now)]
        fitting = [task for task in self.fleet.tasks if task.is_running and any(one.wants(task) for one in settled)]
        if fitting:
            task = self.random.choice(fitting)
            self.to_drain.setdefault(task.arn, now)
            self._request("Drain Requested", task=task.arn)

    def _operator_retags(self) -> None:
        """A person detaches a target group, or manages it again."""
        detached = [one for one in self.destinations if one.is_detached]
        groups = [one for one in self.destinations if one.is_group]
        self._retag(self.random.choice(detached or groups))

    def _retag(self, destination: Destination) -> None:
        destination.is_detached = not destination.is_detached
        destination.retagged_at = self.cloud.clock.timestamp()
        mode = "detached" if destination.is_detached else "managed"
        self.cloud.client("elbv2").add_tags(
            ResourceArns=[destination.arn], Tags=[{"Key": "berthmaster:targets", "Value": mode}]
        )

    def _to_a_running_task(self, happen: Callable[[Task], None]) -> None:
        running = [task for task in self.fleet.tasks if task.is_running]
        if running:
            happen(self.random.choice(running))

    def _person_registers(self) -> None:
        """A person registers the address of a task without destinations, which another task may get later."""
        one = self.random.choice([one for one in self.destinations if one.is_shared])
        unmanaged = [task for task in self.fleet.tasks if task.service == UNMANAGED and task.is_listening]
        if not unmanaged:
            return
        key = (one.arn, self.random.choice(unmanaged).address, PORT)
        if one.is_group and self.cloud.targets.state(*key):
            return
        if key not in self.by_hand:
            self.by_hand.append(key)
            self._register(one, key)

    def _person_deregisters(self) -> None:
        """A person deregisters a target: their own, or that of a task."""
        if self.by_hand and self.random.random() < 1 / 2:
            key = self.by_hand.pop(self.random.randrange(len(self.by_hand)))
            self._deregister(next(one for one in self.destinations if one.arn == key[0]), key)
            return
        one = self.random.choice(self.destinations)
        matching = {(task.address, task.port) for task in self.fleet.tasks if one.matches(task)}
        if there := sorted(matching & self._registered(one)):
            self._deregister(one, (one.arn, *self.random.choice(there)))

    def _registered(self, one: Destination) -> set[tuple[str, int]]:
        if one.is_group:
            return self.cloud.targets.routable(one.arn)
        busy = self.cloud.discovery.registry(one.service_id).under_way
        instances = self.cloud.discovery.instances(one.service_id)
        return {at(attributes) for name, attributes in instances.items() if name not in busy}

    def _register(self, one: Destination, key: Key) -> None:
        _, ip, port = key
        if one.is_group:
            self.cloud.client("elbv2").register_targets(TargetGroupArn=one.arn, Targets=[{"Id": ip, "Port": port}])
        else:
            self.cloud.client("servicediscovery").register_instance(
                ServiceId=one.service_id,
                InstanceId=f"by-hand-{ip}-{self.cloud.clock.timestamp():.0f}",
                Attributes={"AWS_INSTANCE_IPV4": ip, "AWS_INSTANCE_PORT": str(port)},
            )

    def _deregister(self, one: Destination, key: Key) -> None:
        _, ip, port = key
        if key in self.by_hand:
            self.by_hand.remove(key)
        if one.is_group:
            self.cloud.client("elbv2").deregister_targets(TargetGroupArn=one.arn, Targets=[{"Id": ip, "Port": port}])
            return
        busy = self.cloud.discovery.registry(one.service_id).under_way
        for name, attributes in self.cloud.discovery.instances(one.service_id).items():
            if at(attributes) == (ip, port) and name not in busy:
                self.cloud.client("servicediscovery").deregister_instance(ServiceId=one.service_id, InstanceId=name)


def at(attributes: Mapping[str, str]) -> tuple[str, int]:
    """Address and port of a Cloud Map instance."""
    return attributes["AWS_INSTANCE_IPV4"], int(attributes["AWS_INSTANCE_PORT"])


@contextmanager
def a_busy_day(seed: int, faults: FaultPlan, *, is_large: bool) -> Iterator[Day]:
    """Services and single tasks behind four target groups and a Cloud Map service, in two small subnets.

    is_large: services may have so many tasks that removing all of them at once needs an approval.
    """
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/24", managed=False)
        network.subnet("a", "10.0.0.0/26")
        network.subnet("b", "10.0.0.64/26")
        network.subnet("c", "10.0.0.192/26")
        berthmaster = Deployment(cloud, parameters={"TargetsMode": "enforce"}, unscheduled=UNSCHEDULED)
        random = Random(seed)  # noqa: S311 - reproducible on purpose
        fleet = Fleet(cloud, cluster="web", reuse=random.choice([0.5, 0.95]))
        within = network.network_configuration(*list(network.subnets)[:2])
        # Draws of its own leave the other days as they are.
        shifts = Shifts(cloud, Random(f"{seed}:shifts"))  # noqa: S311 - reproducible on purpose
        day = Day(cloud, network, fleet, berthmaster, random, shifts, within, is_large)
        cloud.targets.answers = lambda ip, port: _answers(fleet, ip, port)
        balancers = {kind: _balancer(cloud, network, kind) for kind in ("application", "network")}
        for name, kind, delay, selector in (
            ("shop", "application", 30, {"service": "shop"}),
            ("shop-internal", "network", 0, {"service": "shop"}),
            ("web", "application", 120, {"service": "web"}),
            ("reports", "application", 5, {"family": "report"}),
        ):
            group = _target_group(cloud, network, name, "TCP" if kind == "network" else "HTTP", selector)
            cloud.client("elbv2").modify_target_group_attributes(
                TargetGroupArn=group,
                Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}],
            )
            cloud.targets.attach(group, balancers[kind])
            by_ecs = frozenset({BY_ECS} if name == "web" else ())
            drain = 120.0 if kind == "network" else float(delay)
            one = Destination(group, **selector, drain=drain, registered_by_ecs=by_ecs, is_shared=name != "reports")
            day.destinations.append(one)
            if one.is_shared:
                day._register(one, (group, *BY_HAND))
        day.destinations.append(Destination(_cloud_map_service(cloud), service="shop", is_group=False))
        day._register(day.destinations[-1], (day.destinations[-1].arn, *BY_HAND))
        fleet.service("shop", within, 10 if is_large else 4)
        fleet.service(
            "web",
            within,
            8 if is_large else 3,
            health_check=True,
            deployment_configuration=shifts.configuration() if seed % SHIFTING == 0 else None,
        )
        fleet.service(UNMANAGED, within, 3)
        fleet.service(BY_ECS, within, 2, target_groups=[day.destinations[2].arn])
        yield day
        check_outcomes(berthmaster.bus_events)


def let_aws_be_unsure(day: Day, *, delivered: bool) -> None:
    """Choose how AWS behaves where it is undocumented, or documented to be incomplete or late.

    delivered: nothing that only the reconciliation could notice.
    """
    random, cloud = day.random, day.cloud
    cloud.state(PartialBatches).unprocessed = random.choice([0.0, 0.1])
    cloud.state(StaleReads).longest = random.choice([0.0, 1.0])
    cloud.state(Tagging).delay = random.choice([0.0, 10.0])
    cloud.targets.while_draining = random.choice(
        [WhileDraining.REFUSED, WhileDraining.ACCEPTED] if delivered else list(WhileDraining)
    )
    cloud.targets.repeated_deregistrations.per_call = random.choice([0.0, 0.2])
    if not delivered:
        cloud.discovery.endings.failed = random.choice([0.0, 0.05])
        day.operations_fail = cloud.discovery.endings.failed > 0


def _answers(fleet: Fleet, ip: str, port: int) -> bool:
    occupant = fleet.occupant(ip)
    return (ip, port) == BY_HAND or (occupant is not None and occupant.is_listening and occupant.port == port)


def _balancer(cloud: Cloud, network: Network, kind: str) -> str:
    answer = cloud.client("elbv2").create_load_balancer(Name=f"{kind}-front", Subnets=list(network.subnets), Type=kind)
    arn: str = answer["LoadBalancers"][0]["LoadBalancerArn"]
    return arn


def _target_group(cloud: Cloud, network: Network, name: str, protocol: str, selector: Mapping[str, str]) -> str:
    answer = cloud.client("elbv2").create_target_group(
        Name=name, Protocol=protocol, Port=80, VpcId=network.vpc_id, TargetType="ip", Tags=_tags(selector)
    )
    arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
    return arn


def _cloud_map_service(cloud: Cloud) -> str:
    discovery = cloud.client("servicediscovery")
    discovery.create_http_namespace(Name="web")
    namespace = discovery.list_namespaces()["Namespaces"][0]["Id"]
    arn: str = discovery.create_service(Name="shop", NamespaceId=namespace, Tags=_tags({"service": "shop"}))["Service"][
        "Arn"
    ]
    return arn


def _tags(selector: Mapping[str, str]) -> list[dict[str, str]]:
    named = {f"berthmaster:{key}": value for key, value in selector.items()}
    return [{"Key": key, "Value": value} for key, value in (MANAGED | named).items()]
