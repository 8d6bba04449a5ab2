"""Bad days: all kinds of faults happen at random, and the invariants hold when they are over.

A failure prints the seed and the faults; `make days DAYS=<seed>` runs that day again.
"""

from random import Random

from berthmaster.capacity.ledger.expansions import ExpansionState
from simulator.aws.ecs.task_events import api_call_failed
from simulator.faults import FaultPlan
from tests.simulation.days import Days
from tests.simulation.invariants import broken, expansions
from tests.support.capacity.scene import BUS, CapacityScene, a_vpc_short_of_room

BAD_DAY_HOURS = 3
QUIET_MINUTES = 50
EXPANSIONS_PER_DAY = 3
"""The template's default of CapacityExpansionsPerDay."""


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


def something_happens(scene: CapacityScene, random: Random) -> None:
    """One thing that AWS, an operator or a service does."""
    known = expansions(scene)
    expansion = random.choice(known).id if known else f"{scene.vpc_id}.20260302T060000Z"
    proposal = f"capacity.{expansion}"
    subnet = random.choice(scene.subnets)
    happenings = (
        scene.room_needed,
        lambda: scene.berthmaster.put_event(api_call_failed(scene.cloud, subnet_id=subnet)),
        lambda: request(scene, "Expand Requested", vpc=scene.vpc_id, subnet=subnet, addresses=40),
        lambda: request(scene, "Proposal Approved", proposal=proposal),
        lambda: request(scene, "Proposal Rejected", proposal=proposal),
        lambda: request(scene, "Retirement Requested", expansion=expansion),
        lambda: pause_for_a_while(scene, random),
        lambda: scene.workload.deploy("shop"),
        scene.cloud.faults.fail_next_association,
    )
    random.choice(happenings)()


def request(scene: CapacityScene, detail_type: str, **detail: object) -> None:
    scene.put("berthmaster.operator", detail_type, bus=BUS, **detail)


def pause_for_a_while(scene: CapacityScene, random: Random) -> None:
    request(scene, "Pause Requested", automation="capacity")
    scene.berthmaster.run(minutes=random.uniform(0, 30))
    request(scene, "Resume Requested", automation="capacity")


def begun_within_a_day(scene: CapacityScene) -> int:
    begun = {
        ExpansionState.RUNNING,
        ExpansionState.DONE,
        ExpansionState.FAILED,
        ExpansionState.RETIRING,
        ExpansionState.RETIRED,
    }
    return sum(1 for one in expansions(scene) if one.state in begun and one.plan.subnets)


def test_after_a_bad_day_nothing_is_lost_done_twice_or_unfinished(days: Days) -> None:
    for seed in days:
        random = Random(seed)  # noqa: S311 - reproducible on purpose
        mode = random.choice(["enforce", "enforce", "approve"])
        faults = some_faults(random, seed)
        with a_vpc_short_of_room(seed=seed, mode=mode, watched=True) as scene:
            scene.cloud.faults.plan = faults
            for _ in range(random.randrange(3, 9)):
                something_happens(scene, random)
                scene.berthmaster.run(minutes=random.uniform(0, BAD_DAY_HOURS * 60 / 8))
            scene.cloud.faults.clear()
            request(scene, "Resume Requested", automation="capacity")
            scene.berthmaster.run(minutes=QUIET_MINUTES)
            scene.berthmaster.drain()
            assert (seed, broken(scene)) == (seed, []), faults
            assert begun_within_a_day(scene) <= EXPANSIONS_PER_DAY
