"""A bad day of a VPC that is short of addresses: all kinds of faults, and people and events at the same time."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from simulator.aws.ecs.task_events import api_call_failed
from simulator.calls import OPERATOR, calling_as
from simulator.faults import FaultPlan
from tests.simulation.answers import Answers
from tests.simulation.capacity.invariants import broken, expansions
from tests.simulation.capacity.service_invariants import ServiceInvariants
from tests.simulation.economy import Economy
from tests.simulation.ledger_invariants import LedgerInvariants
from tests.simulation.mutations import Mutation
from tests.support.capacity.scene import BUS, EXPAND, CapacityScene, a_vpc_short_of_room

type Happenings = tuple[Callable[[], None], ...]

HOURS = 3
QUIET_MINUTES = 50
LONGEST_GAP = 4.0
"""Seconds between two things of a burst."""
RESET_EVERY = 5 * 3600.0
LONG_DAY_HOURS = 30
POOL = "10.0.128.0/17"
"""What the IPAM pool has of the VPC's own range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a day is like besides its faults.

    is_lonely: no person asks for anything, so that every update of a service is Berthmaster's own idea. has_pool:
    blocks come from an IPAM pool. resets_daily: infrastructure as code sets the service's subnets as they were, every
    few hours, and the day lasts longer. never_released: a deployment begins in full subnets, and nobody gives addresses
    back. has_another_service: that is not tagged, in the same subnets.
    """

    is_lonely: bool
    has_pool: bool
    resets_daily: bool
    never_released: bool
    has_another_service: bool

    @classmethod
    def of(cls, seed: int) -> "Kind":
        """By the seed, so that each kind and each pair of them comes up in a few dozen days."""
        return cls(
            is_lonely=seed % 3 == 1,
            has_pool=seed % 5 == 2,
            resets_daily=seed % 32 == 7,
            never_released=seed % 4 == 1,
            has_another_service=seed % 7 == 3,
        )


def bad_day(seed: int, mutation: Mutation | None = None) -> list[str]:
    """Everything that was wrong during a day or at its end, in sentences."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    kind = Kind.of(seed)
    mode = random.choice(["enforce", "enforce", "approve"])
    if kind.is_lonely:
        mode = "enforce"
    faults = some_faults(random, seed)
    rolls_back = random.random() < 1 / 2
    with a_vpc_short_of_room(
        seed=seed, mode=mode, watched=True, rolls_back=rolls_back, pool=POOL if kind.has_pool else ""
    ) as scene:
        day = Day(scene, random, kind)
        ledger = LedgerInvariants(scene.cloud)
        answers = Answers(scene.berthmaster)
        economy = Economy(scene.berthmaster, EXPAND, "-Capacity")
        if mutation:
            mutation.apply(scene.cloud)
        scene.cloud.faults.plan = faults
        day.run()
        scene.cloud.faults.clear()
        request(scene, "Resume Requested", automation="capacity")
        scene.berthmaster.run(minutes=QUIET_MINUTES)
        scene.berthmaster.drain()
        return [*ledger.broken, *economy.exceeded(), *answers.missing(), *broken(scene), *day.services.broken()]


def some_faults(random: Random, seed: int) -> FaultPlan:
    """Each kind of fault is absent on some days and frequent on others."""

    def chance(most: float) -> float:
        return random.choice([0.0, most / 4, most])

    return FaultPlan(
        seed=seed,
        throttled=chance(0.15),
        server_error=chance(0.1),
        lost_response=chance(0.08),
        crash=chance(0.04),
        entry_refused=chance(0.1),
        event_lost=(lost := chance(0.5)),
        tick_lost=lost,
        event_duplicated=chance(0.5),
        event_delayed=chance(0.5),
    )


class Day:
    """What happens during a day. `services` judges what becomes of the services."""

    def __init__(self, scene: CapacityScene, random: Random, kind: Kind) -> None:
        self._scene = scene
        self._random = random
        self._kind = kind
        self.services = ServiceInvariants(scene)
        if seed_has_another := kind.has_another_service:
            scene.workload.service("jobs", scene.network.network_configuration(*scene.subnets), 2)
        self._names = ("shop", "jobs") if seed_has_another else ("shop",)

    def run(self) -> None:
        """Let everything happen that does."""
        if self._kind.resets_daily:
            self._scene.cloud.clock.every(RESET_EVERY, self._reset_by_code)
        if self._kind.never_released:
            self._fill_all()
            self._scene.workload.deploy("shop")
        for _ in range(self._random.randrange(3, 9)):
            if self._random.random() < 1 / 2:
                self._a_burst()
            else:
                self._something()
            self._scene.berthmaster.run(minutes=self._random.uniform(0, HOURS * 60 / 8))
        if self._kind.resets_daily:
            self._scene.berthmaster.run(minutes=LONG_DAY_HOURS * 60)

    def _a_burst(self) -> None:
        """Shortages and requests about the VPC within seconds, so that invocations overlap, and most find it busy."""
        self._scene.room_needed()
        for _ in range(self._random.randrange(5, 15)):
            self._random.choice((*self._shortages(), *self._requests()))()
            self._scene.berthmaster.run(minutes=self._random.uniform(0, LONGEST_GAP) / 60)

    def _something(self) -> None:
        """One thing that AWS, an operator or a service does."""
        self._random.choice((*self._shortages(), *self._requests(), *self._others()))()

    def _shortages(self) -> Happenings:
        scene, subnet = self._scene, self._random.choice(self._scene.subnets)
        return scene.room_needed, lambda: scene.berthmaster.put_event(api_call_failed(scene.cloud, subnet_id=subnet))

    def _others(self) -> Happenings:
        name = self._random.choice(self._names)
        anybody = (
            lambda: self._scene.workload.deploy(name),
            self._scene.cloud.faults.fail_next_association,
            lambda: self._starve_a_deployment(name),
            self._reset_by_code,
        )
        return anybody if self._kind.is_lonely else (*anybody, self._pause_for_a_while, self._observe_for_a_while)

    def _requests(self) -> Happenings:
        if self._kind.is_lonely:
            return ()
        known = expansions(self._scene)
        vpc = self._scene.vpc_id
        expansion = self._random.choice(known).id if known else f"{vpc}.20260302T060000Z"
        proposal, subnet = f"capacity.{expansion}", self._random.choice(self._scene.subnets)
        drain = {"drain": True} if self._random.random() < 1 / 2 else {}
        return (
            lambda: self._request("Expand Requested", vpc=vpc, subnet=subnet, addresses=40),
            lambda: self._request("Proposal Approved", proposal=proposal),
            lambda: self._request("Proposal Rejected", proposal=proposal),
            lambda: self._request("Retirement Requested", expansion=expansion, **drain),
        )

    def _starve_a_deployment(self, name: str) -> None:
        """Deploy a service while its subnets are full; somebody gives the addresses back some time later."""
        for subnet in self._fill_all():
            later = self._random.uniform(0, 60) * 60
            self._scene.cloud.clock.after(later, lambda subnet=subnet: self._scene.network.release(subnet))
        self._scene.workload.deploy(name)

    def _fill_all(self) -> list[str]:
        subnets = self._scene.subnets
        for number in range(len(subnets)):
            self._scene.fill(leave=self._random.randrange(3), which=number)
        return subnets

    def _reset_by_code(self) -> None:
        """Infrastructure as code sets the service's subnets as they were at first."""
        with calling_as(OPERATOR):
            self._scene.cloud.client("ecs").update_service(
                cluster=self._scene.workload.cluster,
                service="shop",
                networkConfiguration=self._scene.network.network_configuration(*self._scene.subnets),
            )

    def _pause_for_a_while(self) -> None:
        self._request("Pause Requested", automation="capacity")
        later = self._random.uniform(0, 30) * 60
        self._scene.cloud.clock.after(later, lambda: self._request("Resume Requested", automation="capacity"))

    def _observe_for_a_while(self) -> None:
        """Deploy the functions with the mode observe, and again as they were."""
        mode = self._scene.mode
        self._scene.deploy_mode("observe")
        self._scene.berthmaster.run(minutes=self._random.uniform(0, 20))
        self._scene.deploy_mode(mode)

    def _request(self, detail_type: str, **detail: object) -> None:
        self.services.person_asks(detail_type)
        request(self._scene, detail_type, **detail)


def request(scene: CapacityScene, detail_type: str, **detail: object) -> None:
    scene.put("berthmaster.operator", detail_type, bus=BUS, **detail)
