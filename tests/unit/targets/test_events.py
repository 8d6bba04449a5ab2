"""Events in any order, twice or late, lead to the same registrations; what must wait is looked at again."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import (
    Call,
    Claim,
    ClaimState,
    Destination,
    DestinationStatus,
    EcsSelector,
    Move,
    Plan,
    Policy,
    Target,
    TargetState,
    Task,
)
from berthmaster.targets.plan.claims import RETRY_FAILED, RETRY_REFUSED, answered
from berthmaster.targets.plan.events import LOOK_AGAIN, Scene, plan_events
from tests.support.targets.builders import (
    NOON,
    PORT,
    TURN,
    a_claim,
    a_cloud_map_service,
    a_fence,
    a_scene,
    a_stopped_task,
    a_target_group,
    a_task,
    an_address_holder,
    key_of,
    seconds,
    task_arn,
)

FRONT = a_target_group()
BACK = a_target_group("back")
NAMES = a_cloud_map_service()
ASKS = Policy(registers_at_once=False)
SOON, PAST = NOON + seconds(30), NOON - seconds(30)


def moved(plan: Plan) -> list[tuple[str, ClaimState, Call | None]]:
    """Owner, state and call of each move."""
    return [(move.after.owner, move.after.state, move.call) for move in plan.moves]


def known(task: Task, *held: Claim, **fence: Any) -> dict[str, Any]:
    """What the ledger knows of a task that holds these claims."""
    return {"claims": held, "fences": [a_fence(task, *held, **fence)], "address_holders": [an_address_holder(task)]}


def registered(task: Task, *destinations: Destination) -> dict[str, Any]:
    return known(task, *(a_claim(task, one) for one in destinations))


# Arrivals and departures


def test_a_task_that_runs_is_registered_everywhere_it_belongs_with_fence_and_berth_in_one_bundle() -> None:
    plan = plan_events([a_task(1)], a_scene(FRONT, NAMES, a_target_group("other", selector=EcsSelector("web", "cart"))))
    assert sorted(move.after.key.destination for move in plan.moves) == sorted([FRONT.arn, NAMES.arn])
    assert {call for _, _, call in moved(plan)} == {Call.REGISTER}
    [bundle] = plan.bundles
    [fence] = bundle.fences
    [holder] = bundle.address_holders
    assert fence.after.claims == {key_of(a_task(1), FRONT), key_of(a_task(1), NAMES)}
    assert (holder.after.owner, holder.after.ip) == (task_arn(1), "10.0.0.4")


def test_a_task_that_leaves_is_deregistered_everywhere_it_was_registered() -> None:
    plan = plan_events([a_stopped_task(1)], a_scene(FRONT, BACK, **registered(a_task(1), FRONT, BACK)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)] * 2
    assert plan.bundles[0].fences[0].after.leaving


@pytest.mark.parametrize(
    "sign",
    [
        {"desired_status": "STOPPED"},
        {"last_status": "DEACTIVATING"},
        {"last_status": "DEPROVISIONING"},
        {"stop_code": "SpotInterruption"},
    ],
)
def test_the_first_sign_of_leaving_is_enough(sign: dict[str, str]) -> None:
    plan = plan_events([a_task(1, version=4, **sign)], a_scene(FRONT, **registered(a_task(1), FRONT)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def test_a_task_that_only_comes_waits_until_it_runs() -> None:
    assert plan_events([a_task(1, last_status="PENDING")], a_scene(FRONT)) == Plan()


def test_who_was_never_seen_and_leaves_is_remembered_so_that_it_cannot_arrive_late() -> None:
    scene = a_scene(FRONT)
    plan = plan_events([a_stopped_task(1)], scene)
    assert plan.moves == ()
    [fence] = plan.bundles[0].fences
    assert plan_events([a_task(1)], replace(scene, fences={task_arn(1): fence.after})) == Plan()


def test_tasks_of_nobody_concern_nobody() -> None:
    others = [a_task(1, service="cart"), a_stopped_task(2, service="cart"), a_task(3, cluster="blue")]
    assert plan_events(others, a_scene(FRONT)) == Plan()


def test_departures_come_before_arrivals_and_the_oldest_arrival_first() -> None:
    young = a_task(2, ip="10.0.0.5")
    old = a_task(3, ip="10.0.0.6", started_at=NOON - seconds(600))
    plan = plan_events([young, old, a_stopped_task(1)], a_scene(FRONT, **registered(a_task(1), FRONT)))
    assert [bundle.owner for bundle in plan.bundles] == [task_arn(1), task_arn(3), task_arn(2)]


# Twice, late, out of order


def test_the_same_event_again_changes_nothing() -> None:
    assert plan_events([a_task(1)], a_scene(FRONT, **registered(a_task(1), FRONT))) == Plan()
    gone = a_stopped_task(1)
    left = known(gone, a_claim(gone, FRONT, ClaimState.DRAINING, due_at=SOON), leaving=True)
    assert plan_events([gone], a_scene(FRONT, **left)) == Plan()


def test_an_older_version_than_the_one_acted_upon_changes_nothing() -> None:
    late = a_task(1, version=2)
    scene = a_scene(FRONT, BACK, **registered(a_task(1), FRONT))
    assert plan_events([late], scene) == Plan()
    assert plan_events([a_task(1, version=4)], scene).moves != ()


def test_leaving_is_for_ever_whatever_is_said_later() -> None:
    task = a_task(1, version=99)
    left = known(task, a_claim(task, FRONT, ClaimState.TOMBSTONE), version=5, leaving=True)
    plan = plan_events([task], a_scene(FRONT, **left))
    assert plan.moves == ()


def test_a_departure_told_late_leaves_the_next_owner_alone() -> None:
    old, new = a_stopped_task(1), a_task(2)
    claim = a_claim(new, FRONT)
    scene = a_scene(
        FRONT,
        claims=[claim],
        fences=[replace(a_fence(old), claims=frozenset({claim.key})), a_fence(new, claim)],
        address_holders=[an_address_holder(new)],
    )
    assert plan_events([old], scene).moves == ()


# An address that passes on


def test_a_newcomers_own_event_takes_out_whoever_was_at_its_address() -> None:
    scene = a_scene(FRONT, BACK, **registered(a_task(1), FRONT, BACK))
    plan = plan_events([a_task(2)], scene)
    assert moved(plan) == [(task_arn(2), ClaimState.HANDOVER, Call.DEREGISTER)] * 2
    assert {move.after.former for move in plan.moves} == {task_arn(1)}
    fences = {fence.after.owner: fence.after.leaving for fence in plan.bundles[0].fences}
    assert fences == {task_arn(1): True, task_arn(2): False}
    assert plan.bundles[0].address_holders[0].after.owner == task_arn(2)
    assert plan.again == {task_arn(2): NOON + seconds(61)}


@pytest.mark.parametrize(
    "newcomer",
    [
        a_task(2, service="cart"),
        a_task(2, last_status="PENDING"),
        a_task(2, family="checked"),
    ],
    ids=["of another service", "not running yet", "not healthy yet"],
)
def test_a_newcomer_that_is_not_to_be_registered_takes_it_out_all_the_same(newcomer: Task) -> None:
    plan = plan_events([newcomer], a_scene(FRONT, **registered(a_task(1), FRONT)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def test_a_target_is_left_to_ecs_if_that_registers_the_newcomer_and_an_instance_of_ones_own_is_not() -> None:
    newcomer = a_task(2, service="cart")
    former = registered(a_task(1), FRONT)
    plan = plan_events([newcomer], a_scene(replace(FRONT, native=frozenset({("web/cart", PORT)})), **former))
    assert moved(plan) == [(task_arn(1), ClaimState.TOMBSTONE, None)]
    former = registered(a_task(1), NAMES)
    plan = plan_events([newcomer], a_scene(replace(NAMES, native=frozenset({("web/cart", PORT)})), **former))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def test_an_event_older_than_the_newcomers_does_not_bring_the_former_owner_back() -> None:
    new = a_task(2)
    scene = a_scene(FRONT, **known(new, a_claim(new, FRONT)))
    late = a_task(1, seen_at=NOON - seconds(600))
    plan = plan_events([late], scene)
    assert plan.bundles == ()
    assert plan.again == {task_arn(1): NOON + LOOK_AGAIN}


def test_the_same_address_in_another_subnet_is_another() -> None:
    new = a_task(2, service="cart")
    assert new.address
    elsewhere = replace(new, address=replace(new.address, subnet_id="subnet-0b"))
    assert plan_events([elsewhere], a_scene(FRONT, **registered(a_task(1), FRONT))) == Plan()


def test_a_handover_ends_in_a_registration_when_the_drain_is_over() -> None:
    new = a_task(2)
    waiting = a_claim(new, FRONT, ClaimState.HANDOVER, former=task_arn(1), due_at=SOON)
    plan = plan_events([new], a_scene(FRONT, **known(new, waiting)))
    assert (plan.bundles, plan.again) == ((), {new.arn: SOON + seconds(1)})
    over = replace(waiting, due_at=PAST)
    assert moved(plan_events([new], a_scene(FRONT, **known(new, over)))) == [
        (new.arn, ClaimState.REGISTERING, Call.REGISTER)
    ]


def test_two_owners_of_one_claim_in_one_plan_are_dealt_with_one_after_the_other() -> None:
    plan = plan_events([a_stopped_task(1), a_task(2)], a_scene(FRONT, **registered(a_task(1), FRONT)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]
    assert plan.again == {task_arn(2): NOON}


# Waiting


def test_a_claim_that_somebody_works_on_is_looked_at_again() -> None:
    for task in (a_task(1), a_stopped_task(1)):
        claim = a_claim(a_task(1), FRONT, ClaimState.REGISTERING, busy_until=SOON)
        plan = plan_events([task], a_scene(FRONT, **known(a_task(1), claim)))
        assert plan.moves == ()
        assert plan.again == {task.arn: NOON + LOOK_AGAIN}


def test_who_died_over_a_claim_is_taken_over_from_and_one_is_not_kept_out_by_oneself() -> None:
    for until in (PAST, TURN):
        claim = a_claim(a_task(1), FRONT, ClaimState.REGISTERING, busy_until=until)
        plan = plan_events([a_task(1)], a_scene(FRONT, **known(a_task(1), claim)))
        assert moved(plan) == [(task_arn(1), ClaimState.REGISTERING, Call.REGISTER)]


def test_a_task_with_a_health_check_is_registered_when_it_is_healthy() -> None:
    task = a_task(1, family="checked")
    scene = a_scene(FRONT)
    assert plan_events([task], scene) == Plan()
    assert plan_events([replace(task, health_status="HEALTHY")], scene).moves != ()
    impatient = replace(scene, policy=Policy(wait_for_health=False))
    assert plan_events([task], impatient).moves != ()


def test_a_task_that_turns_unhealthy_is_the_load_balancers_business() -> None:
    task = a_task(1, family="checked", health_status="UNHEALTHY", version=4)
    assert plan_events([task], a_scene(FRONT, **registered(a_task(1), FRONT))) == Plan()


# What an operator allows


def test_who_must_ask_registers_nothing_new() -> None:
    assert plan_events([a_task(1)], a_scene(FRONT, policy=ASKS)) == Plan()
    mine = a_task(1)
    for state, due_at in ((ClaimState.TOMBSTONE, None), (ClaimState.DRAINING, PAST)):
        let_go = known(mine, a_claim(mine, FRONT, state, due_at=due_at))
        assert plan_events([mine], a_scene(FRONT, policy=ASKS, **let_go)) == Plan()


def test_who_must_ask_still_lets_go() -> None:
    scene = a_scene(FRONT, policy=ASKS, **registered(a_task(1), FRONT))
    assert moved(plan_events([a_stopped_task(1)], scene)) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]
    assert moved(plan_events([a_task(2)], scene)) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def test_who_must_ask_finishes_what_was_allowed() -> None:
    task = a_task(1)
    claim = a_claim(task, FRONT, ClaimState.REGISTERING)
    plan = plan_events([task], a_scene(FRONT, policy=ASKS, **known(task, claim)))
    assert moved(plan) == [(task.arn, ClaimState.REGISTERING, Call.REGISTER)]


def test_what_is_no_longer_tagged_is_not_touched() -> None:
    assert plan_events([a_stopped_task(1)], a_scene(BACK, **registered(a_task(1), FRONT))).moves == ()


def test_a_detached_destination_lets_go_and_takes_nobody() -> None:
    detached = a_target_group(declared={"detached": True})
    assert plan_events([a_task(2, ip="10.0.0.5")], a_scene(detached)) == Plan()
    plan = plan_events([a_stopped_task(1)], a_scene(detached, **registered(a_task(1), FRONT)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def a_note(room: int | None) -> dict[str, Any]:
    return {"notes": {FRONT.arn: DestinationStatus(destination=FRONT.arn, shared=False, room=room, looked_at=PAST)}}


def test_newcomers_wait_when_there_is_no_room_and_people_are_told_once() -> None:
    tasks = [a_task(number, ip=f"10.0.0.{number}") for number in (1, 2, 3)]
    plan = plan_events(tasks, a_scene(FRONT, **a_note(1)))
    assert [state for _, state, _ in moved(plan)] == [ClaimState.REGISTERING, ClaimState.REFUSED, ClaimState.REFUSED]
    assert [call for _, _, call in moved(plan)] == [Call.REGISTER, None, None]
    assert [finding.code for finding in plan.findings] == ["no room"]
    assert plan.moves[1].after.due_at == NOON + RETRY_REFUSED
    assert [call for _, _, call in moved(plan_events(tasks, a_scene(FRONT, **a_note(None))))] == [Call.REGISTER] * 3


def test_who_is_registered_already_needs_no_room() -> None:
    task = a_task(1)
    plan = plan_events([task], a_scene(FRONT, **known(task, a_claim(task, FRONT, ClaimState.REGISTERING)), **a_note(0)))
    assert moved(plan) == [(task.arn, ClaimState.REGISTERING, Call.REGISTER)]


def test_an_address_that_somebody_else_registered_is_not_claimed() -> None:
    targets = {key_of(a_task(1), FRONT): Target(TargetState.PRESENT)}
    assert plan_events([a_task(1)], a_scene(FRONT, targets=targets)) == Plan()


def test_what_is_unclear_is_told_and_hinders_nothing_else() -> None:
    unclear = a_target_group("unclear", declared={"port": "grpc"})
    plan = plan_events([a_task(1), a_task(2, ip="10.0.0.5")], a_scene(FRONT, unclear))
    assert len(plan.moves) == 2
    assert [(finding.destination, finding.code) for finding in plan.findings] == [(unclear.arn, "port")]


# Claims that were refused, drained, or are to be followed by a stop


def test_a_refused_claim_ends_with_its_owner() -> None:
    task = a_task(1)
    refused = known(task, a_claim(task, FRONT, ClaimState.REFUSED, due_at=SOON))
    assert plan_events([task], a_scene(FRONT, **refused)) == Plan()
    assert moved(plan_events([a_stopped_task(1)], a_scene(FRONT, **refused))) == [
        (task.arn, ClaimState.TOMBSTONE, None)
    ]


def test_a_task_that_is_to_be_drained_is_stopped_when_its_last_claim_has_drained() -> None:
    task = a_task(1)
    front, back = a_claim(task, FRONT), a_claim(task, BACK, ClaimState.DRAINING, due_at=PAST)
    plan = plan_events([task], a_scene(FRONT, BACK, **known(task, front, back, leaving=True, stop=True)))
    assert moved(plan) == [(task.arn, ClaimState.DRAINING, Call.DEREGISTER)]
    assert plan.stops == ()
    assert list(plan.again) == [task.arn]
    drains = replace(front, state=ClaimState.DRAINING, due_at=SOON)
    plan = plan_events([task], a_scene(FRONT, BACK, **known(task, drains, back, leaving=True, stop=True)))
    assert (plan.stops, plan.again) == ((), {task.arn: SOON})
    drained = replace(front, state=ClaimState.DRAINING, due_at=PAST)
    scene = a_scene(FRONT, BACK, **known(task, drained, back, leaving=True, stop=True))
    assert plan_events([task], scene).stops == (task.arn,)
    assert plan_events([a_stopped_task(1)], scene).stops == ()


# Cloud Map, where a call is only the beginning


def test_a_registration_in_cloud_map_is_looked_at_again_until_it_has_ended() -> None:
    task = a_task(1)
    assert plan_events([task], a_scene(NAMES)).again == {task.arn: NOON + LOOK_AGAIN}
    begun = known(task, a_claim(task, NAMES, ClaimState.REGISTERING, operation="op-1"))
    plan = plan_events([task], a_scene(NAMES, **begun))
    assert (plan.bundles, plan.again) == ((), {task.arn: NOON + LOOK_AGAIN})
    plan = plan_events([task], a_scene(NAMES, operations={"op-1": True}, **begun))
    assert (moved(plan), plan.again) == ([(task.arn, ClaimState.REGISTERED, None)], {})


def test_a_registration_that_fails_is_told_and_tried_again_later() -> None:
    task = a_task(1)
    begun = known(task, a_claim(task, NAMES, ClaimState.REGISTERING, operation="op-1"))
    plan = plan_events([task], a_scene(NAMES, operations={"op-1": False}, **begun))
    assert moved(plan) == [(task.arn, ClaimState.REFUSED, None)]
    assert [finding.code for finding in plan.findings] == ["operation failed"]


def test_a_deregistration_that_fails_is_called_for_again() -> None:
    gone = a_stopped_task(1)
    begun = known(gone, a_claim(gone, NAMES, ClaimState.DRAINING, operation="op-1"), leaving=True)
    plan = plan_events([gone], a_scene(NAMES, **begun))
    assert (plan.bundles, plan.again) == ((), {gone.arn: NOON + LOOK_AGAIN})
    plan = plan_events([gone], a_scene(NAMES, operations={"op-1": False}, **begun))
    assert moved(plan) == [(gone.arn, ClaimState.DRAINING, None)]
    assert plan.moves[0].before == begun["claims"][0]
    (retry_at,) = plan.again.values()
    assert retry_at == plan.moves[0].after.retry_at == NOON + RETRY_FAILED
    failed = begun | {"claims": [plan.moves[0].after]}
    assert plan_events([gone], a_scene(NAMES, **failed)).again == {gone.arn: retry_at}
    plan = plan_events([gone], a_scene(NAMES, **failed, now=retry_at))
    assert moved(plan) == [(gone.arn, ClaimState.DRAINING, Call.DEREGISTER)]
    plan = plan_events([gone], a_scene(NAMES, operations={"op-1": True}, **begun))
    assert moved(plan) == [(gone.arn, ClaimState.DRAINING, None)]
    assert plan.moves[0].after.due_at == NOON + seconds(60)


def test_who_leaves_while_it_is_being_registered_is_deregistered_at_once() -> None:
    gone = a_stopped_task(1)
    begun = known(a_task(1), a_claim(gone, NAMES, ClaimState.REGISTERING, operation="op-1"))
    for operations in ({}, {"op-1": True}):
        plan = plan_events([gone], a_scene(NAMES, operations=operations, **begun))
        assert moved(plan) == [(gone.arn, ClaimState.DRAINING, Call.DEREGISTER)]
        assert plan.again == {gone.arn: NOON + LOOK_AGAIN}


def test_a_handover_in_cloud_map_is_followed_to_its_end() -> None:
    new = a_task(2)
    plan = plan_events([new], a_scene(NAMES, **registered(a_task(1), NAMES)))
    assert moved(plan) == [(new.arn, ClaimState.HANDOVER, Call.DEREGISTER)]
    assert plan.again == {new.arn: NOON + LOOK_AGAIN}
    begun = known(new, a_claim(new, NAMES, ClaimState.HANDOVER, former=task_arn(1), operation="op-1"))
    plan = plan_events([new], a_scene(NAMES, **begun))
    assert (plan.bundles, plan.again) == ((), {new.arn: NOON + LOOK_AGAIN})
    plan = plan_events([new], a_scene(NAMES, operations={"op-1": True}, **begun))
    assert moved(plan) == [(new.arn, ClaimState.HANDOVER, None)]
    assert plan.again == {new.arn: NOON + seconds(61)}


# Any order


def lives(address: int, count: int, *, last_lives: bool) -> list[Task]:
    """Sightings of tasks that follow one another at one address, oldest first."""
    told = []
    for life in range(count):
        born = NOON + seconds(100 * life)
        one = a_task(10 * address + life, ip=f"10.0.0.{address}", started_at=born)
        told += [replace(one, seen_at=born, version=3), replace(one, seen_at=born + seconds(5), version=4)]
        if life < count - 1 or not last_lives:
            stopped = replace(one, desired_status="STOPPED", last_status="STOPPED")
            told.append(replace(stopped, seen_at=born + seconds(50), version=5))
    return told


HISTORIES = st.builds(lives, st.just(1), st.integers(1, 3), last_lives=st.booleans()).flatmap(
    lambda first: st.builds(lives, st.just(2), st.integers(1, 2), last_lives=st.booleans()).map(
        lambda second: [*first, *second]
    )
)


@dataclass
class World:
    """A target group and a Cloud Map service beside the ledger; Cloud Map takes its time and may fail."""

    scene: Scene
    truth: dict[str, Task]
    failing: set[int]
    instances: set[str] = field(default_factory=set)
    under_way: dict[str, tuple[str, Call]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    begun: int = 0

    def tell(self, tasks: Iterable[Task]) -> Plan:
        """Plan for the newest sighting of each task and do it: calls on the target group are answered at once."""
        newest: dict[str, Task] = {}
        for task in tasks:
            if task.arn not in newest or newest[task.arn].version < task.version:
                newest[task.arn] = task
        plan = plan_events(newest.values(), self.scene)
        fences, address_holders, claims = (
            dict(self.scene.fences),
            dict(self.scene.address_holders),
            dict(self.scene.claims),
        )
        touched: set[object] = set()
        for bundle in plan.bundles:
            for fence in bundle.fences:
                assert fence.before == fences.get(fence.after.owner)
                fences[fence.after.owner] = fence.after
            for holder in bundle.address_holders:
                assert holder.before == address_holders.get(holder.after.key)
                address_holders[holder.after.key] = holder.after
            for move in bundle.moves:
                assert move.before == claims.get(move.after.key)
                assert move.after.key not in touched
                touched.add(move.after.key)
                claims[move.after.key] = self.call(move)
        self.scene = replace(self.scene, fences=fences, address_holders=address_holders, claims=claims)
        self.asked |= set(plan.again)
        return plan

    def call(self, move: Move) -> Claim:
        """The claim after the call."""
        destination = self.scene.destinations[move.after.key.destination]
        if move.call is None or destination is not NAMES:
            return answered(move, destination, self.scene.now)
        owner = move.after.former or move.after.owner if move.call is Call.DEREGISTER else move.after.owner
        if owner in {one for one, _ in self.under_way.values()}:
            return replace(move.after, busy_until=None)
        if move.call is Call.DEREGISTER and owner not in self.instances:
            return answered(move, destination, self.scene.now)
        self.begun += 1
        operation = f"op-{self.begun}"
        self.under_way[operation] = owner, move.call
        return replace(move.after, operation=operation)

    def end_operations(self) -> None:
        ended = dict(self.scene.operations)
        for operation, (owner, call) in self.under_way.items():
            ended[operation] = call is Call.REGISTER or int(operation.removeprefix("op-")) not in self.failing
            if ended[operation] and call is Call.REGISTER:
                self.instances.add(owner)
            elif ended[operation]:
                self.instances.discard(owner)
        self.under_way = {}
        self.scene = replace(self.scene, operations=ended)

    def look_again(self) -> None:
        """A minute later, ask ECS about those whom Berthmaster wants to look at, and about nobody else."""
        self.end_operations()
        now = self.scene.now + seconds(62)
        self.scene = replace(self.scene, now=now, turn=now + seconds(20))
        asked, self.asked = sorted(self.asked), set()
        self.tell(replace(self.truth[arn], seen_at=now) for arn in asked)

    def registered(self, destination: Destination) -> set[str]:
        return {
            claim.owner
            for claim in self.scene.claims.values()
            if claim.key.destination == destination.arn and claim.state is ClaimState.REGISTERED
        }


def ip_of(task: Task) -> str:
    assert task.address
    return task.address.ip


def is_alive(task: Task) -> bool:
    return task.desired_status == "RUNNING"


def succeeded(told: Task, truth: dict[str, Task]) -> bool:
    """Whether a departure may get lost: somebody who lives has the address now, and that is told."""
    return not is_alive(told) and any(is_alive(one) and ip_of(one) == ip_of(told) for one in truth.values())


@given(history=HISTORIES, data=st.data())
def test_in_whatever_order_and_however_often_events_come_the_living_are_registered_and_nobody_else(
    history: list[Task], data: st.DataObject
) -> None:
    truth = {task.arn: task for task in history}
    again = data.draw(st.lists(st.sampled_from(history), max_size=6))
    lost = data.draw(st.sets(st.sampled_from(history)))
    order = data.draw(
        st.permutations([one for one in [*history, *again] if one not in lost or not succeeded(one, truth)])
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=6)))
    after = NOON + seconds(1000)
    failing = data.draw(st.sets(st.integers(1, 9), max_size=4))
    world = World(a_scene(FRONT, NAMES, now=after, turn=after + seconds(20)), truth, failing)
    for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
        world.tell(order[start:end])
        if data.draw(st.booleans()):
            world.end_operations()
    for _ in range(16):
        world.look_again()
    living = {arn for arn, task in truth.items() if is_alive(task)}
    assert world.registered(FRONT) == world.registered(NAMES) == world.instances == living
    assert {arn for arn, fence in world.scene.fences.items() if not fence.leaving} == living
    assert world.asked == set()
    assert world.tell(order).moves == ()
