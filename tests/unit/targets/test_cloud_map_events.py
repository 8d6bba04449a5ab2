"""In Cloud Map a call only begins an operation, so its end is checked."""

from berthmaster.targets.model import (
    Call,
    ClaimState,
)
from berthmaster.targets.plan.claims import RETRY_FAILED
from berthmaster.targets.plan.events import RECHECK_AFTER, plan_events
from tests.support.targets.builders import (
    NOON,
    a_claim,
    a_cloud_map_service,
    a_scene,
    a_stopped_task,
    a_task,
    seconds,
    task_arn,
)
from tests.support.targets.plans import known, moved, registered

NAMES = a_cloud_map_service()


def test_a_registration_in_cloud_map_is_checked_until_it_has_ended() -> None:
    task = a_task(1)
    assert plan_events([task], a_scene(NAMES)).recheck_at == {task.arn: NOON + RECHECK_AFTER}
    begun = known(task, a_claim(task, NAMES, ClaimState.REGISTERING, operation="op-1"))
    plan = plan_events([task], a_scene(NAMES, **begun))
    assert (plan.bundles, plan.recheck_at) == ((), {task.arn: NOON + RECHECK_AFTER})
    plan = plan_events([task], a_scene(NAMES, operations={"op-1": True}, **begun))
    assert (moved(plan), plan.recheck_at) == ([(task.arn, ClaimState.REGISTERED, None)], {})


def test_a_registration_that_fails_is_found_and_tried_again_later() -> None:
    task = a_task(1)
    begun = known(task, a_claim(task, NAMES, ClaimState.REGISTERING, operation="op-1"))
    plan = plan_events([task], a_scene(NAMES, operations={"op-1": False}, **begun))
    assert moved(plan) == [(task.arn, ClaimState.REFUSED, None)]
    assert [finding.code for finding in plan.findings] == ["operation failed"]


def test_a_deregistration_that_fails_is_called_again() -> None:
    gone = a_stopped_task(1)
    begun = known(gone, a_claim(gone, NAMES, ClaimState.DRAINING, operation="op-1"), leaving=True)
    plan = plan_events([gone], a_scene(NAMES, **begun))
    assert (plan.bundles, plan.recheck_at) == ((), {gone.arn: NOON + RECHECK_AFTER})
    plan = plan_events([gone], a_scene(NAMES, operations={"op-1": False}, **begun))
    assert moved(plan) == [(gone.arn, ClaimState.DRAINING, None)]
    assert plan.moves[0].before == begun["claims"][0]
    (retry_at,) = plan.recheck_at.values()
    assert retry_at == plan.moves[0].after.retry_at == NOON + RETRY_FAILED
    failed = begun | {"claims": [plan.moves[0].after]}
    assert plan_events([gone], a_scene(NAMES, **failed)).recheck_at == {gone.arn: retry_at}
    plan = plan_events([gone], a_scene(NAMES, **failed, now=retry_at))
    assert moved(plan) == [(gone.arn, ClaimState.DRAINING, Call.DEREGISTER)]
    plan = plan_events([gone], a_scene(NAMES, operations={"op-1": True}, **begun))
    assert moved(plan) == [(gone.arn, ClaimState.DRAINING, None)]
    assert plan.moves[0].after.due_at == NOON + seconds(60)


def test_a_task_that_leaves_while_it_is_being_registered_is_deregistered_at_once() -> None:
    gone = a_stopped_task(1)
    begun = known(a_task(1), a_claim(gone, NAMES, ClaimState.REGISTERING, operation="op-1"))
    for operations in ({}, {"op-1": True}):
        plan = plan_events([gone], a_scene(NAMES, operations=operations, **begun))
        assert moved(plan) == [(gone.arn, ClaimState.DRAINING, Call.DEREGISTER)]
        assert plan.recheck_at == {gone.arn: NOON + RECHECK_AFTER}


def test_in_cloud_map_the_next_owner_is_registered_when_the_former_ones_instance_is_deregistered() -> None:
    new = a_task(2)
    plan = plan_events([new], a_scene(NAMES, **registered(a_task(1), NAMES)))
    assert moved(plan) == [(new.arn, ClaimState.HANDOVER, Call.DEREGISTER)]
    assert plan.recheck_at == {new.arn: NOON + RECHECK_AFTER}
    begun = known(new, a_claim(new, NAMES, ClaimState.HANDOVER, former=task_arn(1), operation="op-1"))
    plan = plan_events([new], a_scene(NAMES, **begun))
    assert (plan.bundles, plan.recheck_at) == ((), {new.arn: NOON + RECHECK_AFTER})
    plan = plan_events([new], a_scene(NAMES, operations={"op-1": True}, **begun))
    assert moved(plan) == [(new.arn, ClaimState.REGISTERING, Call.REGISTER)]
    assert plan.moves[0].before == begun["claims"][0]
    assert plan.moves[0].after.former == ""
