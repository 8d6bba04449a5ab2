"""What a plan for events contains, by what is known of the tasks and their addresses."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from berthmaster.targets.model import (
    Call,
    ClaimState,
    DestinationStatus,
    EcsSelector,
    Plan,
    Policy,
    Target,
    TargetState,
    Task,
)
from berthmaster.targets.plan.claims import LOOK_AT_EARLY, LOOK_AT_INTERFACE, RETRY_REFUSED, SETTLED
from berthmaster.targets.plan.events import RECHECK_AFTER, plan_events
from tests.support.targets.builders import (
    INVOCATION_ID,
    NOON,
    PORT,
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
from tests.support.targets.plans import known, moved, registered

FRONT = a_target_group()
BACK = a_target_group("back")
NAMES = a_cloud_map_service()
APPROVE = Policy(registers_at_once=False)
SOON, PAST = NOON + seconds(30), NOON - seconds(30)


# Tasks that run or leave


def test_a_running_task_is_registered_in_all_its_destinations_in_one_bundle_with_its_fence() -> None:
    plan = plan_events(
        [a_task(1)], a_scene(FRONT, NAMES, a_target_group("other", selector=EcsSelector("web", services=("cart",))))
    )
    assert sorted(move.after.key.destination for move in plan.moves) == sorted([FRONT.arn, NAMES.arn])
    assert {call for _, _, call in moved(plan)} == {Call.REGISTER}
    [bundle] = plan.bundles
    [fence] = bundle.fences
    [holder] = bundle.address_holders
    assert fence.after.claims == {key_of(a_task(1), FRONT), key_of(a_task(1), NAMES)}
    assert (holder.after.owner, holder.after.ip) == (task_arn(1), "10.0.0.4")


def test_a_leaving_task_is_deregistered_everywhere() -> None:
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


def test_a_starting_task_is_not_registered_yet() -> None:
    assert plan_events([a_task(1, last_status="PENDING")], a_scene(FRONT)) == Plan()


def test_an_unknown_task_that_leaves_gets_a_fence_so_that_a_late_event_cannot_register_it() -> None:
    scene = a_scene(FRONT)
    plan = plan_events([a_stopped_task(1)], scene)
    assert plan.moves == ()
    [fence] = plan.bundles[0].fences
    assert plan_events([a_task(1)], replace(scene, fences={task_arn(1): fence.after})) == Plan()


def test_tasks_without_destinations_change_nothing() -> None:
    others = [a_task(1, service="cart"), a_stopped_task(2, service="cart"), a_task(3, cluster="blue")]
    assert plan_events(others, a_scene(FRONT)) == Plan()


def test_leaving_tasks_come_first_and_then_the_oldest_running_ones() -> None:
    young = a_task(2, ip="10.0.0.5")
    old = a_task(3, ip="10.0.0.6", started_at=NOON - seconds(600))
    plan = plan_events([young, old, a_stopped_task(1)], a_scene(FRONT, **registered(a_task(1), FRONT)))
    assert [bundle.owner for bundle in plan.bundles] == [task_arn(1), task_arn(3), task_arn(2)]


# Duplicate, late and out of order


def test_a_duplicate_event_changes_nothing() -> None:
    assert plan_events([a_task(1)], a_scene(FRONT, **registered(a_task(1), FRONT))) == Plan()
    gone = a_stopped_task(1)
    left = known(gone, a_claim(gone, FRONT, ClaimState.DRAINING, due_at=SOON), leaving=True)
    assert plan_events([gone], a_scene(FRONT, **left)) == Plan()


def test_an_older_version_changes_nothing() -> None:
    late = a_task(1, version=2)
    scene = a_scene(FRONT, BACK, **registered(a_task(1), FRONT))
    assert plan_events([late], scene) == Plan()
    assert plan_events([a_task(1, version=4)], scene).moves != ()


def test_a_task_that_is_leaving_is_never_registered_again() -> None:
    task = a_task(1, version=99)
    left = known(task, a_claim(task, FRONT, ClaimState.TOMBSTONE), version=5, leaving=True)
    plan = plan_events([task], a_scene(FRONT, **left))
    assert plan.moves == ()


def test_a_late_stop_does_not_touch_the_next_owner() -> None:
    old, new = a_stopped_task(1), a_task(2)
    claim = a_claim(new, FRONT)
    scene = a_scene(
        FRONT,
        claims=[claim],
        fences=[replace(a_fence(old), claims=frozenset({claim.key})), a_fence(new, claim)],
        address_holders=[an_address_holder(new)],
    )
    assert plan_events([old], scene).moves == ()


# Addresses with a new owner


def test_the_event_of_a_new_owner_removes_the_former_one() -> None:
    scene = a_scene(FRONT, BACK, **registered(a_task(1), FRONT, BACK))
    plan = plan_events([a_task(2)], scene)
    assert moved(plan) == [(task_arn(2), ClaimState.HANDOVER, Call.DEREGISTER)] * 2
    assert {move.after.former for move in plan.moves} == {task_arn(1)}
    fences = {fence.after.owner: fence.after.leaving for fence in plan.bundles[0].fences}
    assert fences == {task_arn(1): True, task_arn(2): False}
    assert plan.bundles[0].address_holders[0].after.owner == task_arn(2)
    assert plan.recheck_at == {task_arn(2): NOON + SETTLED + seconds(1)}


@pytest.mark.parametrize(
    "new",
    [
        a_task(2, service="cart"),
        a_task(2, last_status="PENDING"),
        a_task(2, family="checked"),
    ],
    ids=["of another service", "not running yet", "not healthy yet"],
)
def test_a_new_owner_that_is_not_registered_removes_the_former_one_too(new: Task) -> None:
    plan = plan_events([new], a_scene(FRONT, **registered(a_task(1), FRONT)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def test_a_target_is_left_to_ecs_if_ecs_registers_the_new_owner_and_an_instance_is_not() -> None:
    new = a_task(2, service="cart")
    former = registered(a_task(1), FRONT)
    plan = plan_events([new], a_scene(replace(FRONT, registered_by_ecs=frozenset({("web/cart", PORT)})), **former))
    assert moved(plan) == [(task_arn(1), ClaimState.TOMBSTONE, None)]
    former = registered(a_task(1), NAMES)
    plan = plan_events([new], a_scene(replace(NAMES, registered_by_ecs=frozenset({("web/cart", PORT)})), **former))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def test_an_event_that_is_older_than_the_new_owners_does_not_register_the_former_one() -> None:
    new = a_task(2)
    scene = a_scene(FRONT, **known(new, a_claim(new, FRONT)))
    late = a_task(1, seen_at=NOON - seconds(600))
    plan = plan_events([late], scene)
    assert plan.bundles == ()
    assert plan.recheck_at == {task_arn(1): NOON + RECHECK_AFTER}


def test_the_same_address_in_another_subnet_is_another_address() -> None:
    new = a_task(2, service="cart")
    assert new.address
    elsewhere = replace(new, address=replace(new.address, subnet_id="subnet-0b"))
    assert plan_events([elsewhere], a_scene(FRONT, **registered(a_task(1), FRONT))) == Plan()


def test_a_handover_is_looked_at_again_and_ends_with_a_registration_after_the_drain() -> None:
    new = a_task(2)
    waiting = a_claim(new, FRONT, ClaimState.HANDOVER, former=task_arn(1), due_at=SOON)
    for claim, look_at in (
        (replace(waiting, deregistered_at=NOON - seconds(4)), NOON + SETTLED - seconds(4)),
        (replace(waiting, deregistered_at=NOON - SETTLED), NOON + LOOK_AT_INTERFACE),
        (replace(waiting, retry_at=SOON), SOON),
    ):
        plan = plan_events(
            [new], a_scene(FRONT, targets={claim.key: Target(TargetState.DRAINING)}, **known(new, claim))
        )
        assert (plan.bundles, plan.recheck_at) == ((), {new.arn: look_at + seconds(1)})
    over = replace(waiting, due_at=PAST)
    assert moved(plan_events([new], a_scene(FRONT, **known(new, over)))) == [
        (new.arn, ClaimState.REGISTERING, Call.REGISTER)
    ]


def test_a_new_owner_that_was_seen_to_have_the_address_is_registered_before_the_drain_ends() -> None:
    new = a_task(2)
    waiting = a_claim(new, FRONT, ClaimState.HANDOVER, former=task_arn(1), due_at=SOON, deregistered_at=NOON - SETTLED)
    targets = {waiting.key: Target(TargetState.DRAINING)}
    held = frozenset({waiting.key})
    plan = plan_events([new], a_scene(FRONT, targets=targets, held_addresses=held, **known(new, waiting)))
    assert moved(plan) == [(new.arn, ClaimState.REGISTERING, Call.REGISTER)]
    assert plan.recheck_at == {new.arn: NOON + LOOK_AT_EARLY + seconds(1)}
    registered_early = replace(plan.moves[0].after, state=ClaimState.REGISTERED, revision=3)
    plan = plan_events(
        [new],
        a_scene(
            FRONT,
            targets={waiting.key: Target(TargetState.PRESENT)},
            now=NOON + seconds(4),
            **known(new, registered_early),
        ),
    )
    assert (plan.bundles, plan.recheck_at) == ((), {new.arn: SOON + seconds(1)})


def test_two_owners_of_one_claim_are_planned_one_after_the_other() -> None:
    plan = plan_events([a_stopped_task(1), a_task(2)], a_scene(FRONT, **registered(a_task(1), FRONT)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]
    assert plan.recheck_at == {task_arn(2): NOON}


# Waiting


def test_a_claim_that_another_invocation_works_on_is_checked_again() -> None:
    for task in (a_task(1), a_stopped_task(1)):
        claim = a_claim(a_task(1), FRONT, ClaimState.REGISTERING, busy_until=SOON, busy_by="another")
        plan = plan_events([task], a_scene(FRONT, **known(a_task(1), claim)))
        assert plan.moves == ()
        assert plan.recheck_at == {task.arn: NOON + RECHECK_AFTER}


@pytest.mark.parametrize(("until", "by"), [(PAST, "another"), (SOON, INVOCATION_ID)])
def test_a_claim_of_a_dead_invocation_or_of_the_same_one_is_not_busy(until: datetime, by: str) -> None:
    claim = a_claim(a_task(1), FRONT, ClaimState.REGISTERING, busy_until=until, busy_by=by)
    plan = plan_events([a_task(1)], a_scene(FRONT, **known(a_task(1), claim)))
    assert moved(plan) == [(task_arn(1), ClaimState.REGISTERING, Call.REGISTER)]


def test_a_task_with_a_health_check_is_registered_when_it_is_healthy() -> None:
    task = a_task(1, family="checked")
    scene = a_scene(FRONT)
    assert plan_events([task], scene) == Plan()
    assert plan_events([replace(task, health_status="HEALTHY")], scene).moves != ()
    impatient = replace(scene, policy=Policy(wait_for_health=False))
    assert plan_events([task], impatient).moves != ()


def test_a_registered_task_that_becomes_unhealthy_stays_registered() -> None:
    task = a_task(1, family="checked", health_status="UNHEALTHY", version=4)
    assert plan_events([task], a_scene(FRONT, **registered(a_task(1), FRONT))) == Plan()


# Modes, tags and quotas


def test_in_mode_approve_nothing_new_is_registered() -> None:
    assert plan_events([a_task(1)], a_scene(FRONT, policy=APPROVE)) == Plan()
    mine = a_task(1)
    for state, due_at in ((ClaimState.TOMBSTONE, None), (ClaimState.DRAINING, PAST)):
        ended = known(mine, a_claim(mine, FRONT, state, due_at=due_at))
        assert plan_events([mine], a_scene(FRONT, policy=APPROVE, **ended)) == Plan()


def test_in_mode_approve_leaving_tasks_and_former_owners_are_deregistered() -> None:
    scene = a_scene(FRONT, policy=APPROVE, **registered(a_task(1), FRONT))
    assert moved(plan_events([a_stopped_task(1)], scene)) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]
    assert moved(plan_events([a_task(2)], scene)) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def test_in_mode_approve_an_approved_registration_is_finished() -> None:
    task = a_task(1)
    claim = a_claim(task, FRONT, ClaimState.REGISTERING)
    plan = plan_events([task], a_scene(FRONT, policy=APPROVE, **known(task, claim)))
    assert moved(plan) == [(task.arn, ClaimState.REGISTERING, Call.REGISTER)]


def test_a_destination_that_is_no_longer_tagged_is_not_touched() -> None:
    assert plan_events([a_stopped_task(1)], a_scene(BACK, **registered(a_task(1), FRONT))).moves == ()


def test_in_a_detached_destination_tasks_are_deregistered_and_not_registered() -> None:
    detached = a_target_group(declared={"detached": True})
    assert plan_events([a_task(2, ip="10.0.0.5")], a_scene(detached)) == Plan()
    plan = plan_events([a_stopped_task(1)], a_scene(detached, **registered(a_task(1), FRONT)))
    assert moved(plan) == [(task_arn(1), ClaimState.DRAINING, Call.DEREGISTER)]


def with_room(room: int | None) -> dict[str, Any]:
    return {"statuses": {FRONT.arn: DestinationStatus(destination=FRONT.arn, shared=False, room=room, checked_at=PAST)}}


def test_new_tasks_wait_when_a_quota_is_reached_and_one_finding_says_so() -> None:
    tasks = [a_task(number, ip=f"10.0.0.{number}") for number in (1, 2, 3)]
    plan = plan_events(tasks, a_scene(FRONT, **with_room(1)))
    assert [state for _, state, _ in moved(plan)] == [ClaimState.REGISTERING, ClaimState.REFUSED, ClaimState.REFUSED]
    assert [call for _, _, call in moved(plan)] == [Call.REGISTER, None, None]
    assert [finding.code for finding in plan.findings] == ["quota reached"]
    assert plan.moves[1].after.due_at == NOON + RETRY_REFUSED
    assert [call for _, _, call in moved(plan_events(tasks, a_scene(FRONT, **with_room(None))))] == [Call.REGISTER] * 3


def test_a_task_that_may_be_registered_already_needs_no_room() -> None:
    task = a_task(1)
    plan = plan_events(
        [task], a_scene(FRONT, **known(task, a_claim(task, FRONT, ClaimState.REGISTERING)), **with_room(0))
    )
    assert moved(plan) == [(task.arn, ClaimState.REGISTERING, Call.REGISTER)]


def test_an_address_that_others_registered_is_not_claimed() -> None:
    targets = {key_of(a_task(1), FRONT): Target(TargetState.PRESENT)}
    assert plan_events([a_task(1)], a_scene(FRONT, targets=targets)) == Plan()


def test_an_unclear_port_is_found_and_hinders_nothing_else() -> None:
    unclear = a_target_group("unclear", declared={"port": "grpc"})
    plan = plan_events([a_task(1), a_task(2, ip="10.0.0.5")], a_scene(FRONT, unclear))
    assert len(plan.moves) == 2
    assert [(finding.destination, finding.code) for finding in plan.findings] == [(unclear.arn, "port")]


# Refused claims and requested stops


def test_a_refused_claim_ends_with_its_owner() -> None:
    task = a_task(1)
    refused = known(task, a_claim(task, FRONT, ClaimState.REFUSED, due_at=SOON))
    assert plan_events([task], a_scene(FRONT, **refused)) == Plan()
    assert moved(plan_events([a_stopped_task(1)], a_scene(FRONT, **refused))) == [
        (task.arn, ClaimState.TOMBSTONE, None)
    ]


def test_a_task_is_stopped_on_request_when_its_last_claim_has_drained() -> None:
    task = a_task(1)
    front, back = a_claim(task, FRONT), a_claim(task, BACK, ClaimState.DRAINING, due_at=PAST)
    plan = plan_events([task], a_scene(FRONT, BACK, **known(task, front, back, leaving=True, stop=True)))
    assert moved(plan) == [(task.arn, ClaimState.DRAINING, Call.DEREGISTER)]
    assert plan.stops == ()
    assert list(plan.recheck_at) == [task.arn]
    drains = replace(front, state=ClaimState.DRAINING, due_at=SOON)
    plan = plan_events([task], a_scene(FRONT, BACK, **known(task, drains, back, leaving=True, stop=True)))
    assert (plan.stops, plan.recheck_at) == ((), {task.arn: SOON})
    drained = replace(front, state=ClaimState.DRAINING, due_at=PAST)
    scene = a_scene(FRONT, BACK, **known(task, drained, back, leaving=True, stop=True))
    assert plan_events([task], scene).stops == (task.arn,)
    assert plan_events([a_stopped_task(1)], scene).stops == ()
