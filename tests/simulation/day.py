"""A busy day of a cluster behind load balancers, and all that may befall it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from simulator.cloud import Cloud
from simulator.deployment import Deployment
from simulator.faults import FaultPlan
from simulator.fleet import Fleet
from simulator.network import Network
from simulator.task import Task

MANAGED = {"berthmaster:targets": "managed", "berthmaster:cluster": "harbour"}
SOMEBODYS = ("10.0.0.200", 9000)
"""A target that a person registered in every group."""
SERVICES = ("shop", "web")
STRAYS = "stray"
"""A service that no destination names: it takes over addresses."""


@dataclass
class Destination:
    """A managed target group or Cloud Map service, and whom it is to have."""

    arn: str
    service: str = ""
    family: str = ""
    is_group: bool = True
    is_network: bool = False

    def wants(self, task: Task) -> bool:
        return task.service == self.service if self.service else task.family == self.family


@dataclass
class Day:
    """The cluster `harbour`, what fronts it, and Berthmaster."""

    cloud: Cloud
    network: Network
    fleet: Fleet
    berthmaster: Deployment
    random: Random
    within: Mapping[str, Any]
    """The network configuration of all tasks: two of the three subnets."""
    destinations: list[Destination] = field(default_factory=list)
    by_hand: set[tuple[str, str, int]] = field(default_factory=set)
    """Targets that a person took out, which no event tells."""

    def run(self, seconds: float, watch: Callable[[], None]) -> None:
        """Let time pass, and watch after every single step of it."""
        clock = self.cloud.clock
        end = clock.timestamp() + seconds
        while (due := clock.next_due()) is not None and due <= end:
            clock.run_next()
            watch()
        clock.run_until(end)
        watch()

    def something_happens(self) -> None:
        """One thing that befalls a busy cluster."""
        self.random.choice(
            (
                lambda: self.fleet.deploy(self.random.choice(SERVICES)),
                lambda: self.fleet.deploy(STRAYS),
                lambda: self.fleet.scale(self.random.choice((*SERVICES, STRAYS)), self.random.randrange(1, 7)),
                lambda: self._to_somebody(self.fleet.interrupt),
                lambda: self._to_somebody(self.fleet.interrupt),
                lambda: self._to_somebody(self.fleet.crash),
                lambda: self._to_somebody(self.fleet.stop),
                lambda: self.single_tasks(self.random.randrange(1, 4)),
                self._somebody_deregisters,
            )
        )()

    def single_tasks(self, count: int) -> None:
        self.fleet.run_task("report", self.within, port=7000, count=count)

    def _to_somebody(self, befall: Callable[[Task], None]) -> None:
        running = [task for task in self.fleet.tasks if task.is_running]
        if running:
            befall(self.random.choice(running))

    def _somebody_deregisters(self) -> None:
        """A person takes a target out by hand."""
        group = self.random.choice([one.arn for one in self.destinations if one.is_group])
        there = sorted(self.cloud.targets.routable(group) - {SOMEBODYS})
        if there:
            ip, port = self.random.choice(there)
            self.by_hand.add((group, ip, port))
            self.cloud.client("elbv2").deregister_targets(TargetGroupArn=group, Targets=[{"Id": ip, "Port": port}])


@contextmanager
def a_busy_day(seed: int, faults: FaultPlan, **parameters: Any) -> Iterator[Day]:
    """Two services and single tasks behind four target groups and a Cloud Map service, in two small subnets."""
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/24", managed=False)
        network.subnet("a", "10.0.0.0/26")
        network.subnet("b", "10.0.0.64/26")
        network.subnet("c", "10.0.0.192/26")
        berthmaster = Deployment(cloud, parameters=parameters, unscheduled=("CapacityWatchFunction",))
        fleet = Fleet(cloud)
        within = network.network_configuration(*list(network.subnets)[:2])
        day = Day(cloud, network, fleet, berthmaster, Random(seed), within)  # noqa: S311 - reproducible on purpose
        cloud.targets.answers = lambda ip, port: _answers(fleet, ip, port)
        balancers = {kind: _balancer(cloud, network, kind) for kind in ("application", "network")}
        for name, kind, delay, who in (
            ("shop", "application", 30, {"service": "shop"}),
            ("shop-internal", "network", 0, {"service": "shop"}),
            ("web", "application", 120, {"service": "web"}),
            ("reports", "application", 5, {"family": "report"}),
        ):
            group = _target_group(cloud, network, name, "TCP" if kind == "network" else "HTTP", who)
            cloud.client("elbv2").modify_target_group_attributes(
                TargetGroupArn=group,
                Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}],
            )
            cloud.targets.attach(group, balancers[kind])
            cloud.client("elbv2").register_targets(
                TargetGroupArn=group, Targets=[{"Id": SOMEBODYS[0], "Port": SOMEBODYS[1]}]
            )
            day.destinations.append(Destination(group, **who, is_network=kind == "network"))
        day.destinations.append(Destination(_cloud_map_service(cloud), service="shop", is_group=False))
        fleet.service("shop", within, 4)
        fleet.service("web", within, 3, health_check=True)
        fleet.service(STRAYS, within, 3)
        yield day


def _answers(fleet: Fleet, ip: str, port: int) -> bool:
    occupant = fleet.occupant(ip)
    return (ip, port) == SOMEBODYS or (occupant is not None and occupant.is_listening and occupant.port == port)


def _balancer(cloud: Cloud, network: Network, kind: str) -> str:
    answer = cloud.client("elbv2").create_load_balancer(Name=f"{kind}-front", Subnets=list(network.subnets), Type=kind)
    arn: str = answer["LoadBalancers"][0]["LoadBalancerArn"]
    return arn


def _target_group(cloud: Cloud, network: Network, name: str, protocol: str, who: Mapping[str, str]) -> str:
    answer = cloud.client("elbv2").create_target_group(
        Name=name, Protocol=protocol, Port=80, VpcId=network.vpc_id, TargetType="ip", Tags=_tags(who)
    )
    arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
    return arn


def _cloud_map_service(cloud: Cloud) -> str:
    discovery = cloud.client("servicediscovery")
    discovery.create_http_namespace(Name="harbour")
    namespace = discovery.list_namespaces()["Namespaces"][0]["Id"]
    arn: str = discovery.create_service(Name="shop", NamespaceId=namespace, Tags=_tags({"service": "shop"}))["Service"][
        "Arn"
    ]
    return arn


def _tags(who: Mapping[str, str]) -> list[dict[str, str]]:
    named = {f"berthmaster:{key}": value for key, value in who.items()}
    return [{"Key": key, "Value": value} for key, value in (MANAGED | named).items()]
