"""A bad day of a VPC that is short of addresses: all kinds of faults, and people and events at the same time."""

from collections.abc import Callable
from random import Random

from simulator.aws.ecs.task_events import api_call_failed
from simulator.faults import FaultPlan
from tests.simulation.answers import Answers
from tests.simulation.capacity.invariants import broken, expansions
from tests.simulation.economy import Economy
from tests.simulation.ledger_invariants import LedgerInvariants
from tests.simulation.mutations import Mutation
from tests.support.capacity.scene import BUS, EXPAND, CapacityScene, a_vpc_short_of_room

type Happenings = tuple[Callable[[], None], ...]

HOURS = 3
QUIET_MINUTES = 50
LONGEST_GAP = 4.0
"""Seconds between two things of a burst."""


def bad_day(seed: int, mutation: Mutation | None = None) -> list[str]:
    """Everything that was wrong during a day or at its end, in sentences."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    mode = random.choice(["enforce", "enforce", "approve"])
    faults = some_faults(random, seed)
    rolls_back = random.random() < 1 / 2
    with a_vpc_short_of_room(seed=seed, mode=mode, watched=True, rolls_back=rolls_back) as scene:
        ledger = LedgerInvariants(scene.cloud)
        answers = Answers(scene.berthmaster)
        economy = Economy(scene.berthmaster, EXPAND, "-Capacity")
        if mutation:
            mutation.apply(scene.cloud)
        scene.cloud.faults.plan = faults
        for _ in range(random.randrange(3, 9)):
            if random.random() < 1 / 2:
                a_burst(scene, random)
            else:
                something_happens(scene, random)
            scene.berthmaster.run(minutes=random.uniform(0, HOURS * 60 / 8))
        scene.cloud.faults.clear()
        request(scene, "Resume Requested", automation="capacity")
        scene.berthmaster.run(minutes=QUIET_MINUTES)
        scene.berthmaster.drain()
        return [*ledger.broken, *economy.exceeded(), *answers.missing(), *broken(scene)]


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


def a_burst(scene: CapacityScene, random: Random) -> None:
    """Shortages and requests about the VPC within seconds, so that invocations overlap, and most find it busy."""
    scene.room_needed()
    for _ in range(random.randrange(5, 15)):
        random.choice((*shortages(scene, random), *requests(scene, random)))()
        scene.berthmaster.run(minutes=random.uniform(0, LONGEST_GAP) / 60)


def something_happens(scene: CapacityScene, random: Random) -> None:
    """One thing that AWS, an operator or a service does."""
    others = (
        lambda: pause_for_a_while(scene, random),
        lambda: scene.workload.deploy("shop"),
        scene.cloud.faults.fail_next_association,
        lambda: starve_a_deployment(scene, random),
        lambda: reset_by_code(scene),
    )
    random.choice((*shortages(scene, random), *requests(scene, random), *others))()


def shortages(scene: CapacityScene, random: Random) -> Happenings:
    subnet = random.choice(scene.subnets)
    return scene.room_needed, lambda: scene.berthmaster.put_event(api_call_failed(scene.cloud, subnet_id=subnet))


def requests(scene: CapacityScene, random: Random) -> Happenings:
    known = expansions(scene)
    expansion = random.choice(known).id if known else f"{scene.vpc_id}.20260302T060000Z"
    proposal, subnet = f"capacity.{expansion}", random.choice(scene.subnets)
    return (
        lambda: request(scene, "Expand Requested", vpc=scene.vpc_id, subnet=subnet, addresses=40),
        lambda: request(scene, "Proposal Approved", proposal=proposal),
        lambda: request(scene, "Proposal Rejected", proposal=proposal),
        lambda: request(scene, "Retirement Requested", expansion=expansion),
    )


def starve_a_deployment(scene: CapacityScene, random: Random) -> None:
    """Deploy the service while its subnets are full; somebody gives the addresses back some time later."""
    for number, subnet in enumerate(scene.subnets):
        scene.fill(leave=random.randrange(3), which=number)
        scene.cloud.clock.after(random.uniform(0, 60) * 60, lambda subnet=subnet: scene.network.release(subnet))
    scene.workload.deploy("shop")


def reset_by_code(scene: CapacityScene) -> None:
    """Infrastructure as code sets the service's subnets as they were at first."""
    scene.cloud.client("ecs").update_service(
        cluster=scene.workload.cluster,
        service="shop",
        networkConfiguration=scene.network.network_configuration(*scene.subnets),
    )


def request(scene: CapacityScene, detail_type: str, **detail: object) -> None:
    scene.put("berthmaster.operator", detail_type, bus=BUS, **detail)


def pause_for_a_while(scene: CapacityScene, random: Random) -> None:
    request(scene, "Pause Requested", automation="capacity")
    later = random.uniform(0, 30) * 60
    scene.cloud.clock.after(later, lambda: request(scene, "Resume Requested", automation="capacity"))
