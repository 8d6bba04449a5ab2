"""The security_groups scene: two months of a shop, with what happens only once a month or a quarter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from simulator.calls import calling_as
from simulator.demo.phases import Scene
from simulator.demo.security_groups import rules
from simulator.demo.security_groups.callers import Callers
from simulator.demo.security_groups.outcome import Phase
from simulator.demo.security_groups.shop import Shop
from simulator.demo.wording import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.cloud import Cloud
    from simulator.demo.security_groups.rules import ShopRule
    from simulator.workload.traffic.traffic import End

type Event = tuple[int, float, str, Callable[[], None]]
"""Day, hour, what happens in words, and how."""

SUNDAY_EVENING = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
CUSTOMER, PAYMENTS, BACKUPS = "91.12.7.20", "151.101.2.10", "52.219.170.9"
SCANNER, STANDBY, SUPPLIER = "45.148.10.66", "10.60.3.9", "185.12.34.17"
OUTAGE_OF_LOG = 2 * HOUR
EVERY_DEPLOYMENT = 14
STRETCH = 6 * HOUR
PEOPLE = "people"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoMonths(Scene):
    """What happens whichever way it is run; the same seed does the same at the same time.

    window, notice, quarantine: days, as the parameters of Berthmaster; the usual way has the same window. repair: hours
    from the first connection that is denied until people have found out and put the rule back. answer: minutes until
    they answer a mail that says which rule to put back. is_drawn: what is seldom needed is needed on a day that
    is drawn, once there are logs of a window.
    """

    start: datetime = SUNDAY_EVENING
    warm_up: int = 120
    minutes: int = 60 * 24 * 60
    window: int = 30
    notice: int = 7
    quarantine: int = 7
    repair: float = 4
    answer: float = 30
    is_drawn: bool = False

    @property
    def announced(self) -> int:
        """The day after which the window is complete: on the first day the flow log has a gap."""
        return self.window + 1

    @property
    def approved(self) -> int:
        """The day on which the notice is over."""
        return self.announced + self.notice

    @property
    def revoked(self) -> int:
        """The day after the quarantine."""
        return self.approved + self.quarantine + 1


class Stage:
    """The scene in a simulated cloud; phases: those that have begun. left, denied: by stretch, see `Run`."""

    def __init__(self, cloud: Cloud, scene: TwoMonths) -> None:
        self.shop = Shop(cloud)
        self.callers = Callers(cloud, self.shop.traffic)
        self.phases: list[Phase] = []
        self.left: list[int] = []
        self.denied: list[int] = []
        self._cloud = cloud
        self._scene = scene
        self._rng = Random(f"{scene.seed}:two months")
        cloud.clock.at(scene.start.timestamp() + scene.warm_up * MINUTE / 2, self.shop.open)
        days = scene.minutes * MINUTE // DAY
        for day in range(int(days)):
            cloud.clock.at(self.at(day, 9.5), self._a_day)
            if day % EVERY_DEPLOYMENT == EVERY_DEPLOYMENT - 1:
                cloud.clock.at(self.at(day, 13), self.shop.deploy)
            if day % scene.announced == 0:
                cloud.clock.at(self.at(day, 20), self._job(rules.CLOSING))
        for number in range(int(scene.minutes * MINUTE // STRETCH)):
            cloud.clock.at(scene.begins + number * STRETCH, self._count)
        needs = list(self._needs())
        if scene.is_drawn:
            needs = [(self._rng.randrange(scene.window, int(days)), *event[1:]) for event in needs]
        for day, hour, text, happens in sorted([*self._story(), *needs], key=lambda one: one[:2]):
            cloud.clock.at(self.at(day, hour), self._phase(text, happens))

    def at(self, day: float, hour: float = 0.0) -> float:
        """When it is so late on a day of the scene."""
        return self._scene.begins + day * DAY + hour * HOUR

    def judged(self) -> Iterator[Phase]:
        """The phases, each with the connections that were denied from then on."""
        for number, phase in enumerate(self.phases):
            until = self.phases[number + 1].at if number + 1 < len(self.phases) else float("inf")
            denied = sum(one.denied for one in self.callers.missed if phase.at <= one.since < until)
            yield Phase(phase.at, phase.text, denied=denied)

    def _story(self) -> Iterator[Event]:
        scene = self._scene
        yield (
            *(0, 19.5, "the flow log delivers nothing for two hours, just when the monthly closing runs"),
            lambda: self.shop.logs.begin_outage(self.shop.log, OUTAGE_OF_LOG),
        )
        yield scene.window, 6, f"there are logs of {scene.window} days: unused rules begin to go", _nothing
        reads = "a person reads that the rule of the standby site is unused, and tags it to be kept"
        yield scene.announced + scene.notice // 3, 9, reads, self._keep
        yield scene.announced, 20, "the monthly closing runs", _nothing
        yield scene.revoked, 3, "a scanner tries ports whose rules are gone", self._scan

    def _needs(self) -> Iterator[Event]:
        """What needs a rule that is seldom used."""
        scene, eni = self._scene, self.shop.interfaces
        yield scene.approved - 1, 12, "the quarterly statements are made", self._job(rules.STATEMENTS)
        yield scene.approved + scene.quarantine // 2, 10, "the auditors' export begins", self._job(rules.AUDIT)
        yield (
            *(scene.approved + scene.quarantine - 1, 12),
            "the load balancer controller sends the first request to its port",
            self._caller(rules.CONTROLLER, lambda: eni["front"], lambda: self.shop.task),
        )
        yield (
            *(scene.revoked + scene.quarantine // 2, 11, "the supplier sends the first order of the year"),
            self._caller(rules.SUPPLIER_PORT, lambda: SUPPLIER, lambda: eni["front"]),
        )
        rehearsed = "a disaster is rehearsed: the standby site reads the orders"
        yield scene.revoked + scene.quarantine - 1, 8, rehearsed, self._rehearse

    def _phase(self, text: str, happens: Callable[[], None]) -> Callable[[], None]:
        def begin() -> None:
            self.phases.append(Phase(self._cloud.clock.timestamp(), text))
            happens()

        return begin

    # What happens every day

    def _a_day(self) -> None:
        shop, eni = self.shop, self.shop.interfaces
        calls: tuple[tuple[str, int, Callable[[], End], Callable[[], End]], ...] = (
            ("front", 443, lambda: CUSTOMER, lambda: eni["front"]),
            ("shop", 8080, lambda: eni["front"], lambda: shop.task),
            ("shop", 443, lambda: shop.task, lambda: PAYMENTS),
            ("orders", 5432, lambda: shop.task, lambda: eni["orders"]),
            ("cache", 6379, lambda: shop.task, lambda: eni["cache"]),
            ("search", 9200, lambda: shop.task, lambda: eni["search"]),
            ("jobs", 8125, lambda: shop.task, lambda: eni["jobs"]),
            ("archive", 9100, lambda: eni["jobs"], lambda: eni["archive"]),
            ("orders", 443, lambda: eni["orders"], lambda: BACKUPS),
        )
        for group, port, source, destination in calls:
            rule = next(one for one in rules.USED if one.group == group and one.ports == (port, port))
            call = partial(self.callers.need, rule, source, destination)
            self._cloud.clock.after(self._rng.uniform(0, 6 * HOUR), call)

    def _count(self) -> None:
        self.left.append(len(self.shop.present()))
        self.denied.append(self.callers.denied)

    # What happens once

    def _job(self, port: int) -> Callable[[], None]:
        eni = self.shop.interfaces
        return self._caller(port, lambda: eni["jobs"], lambda: eni["archive"])

    def _caller(self, port: int, source: Callable[[], End], destination: Callable[[], End]) -> Callable[[], None]:
        return lambda: self.callers.need(_rare(port), source, destination)

    def _keep(self) -> None:
        if identifier := self.shop.present().get(_rare(5432)):
            with calling_as(PEOPLE):
                self.shop.tag(identifier, "berthmaster:keep", "standby site")

    def _rehearse(self) -> None:
        self.callers.need(_rare(5432), lambda: STANDBY, lambda: self.shop.interfaces["orders"])

    def _scan(self) -> None:
        for port in (22, rules.SUPPLIER_PORT):
            self.callers.knock(SCANNER, self.shop.interfaces["front"], port)


def _rare(port: int) -> ShopRule:
    return next(one for one in rules.RARE if one.ports[0] == port)


def _nothing() -> None:
    pass
