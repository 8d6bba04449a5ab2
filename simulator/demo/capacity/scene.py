"""The capacity scene: a VPC with no free CIDR space, eight services that grow, and their releases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from simulator.workload.network import MANAGED, Network
from simulator.workload.services import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.clock import Callback
    from simulator.cloud import Cloud
    from simulator.workload.services import Demand

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)

SEED = 7
DAYS = 14
DAY = 24 * 60

VPC = "10.20.0.0/24"
SUBNETS = {"a": "10.20.0.0/26", "b": "10.20.0.64/26", "c": "10.20.0.128/26"}
PUBLIC = "10.20.0.192/26"
"""The rest of the VPC, for NAT gateways: no space is left for another subnet."""

WEEK = (1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.75)
"""Demand of each weekday, Monday first, as a share of Monday's."""
BUSIEST_HOUR = 14
DEVIATION = 0.03
"""Standard deviation of a day's demand, as a share of it."""
RELEASE_SHARE = 0.35
"""Chance that a service is released on a weekday."""
OFFICE_HOURS = (9, 17)


@dataclass(frozen=True, slots=True)
class Service:
    """An ECS service: its tasks at the first day's peak, and the share of them that stops at night."""

    name: str
    tasks: float
    swing: float


SERVICES = (
    Service("storefront", 22, 0.45),
    Service("search", 18, 0.4),
    Service("catalogue", 15, 0.3),
    Service("checkout", 13.5, 0.35),
    Service("payments", 12, 0.2),
    Service("accounts", 10.5, 0.2),
    Service("notifications", 9, 0.3),
    Service("reports", 7.5, 0.1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What happens in both runs; the same seed gives the same demand and the same releases.

    `growth`: daily growth of demand, as a share of the first day's. `start`: UTC midnight before the first day.
    """

    seed: int = SEED
    days: float = DAYS
    growth: float = 0.065
    start: datetime = MONDAY
    services: tuple[Service, ...] = SERVICES

    @property
    def minutes(self) -> int:
        """Its duration."""
        return round(self.days * DAY)

    def demand(self, service: Service) -> Demand:
        """Desired tasks of a service, by minutes since the start."""
        rng = Random(f"{self.seed}:demand of {service.name}")
        chance = [rng.gauss(1, DEVIATION) for _ in range(math.ceil(self.days) + 1)]

        def desired(minutes: float) -> float:
            day = int(minutes // DAY)
            height = service.tasks * (1 + self.growth * minutes / DAY) * WEEK[day % len(WEEK)] * chance[day]
            night = (1 - math.cos((minutes / 60 - BUSIEST_HOUR) / 24 * math.tau)) / 2
            return height * (1 - service.swing * night)

        return desired

    def releases(self) -> Iterator[tuple[int, str]]:
        """Minutes since the start and the service that is then deployed: on weekdays, in office hours."""
        rng = Random(f"{self.seed}:releases")
        first, last = OFFICE_HOURS
        for service in self.services:
            for day in range(math.ceil(self.days)):
                if day % len(WEEK) < len(WEEK) - 2 and rng.random() < RELEASE_SHARE:
                    yield day * DAY + rng.randrange(first * 60, last * 60), service.name


def build(cloud: Cloud, scene: Scene) -> tuple[Network, Workload]:
    """Create the scene in a simulated cloud; it plays as the clock runs."""
    network = Network.create(cloud, VPC, public=PUBLIC)
    for zone, cidr in SUBNETS.items():
        network.subnet(zone, cidr)
    workload = Workload(cloud)
    for service in scene.services:
        workload.service(service.name, network.network_configuration(), scene.demand(service), tags=MANAGED)
    start = scene.start.timestamp()
    for minute, name in sorted(scene.releases()):
        cloud.clock.at(start + minute * 60, _release(workload, name))
    return network, workload


def _release(workload: Workload, name: str) -> Callback:
    return lambda: workload.deploy(name)
