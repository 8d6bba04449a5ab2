"""Every transition of a claim."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from berthmaster.targets.model import Call, Claim, ClaimState, Endpoint, Move, Target, TargetState, Task
from berthmaster.targets.plan.claims import (
    ABSENT,
    RETRY_REFUSED,
    SETTLED,
    SHOWN,
    after_call,
    after_no_effect,
    after_operation,
    after_refusal,
    deregister,
    end_drain,
    is_conclusive,
    register,
)
from tests.support.targets.builders import (
    NOON,
    a_claim,
    a_cloud_map_service,
    a_target_group,
    a_task,
    an_endpoint,
    seconds,
)

FRONT = a_target_group()
NAMES = a_cloud_map_service()
OLD, NEW, NEXT = a_task(1), a_task(2), a_task(3)
PRESENT, DRAINING = Target(TargetState.PRESENT), Target(TargetState.DRAINING)
SOON, PAST = NOON + seconds(30), NOON - seconds(30)


def one(task: Task = OLD) -> Endpoint:
    return an_endpoint(task, FRONT)


def registration(
    claim: Claim | None, task: Task = OLD, target: Target = ABSENT, *, holds_address: bool = False
) -> Move | None:
    return register(FRONT, claim, one(task), target, NOON, by_event=True, holds_address=holds_address)


def deregistration(claim: Claim, task: Task = OLD) -> Move | None:
    return deregister(claim, one(task).owner, NOON, reason="it is leaving", by_event=True)


def held(state: ClaimState, task: Task = OLD, **more: Any) -> Claim:
    return a_claim(task, FRONT, state, **more)


def done(move: Move | None) -> tuple[ClaimState, str, Call | None]:
    assert move is not None
    return move.after.state, move.after.owner, move.call


# Registering


@pytest.mark.parametrize(
    "claim", [None, held(ClaimState.TOMBSTONE), held(ClaimState.TOMBSTONE, NEW), held(ClaimState.REFUSED, NEW)]
)
def test_a_free_address_is_registered(claim: Claim | None) -> None:
    assert done(registration(claim)) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)


@pytest.mark.parametrize("claim", [None, held(ClaimState.TOMBSTONE), held(ClaimState.REFUSED, NEW)])
def test_an_address_that_others_registered_is_left_to_them(claim: Claim | None) -> None:
    assert registration(claim, target=PRESENT) is None


def test_an_address_that_drains_for_others_is_waited_for() -> None:
    move = registration(None, target=DRAINING)
    assert done(move) == (ClaimState.HANDOVER, OLD.arn, None)
    assert move is not None
    assert move.after.due_at is not None
    assert move.after.due_at > NOON


def test_an_unfinished_registration_is_finished() -> None:
    assert done(registration(held(ClaimState.REGISTERING))) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)
    assert registration(held(ClaimState.REGISTERING, operation="op-1")) is None


def test_a_registered_owner_is_left_alone() -> None:
    assert registration(held(ClaimState.REGISTERED), target=PRESENT) is None


def test_an_owner_that_others_deregistered_is_registered_again_after_its_drain() -> None:
    assert done(registration(held(ClaimState.REGISTERED), target=ABSENT)) == (
        ClaimState.REGISTERING,
        OLD.arn,
        Call.REGISTER,
    )
    assert done(registration(held(ClaimState.REGISTERED), target=DRAINING)) == (ClaimState.HANDOVER, OLD.arn, None)


def test_a_refused_registration_is_tried_again_later() -> None:
    assert registration(held(ClaimState.REFUSED, due_at=SOON)) is None
    assert done(registration(held(ClaimState.REFUSED, due_at=PAST))) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)


@pytest.mark.parametrize("state", [ClaimState.REGISTERING, ClaimState.REGISTERED])
def test_for_a_new_owner_the_target_of_the_former_one_is_deregistered_first(state: ClaimState) -> None:
    move = registration(held(state), NEW)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, Call.DEREGISTER)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, None)


def test_a_new_owner_waits_for_a_running_drain() -> None:
    move = registration(held(ClaimState.DRAINING, due_at=SOON), NEW)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, None)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, SOON)


def test_a_new_owner_repeats_a_deregistration_that_was_not_answered() -> None:
    assert done(registration(held(ClaimState.DRAINING), NEW)) == (ClaimState.HANDOVER, NEW.arn, Call.DEREGISTER)


def test_the_owner_after_a_waiting_one_still_waits_for_the_same_drain() -> None:
    waiting = held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON)
    move = registration(waiting, NEXT)
    assert done(move) == (ClaimState.HANDOVER, NEXT.arn, None)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, SOON)


def test_a_handover_ends_with_a_registration_when_the_drain_has_ended() -> None:
    assert registration(held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON), NEW) is None
    over = held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=PAST)
    move = registration(over, NEW)
    assert done(move) == (ClaimState.REGISTERING, NEW.arn, Call.REGISTER)
    assert move is not None
    assert move.after.former == ""


def test_a_handover_lasts_while_the_destination_shows_a_drain() -> None:
    move = registration(held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=PAST), NEW, DRAINING)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, None)
    assert move is not None
    assert move.after.due_at is not None
    assert move.after.due_at > NOON


def test_a_handover_ends_without_a_call_if_others_registered_the_address() -> None:
    move = registration(held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=PAST), NEW, PRESENT)
    assert done(move) == (ClaimState.TOMBSTONE, NEW.arn, None)


def test_a_handover_repeats_a_deregistration_that_was_not_answered_unless_an_operation_runs() -> None:
    lost = held(ClaimState.HANDOVER, NEW, former=OLD.arn)
    assert done(registration(lost, NEW)) == (ClaimState.HANDOVER, NEW.arn, Call.DEREGISTER)
    assert registration(replace(lost, operation="op-1"), NEW) is None


def test_an_owner_that_is_wanted_again_waits_while_its_own_target_drains() -> None:
    draining = held(ClaimState.DRAINING, due_at=SOON)
    assert done(registration(draining, target=DRAINING)) == (ClaimState.HANDOVER, OLD.arn, None)
    waiting = held(ClaimState.HANDOVER, former=OLD.arn, due_at=SOON)
    assert registration(waiting, target=DRAINING) is None
    for claim in (draining, waiting):
        assert done(registration(claim)) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)


def test_a_new_owner_waits_for_the_whole_drain_of_the_former_one() -> None:
    assert done(registration(held(ClaimState.DRAINING, due_at=SOON), NEW)) == (ClaimState.HANDOVER, NEW.arn, None)
    assert registration(held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON), NEW) is None


def test_a_drain_stays_that_of_the_first_owner_when_the_next_one_is_unwanted_for_a_while() -> None:
    unwanted = held(ClaimState.DRAINING, NEW, former=OLD.arn, due_at=SOON)
    move = registration(unwanted, NEW)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, None)
    assert move is not None
    assert move.after.former == OLD.arn


def test_an_owner_that_is_wanted_again_has_an_unanswered_deregistration_repeated() -> None:
    assert done(registration(held(ClaimState.DRAINING))) == (ClaimState.HANDOVER, OLD.arn, Call.DEREGISTER)
    assert done(registration(held(ClaimState.DRAINING, due_at=PAST))) == (
        ClaimState.REGISTERING,
        OLD.arn,
        Call.REGISTER,
    )


def test_an_owner_that_is_wanted_again_leaves_an_address_that_others_registered_to_them() -> None:
    assert done(registration(held(ClaimState.DRAINING, due_at=PAST), target=PRESENT)) == (
        ClaimState.TOMBSTONE,
        OLD.arn,
        None,
    )


# Registering while the target of the former owner drains


WAITING = held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON, deregistered_at=PAST)
EARLY = held(ClaimState.REGISTERED, NEW, former=OLD.arn, due_at=SOON, early_at=NOON - seconds(3))


def early(claim: Claim, target: Target = DRAINING, task: Task = NEW) -> Move | None:
    return registration(claim, task, target, holds_address=True)


@pytest.mark.parametrize(
    "claim",
    [
        WAITING,
        held(ClaimState.DRAINING, OLD, due_at=SOON, deregistered_at=PAST),
        held(ClaimState.DRAINING, due_at=PAST),
    ],
)
@pytest.mark.parametrize("target", [DRAINING, ABSENT])
def test_an_owner_that_has_the_address_is_registered_before_the_drain_ends(claim: Claim, target: Target) -> None:
    move = early(claim, target)
    assert done(move) == (ClaimState.REGISTERING, NEW.arn, Call.REGISTER)
    assert move is not None
    assert move.after.former == OLD.arn
    assert after_call(move, FRONT, NOON) == replace(move.after, state=ClaimState.REGISTERED)


def test_nobody_is_registered_early_while_a_deregistration_may_be_under_way() -> None:
    just_now = replace(WAITING, deregistered_at=NOON - SETTLED + seconds(1))
    assert early(just_now) is None
    assert early(replace(WAITING, due_at=None), ABSENT) == Move(
        before=replace(WAITING, due_at=None),
        after=replace(WAITING, due_at=None),
        reason="an earlier invocation did not finish this",
        call=Call.DEREGISTER,
        endpoint=one(NEW),
    )


def test_nobody_is_registered_early_who_was_not_seen_to_have_the_address() -> None:
    assert registration(WAITING, NEW, DRAINING) is None
    assert registration(WAITING, NEW, ABSENT) is None


def test_what_aws_refuses_early_waits_for_the_end_of_the_drain() -> None:
    move = early(WAITING)
    assert move is not None
    refused = after_refusal(move, NOON)
    assert (refused.state, refused.due_at, refused.former) == (ClaimState.HANDOVER, SOON, OLD.arn)
    assert early(refused) is None
    assert done(registration(refused, NEW, ABSENT, holds_address=True)) == (
        ClaimState.REGISTERING,
        NEW.arn,
        Call.REGISTER,
    )
    gone = deregistration(refused, NEW)
    assert done(gone) == (ClaimState.DRAINING, NEW.arn, None)


def test_what_aws_answers_and_does_not_do_waits_for_the_end_of_the_drain() -> None:
    move = early(EARLY)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, None)
    assert move is not None
    assert early(move.after) is None
    later = early(replace(move.after, early_at=NOON - SHOWN))
    assert done(later) == (ClaimState.HANDOVER, NEW.arn, None)
    assert later is not None
    assert (later.after.early_at, later.after.retry_at) == (None, SOON)


def test_what_aws_shows_late_is_registered_all_the_same() -> None:
    unseen = replace(EARLY, state=ClaimState.HANDOVER)
    assert done(early(unseen, PRESENT)) == (ClaimState.REGISTERED, NEW.arn, None)
    assert done(deregistration(unseen, NEW)) == (ClaimState.DRAINING, NEW.arn, Call.DEREGISTER)
    move = early(unseen, task=NEXT)
    assert done(move) == (ClaimState.HANDOVER, NEXT.arn, Call.DEREGISTER)
    assert move is not None
    assert move.after.former == NEW.arn


@pytest.mark.parametrize("move", [deregistration(EARLY, NEW), registration(EARLY, NEXT)])
def test_a_deregistration_is_not_believed_while_aws_may_still_show_the_drain_before(move: Move | None) -> None:
    assert move is not None
    assert not is_conclusive(move, NOON)
    again = after_no_effect(move, NOON)
    assert again.retry_at == NOON + seconds(3)
    assert is_conclusive(replace(move, after=again), NOON + SHOWN)
    wanted_again = registration(again, NEW)
    assert wanted_again is not None
    assert not is_conclusive(wanted_again, NOON)
    gone = after_call(move, FRONT, NOON + SHOWN)
    assert (gone.due_at, gone.unshown_until) == (NOON + SHOWN + FRONT.body.drain, None)


def test_an_early_registration_is_looked_at_when_the_drain_has_ended() -> None:
    assert early(EARLY, PRESENT) is None
    due = replace(EARLY, due_at=PAST)
    lasting = early(due, PRESENT)
    assert done(lasting) == (ClaimState.REGISTERED, NEW.arn, None)
    assert lasting is not None
    assert (lasting.after.former, lasting.after.due_at, lasting.after.early_at) == ("", None, None)
    dropped = early(due, ABSENT)
    assert done(dropped) == (ClaimState.REGISTERING, NEW.arn, Call.REGISTER)
    assert dropped is not None
    assert (dropped.after.former, dropped.after.due_at, dropped.after.early_at) == ("", None, None)


def test_the_target_of_an_early_registration_is_that_of_its_own_owner() -> None:
    move = registration(EARLY, NEXT)
    assert done(move) == (ClaimState.HANDOVER, NEXT.arn, Call.DEREGISTER)
    assert move is not None
    assert move.after.former == NEW.arn
    gone = deregistration(EARLY, NEW)
    assert done(gone) == (ClaimState.DRAINING, NEW.arn, Call.DEREGISTER)
    assert gone is not None
    assert gone.after.former == ""


def test_a_target_that_others_deregistered_is_registered_again_while_it_drains() -> None:
    for claim in (None, held(ClaimState.REGISTERED, NEW)):
        move = registration(claim, NEW, DRAINING, holds_address=True)
        assert done(move) == (ClaimState.REGISTERING, NEW.arn, Call.REGISTER)
        assert move is not None
        assert (move.after.due_at, move.after.early_at) == (NOON + seconds(60), NOON)


def test_in_cloud_map_each_owner_has_an_instance_of_its_own() -> None:
    waiting = a_claim(NEW, NAMES, ClaimState.HANDOVER, former=OLD.arn, due_at=SOON, deregistered_at=NOON)
    move = register(NAMES, waiting, an_endpoint(NEW, NAMES), ABSENT, NOON, by_event=True)
    assert done(move) == (ClaimState.REGISTERING, NEW.arn, Call.REGISTER)
    assert move is not None
    assert (move.after.former, move.after.due_at) == ("", None)


# Deregistering


@pytest.mark.parametrize("state", [ClaimState.REGISTERING, ClaimState.REGISTERED])
def test_an_owner_that_leaves_is_deregistered(state: ClaimState) -> None:
    move = deregistration(held(state, operation="op-1"))
    assert done(move) == (ClaimState.DRAINING, OLD.arn, Call.DEREGISTER)
    assert move is not None
    assert (move.after.due_at, move.after.operation) == (None, "")


def test_an_unfinished_deregistration_is_finished_and_a_finished_one_not_repeated() -> None:
    assert done(deregistration(held(ClaimState.DRAINING))) == (ClaimState.DRAINING, OLD.arn, Call.DEREGISTER)
    assert deregistration(held(ClaimState.DRAINING, due_at=SOON)) is None
    assert deregistration(held(ClaimState.DRAINING, operation="op-1")) is None
    assert deregistration(held(ClaimState.TOMBSTONE)) is None


def test_an_owner_that_leaves_during_a_handover_does_not_end_the_drain() -> None:
    waiting = held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON)
    move = deregistration(waiting, NEW)
    assert done(move) == (ClaimState.DRAINING, NEW.arn, None)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, SOON)
    assert done(deregistration(replace(waiting, due_at=None), NEW)) == (ClaimState.DRAINING, NEW.arn, Call.DEREGISTER)


def test_an_owner_that_was_refused_leaves_without_a_call() -> None:
    assert done(deregistration(held(ClaimState.REFUSED, due_at=SOON))) == (ClaimState.TOMBSTONE, OLD.arn, None)


@pytest.mark.parametrize("state", list(ClaimState))
def test_the_deregistration_of_one_owner_does_not_change_the_claim_of_another(state: ClaimState) -> None:
    assert deregistration(held(state, NEW, former=OLD.arn), OLD) is None


# Time and answers of AWS


def test_a_drain_ends_when_its_time_is_over_and_the_destination_shows_no_drain() -> None:
    assert end_drain(held(ClaimState.DRAINING, due_at=SOON), ABSENT, NOON) is None
    assert end_drain(held(ClaimState.DRAINING), ABSENT, NOON) is None
    assert end_drain(held(ClaimState.DRAINING, due_at=PAST), DRAINING, NOON) is None
    assert done(end_drain(held(ClaimState.DRAINING, due_at=PAST), ABSENT, NOON)) == (
        ClaimState.TOMBSTONE,
        OLD.arn,
        None,
    )
    assert done(end_drain(held(ClaimState.DRAINING, due_at=PAST), PRESENT, NOON)) == (
        ClaimState.TOMBSTONE,
        OLD.arn,
        None,
    )


@pytest.mark.parametrize("state", [state for state in ClaimState if state is not ClaimState.DRAINING])
def test_only_drains_end_by_time(state: ClaimState) -> None:
    assert end_drain(held(state, due_at=PAST), ABSENT, NOON) is None


def test_answers_change_the_claim() -> None:
    begun = registration(None)
    assert begun is not None
    busy = replace(begun, after=replace(begun.after, busy_until=SOON, busy_by="another"))
    assert after_call(busy, FRONT, NOON) == replace(begun.after, state=ClaimState.REGISTERED)
    assert after_refusal(busy, NOON) == replace(begun.after, state=ClaimState.REFUSED, due_at=NOON + RETRY_REFUSED)
    gone = deregistration(held(ClaimState.REGISTERED))
    assert gone is not None
    assert after_call(gone, FRONT, NOON) == replace(gone.after, due_at=NOON + seconds(60), deregistered_at=NOON)


def test_a_deregistration_that_succeeds_after_a_failure_is_not_tried_again() -> None:
    failed = held(ClaimState.HANDOVER, NEW, former=OLD.arn, retry_at=SOON)
    move = deregistration(failed, NEW)
    assert move is not None
    assert after_call(move, FRONT, NOON).retry_at is None
    begun = replace(failed, operation="op-2")
    assert after_operation(begun, succeeded=True, destination=NAMES, now=NOON).retry_at is None


@pytest.mark.parametrize(
    ("state", "succeeded", "then", "due_at"),
    [
        (ClaimState.REGISTERING, True, ClaimState.REGISTERED, None),
        (ClaimState.REGISTERING, False, ClaimState.REFUSED, NOON + RETRY_REFUSED),
        (ClaimState.DRAINING, True, ClaimState.DRAINING, NOON + seconds(60)),
        (ClaimState.DRAINING, False, ClaimState.DRAINING, None),
        (ClaimState.HANDOVER, True, ClaimState.HANDOVER, NOON + seconds(60)),
        (ClaimState.HANDOVER, False, ClaimState.HANDOVER, None),
    ],
)
def test_the_end_of_an_operation_changes_the_claim(
    *, state: ClaimState, succeeded: bool, then: ClaimState, due_at: datetime | None
) -> None:
    claim = a_claim(OLD, NAMES, state, operation="op-1")
    ended = after_operation(claim, succeeded=succeeded, destination=NAMES, now=NOON)
    assert (ended.state, ended.due_at, ended.operation) == (then, due_at, "")


@pytest.mark.parametrize(("tried_for", "wait"), [(0, 3), (2, 3), (10, 10), (59, 59), (3600, 60)])
def test_a_deregistration_without_effect_is_tried_again_soon_and_then_ever_later(tried_for: int, wait: int) -> None:
    move = deregistration(held(ClaimState.REGISTERED))
    assert move is not None
    now = NOON + seconds(tried_for)
    claim = after_no_effect(move, now)
    assert (claim.state, claim.due_at, claim.retry_at) == (ClaimState.DRAINING, None, now + seconds(wait))
    assert claim.awaits_deregistration
    assert deregister(claim, OLD.arn, now, reason="it is leaving", by_event=True) is None
    again = deregister(claim, OLD.arn, now + seconds(wait), reason="it is leaving", by_event=True)
    assert done(again) == (ClaimState.DRAINING, OLD.arn, Call.DEREGISTER)
    assert again is not None
    assert again.after.changed_at == NOON
