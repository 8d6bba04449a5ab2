"""The life of a claim: every arrow of its states, and a world in which nothing may be mistaken for anything else."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from berthmaster.targets.model import Call, Claim, ClaimState, Endpoint, Move, Target, TargetState, Task
from berthmaster.targets.plan.claims import ABSENT, RETRY_REFUSED, answered, arrive, concluded, depart, refused, settle
from tests.support.targets.builders import (
    NOON,
    a_claim,
    a_cloud_map_service,
    a_target_group,
    a_task,
    an_endpoint,
    key_of,
    seconds,
)

FRONT = a_target_group()
NAMES = a_cloud_map_service()
OLD, NEW, NEXT = a_task(1), a_task(2), a_task(3)
KEY = key_of(OLD, FRONT)
PRESENT, DRAINING = Target(TargetState.PRESENT), Target(TargetState.DRAINING)
SOON, PAST = NOON + seconds(30), NOON - seconds(30)


def one(task: Task = OLD) -> Endpoint:
    return an_endpoint(task, FRONT)


def arrival(claim: Claim | None, task: Task = OLD, target: Target = ABSENT) -> Move | None:
    return arrive(KEY, claim, one(task), target, NOON, by_event=True)


def departure(claim: Claim, task: Task = OLD) -> Move | None:
    return depart(claim, one(task).owner, NOON, reason="it is leaving", by_event=True)


def held(state: ClaimState, task: Task = OLD, **more: Any) -> Claim:
    return a_claim(task, FRONT, state, **more)


def done(move: Move | None) -> tuple[ClaimState, str, Call | None]:
    assert move is not None
    return move.after.state, move.after.owner, move.call


# Arrivals


@pytest.mark.parametrize(
    "claim", [None, held(ClaimState.TOMBSTONE), held(ClaimState.TOMBSTONE, NEW), held(ClaimState.REFUSED, NEW)]
)
def test_a_free_address_is_registered(claim: Claim | None) -> None:
    assert done(arrival(claim)) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)


@pytest.mark.parametrize("claim", [None, held(ClaimState.TOMBSTONE), held(ClaimState.REFUSED, NEW)])
def test_an_address_that_somebody_else_registered_is_left_to_them(claim: Claim | None) -> None:
    assert arrival(claim, target=PRESENT) is None


def test_an_address_that_somebody_else_deregistered_is_waited_for() -> None:
    move = arrival(None, target=DRAINING)
    assert done(move) == (ClaimState.HANDOVER, OLD.arn, None)
    assert move is not None
    assert move.after.due_at is not None
    assert move.after.due_at > NOON


def test_what_was_begun_is_finished() -> None:
    assert done(arrival(held(ClaimState.REGISTERING))) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)
    assert arrival(held(ClaimState.REGISTERING, operation="op-1")) is None


def test_who_is_registered_is_left_alone() -> None:
    assert arrival(held(ClaimState.REGISTERED), target=PRESENT) is None


def test_who_was_taken_out_by_somebody_is_registered_again_and_not_before_it_has_drained() -> None:
    assert done(arrival(held(ClaimState.REGISTERED), target=ABSENT)) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)
    assert done(arrival(held(ClaimState.REGISTERED), target=DRAINING)) == (ClaimState.HANDOVER, OLD.arn, None)


def test_a_refusal_stands_for_a_while() -> None:
    assert arrival(held(ClaimState.REFUSED, due_at=SOON)) is None
    assert done(arrival(held(ClaimState.REFUSED, due_at=PAST))) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)


@pytest.mark.parametrize("state", [ClaimState.REGISTERING, ClaimState.REGISTERED])
def test_a_new_owner_first_takes_the_formers_target_out(state: ClaimState) -> None:
    move = arrival(held(state), NEW)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, Call.DEREGISTER)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, None)


def test_a_new_owner_waits_for_a_drain_that_has_begun() -> None:
    move = arrival(held(ClaimState.DRAINING, due_at=SOON), NEW)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, None)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, SOON)


def test_a_drain_whose_call_got_lost_is_begun_by_whoever_comes() -> None:
    assert done(arrival(held(ClaimState.DRAINING), NEW)) == (ClaimState.HANDOVER, NEW.arn, Call.DEREGISTER)


def test_whoever_waited_in_vain_is_followed_without_forgetting_who_drains() -> None:
    waiting = held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON)
    move = arrival(waiting, NEXT)
    assert done(move) == (ClaimState.HANDOVER, NEXT.arn, None)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, SOON)


def test_a_handover_ends_when_the_drain_has_ended() -> None:
    assert arrival(held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON), NEW) is None
    over = held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=PAST)
    move = arrival(over, NEW)
    assert done(move) == (ClaimState.REGISTERING, NEW.arn, Call.REGISTER)
    assert move is not None
    assert move.after.former == ""


def test_a_handover_lasts_as_long_as_the_destination_shows_a_drain() -> None:
    move = arrival(held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=PAST), NEW, DRAINING)
    assert done(move) == (ClaimState.HANDOVER, NEW.arn, None)
    assert move is not None
    assert move.after.due_at is not None
    assert move.after.due_at > NOON


def test_a_handover_ends_with_nothing_if_somebody_else_was_faster() -> None:
    move = arrival(held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=PAST), NEW, PRESENT)
    assert done(move) == (ClaimState.TOMBSTONE, NEW.arn, None)


def test_a_handover_whose_call_got_lost_calls_again_unless_an_operation_runs() -> None:
    lost = held(ClaimState.HANDOVER, NEW, former=OLD.arn)
    assert done(arrival(lost, NEW)) == (ClaimState.HANDOVER, NEW.arn, Call.DEREGISTER)
    assert arrival(replace(lost, operation="op-1"), NEW) is None


def test_who_is_wanted_again_waits_for_its_own_drain() -> None:
    assert done(arrival(held(ClaimState.DRAINING, due_at=SOON))) == (ClaimState.HANDOVER, OLD.arn, None)
    assert done(arrival(held(ClaimState.DRAINING))) == (ClaimState.HANDOVER, OLD.arn, Call.DEREGISTER)
    assert done(arrival(held(ClaimState.DRAINING, due_at=PAST))) == (ClaimState.REGISTERING, OLD.arn, Call.REGISTER)


def test_who_is_wanted_again_when_somebody_else_is_there_leaves_it_to_them() -> None:
    assert done(arrival(held(ClaimState.DRAINING, due_at=PAST), target=PRESENT)) == (
        ClaimState.TOMBSTONE,
        OLD.arn,
        None,
    )


# Departures


@pytest.mark.parametrize("state", [ClaimState.REGISTERING, ClaimState.REGISTERED])
def test_who_leaves_is_deregistered(state: ClaimState) -> None:
    move = departure(held(state, operation="op-1"))
    assert done(move) == (ClaimState.DRAINING, OLD.arn, Call.DEREGISTER)
    assert move is not None
    assert (move.after.due_at, move.after.operation) == (None, "")


def test_a_departure_is_finished_and_not_done_twice() -> None:
    assert done(departure(held(ClaimState.DRAINING))) == (ClaimState.DRAINING, OLD.arn, Call.DEREGISTER)
    assert departure(held(ClaimState.DRAINING, due_at=SOON)) is None
    assert departure(held(ClaimState.DRAINING, operation="op-1")) is None
    assert departure(held(ClaimState.TOMBSTONE)) is None


def test_who_leaves_while_waiting_lets_the_formers_drain_go_on() -> None:
    waiting = held(ClaimState.HANDOVER, NEW, former=OLD.arn, due_at=SOON)
    move = departure(waiting, NEW)
    assert done(move) == (ClaimState.DRAINING, NEW.arn, None)
    assert move is not None
    assert (move.after.former, move.after.due_at) == (OLD.arn, SOON)
    assert done(departure(replace(waiting, due_at=None), NEW)) == (ClaimState.DRAINING, NEW.arn, Call.DEREGISTER)


def test_who_was_refused_leaves_without_a_call() -> None:
    assert done(departure(held(ClaimState.REFUSED, due_at=SOON))) == (ClaimState.TOMBSTONE, OLD.arn, None)


@pytest.mark.parametrize("state", list(ClaimState))
def test_a_departure_changes_nothing_of_anothers(state: ClaimState) -> None:
    assert departure(held(state, NEW, former=OLD.arn), OLD) is None


# Time and answers


def test_a_drain_ends_when_its_time_has_come_and_the_destination_agrees() -> None:
    assert settle(held(ClaimState.DRAINING, due_at=SOON), ABSENT, NOON) is None
    assert settle(held(ClaimState.DRAINING), ABSENT, NOON) is None
    assert settle(held(ClaimState.DRAINING, due_at=PAST), DRAINING, NOON) is None
    assert done(settle(held(ClaimState.DRAINING, due_at=PAST), ABSENT, NOON)) == (ClaimState.TOMBSTONE, OLD.arn, None)
    assert done(settle(held(ClaimState.DRAINING, due_at=PAST), PRESENT, NOON)) == (ClaimState.TOMBSTONE, OLD.arn, None)


@pytest.mark.parametrize("state", [state for state in ClaimState if state is not ClaimState.DRAINING])
def test_time_alone_ends_drains_only(state: ClaimState) -> None:
    assert settle(held(state, due_at=PAST), ABSENT, NOON) is None


def test_answers_are_written_down() -> None:
    begun = arrival(None)
    assert begun is not None
    busy = replace(begun, after=replace(begun.after, busy_until=SOON))
    assert answered(busy, FRONT, NOON) == replace(begun.after, state=ClaimState.REGISTERED)
    assert refused(busy, NOON) == replace(begun.after, state=ClaimState.REFUSED, due_at=NOON + RETRY_REFUSED)
    gone = departure(held(ClaimState.REGISTERED))
    assert gone is not None
    assert answered(gone, FRONT, NOON) == replace(gone.after, due_at=NOON + seconds(60))


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
def test_the_end_of_an_operation_is_an_answer(
    *, state: ClaimState, succeeded: bool, then: ClaimState, due_at: datetime | None
) -> None:
    claim = a_claim(OLD, NAMES, state, operation="op-1")
    ended = concluded(claim, succeeded=succeeded, destination=NAMES, now=NOON)
    assert (ended.state, ended.due_at, ended.operation) == (then, due_at, "")


# A world


class Fate:
    """What becomes of an invocation between its intent and its conclusion."""

    ANSWERED = "answered"
    DIED_BEFORE = "died before the call"
    DIED_AFTER = "died after the call"
    REFUSED = "refused"


FATES = st.sampled_from([Fate.ANSWERED, Fate.ANSWERED, Fate.DIED_BEFORE, Fate.DIED_AFTER, Fate.REFUSED])
PASSED = st.sampled_from([1, 16, 21, 61, 119, 121, 301])
STRANGER = "somebody else"
TURN = seconds(20)


NETWORK = a_target_group("net", protocol="TCP")
"""It shows a drain for a minute, and sends traffic for two."""


@dataclass
class Registration:
    """The address as its target group has it; `gone_at` once it drains."""

    by: str
    gone_at: datetime | None = None


class OneAddress(RuleBasedStateMachine):
    """Owners come and go at one address; what is told of them is late, twice, or out of order; invocations die."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.quiet_at = NOON
        self.claim: Claim | None = None
        self.registration: Registration | None = None
        self.owners = 1
        self.alive = True
        self.known_to_leave: set[int] = set()
        self.latest_seen = 0

    # What happens

    @rule(passed=PASSED)
    def time_passes(self, passed: int) -> None:
        self.now += seconds(passed)
        if self.registration and self.registration.gone_at and self.registration.gone_at <= self.now:
            self.registration = None

    @rule()
    def the_address_passes_on(self) -> None:
        self.owners += 1
        self.alive = True

    @rule()
    def the_owner_dies(self) -> None:
        self.alive = False

    @rule()
    def somebody_else_meddles(self) -> None:
        """They register what is free and deregister what stands, their own and Berthmaster's."""
        if self.registration is None and self.nobody_counts_on_the_address:
            self.registration = Registration(STRANGER)
        elif self.registration and not self.registration.gone_at:
            is_settled = self.claim is not None and self.claim.state is ClaimState.REGISTERED
            if self.registration.by == STRANGER or is_settled:
                self.registration.gone_at = self.now + seconds(60)

    # What is told of it

    @rule(back=st.integers(0, 2), fate=FATES)
    def an_arrival_is_told(self, back: int, fate: str) -> None:
        """Of anybody who is not known to have left: late news of the dead are believed, too."""
        number = self.owners - back
        if number >= max(1, self.latest_seen) and number not in self.known_to_leave:
            self.arrives(number, fate)

    @rule(back=st.integers(0, 2), fate=FATES)
    def a_departure_is_told(self, back: int, fate: str) -> None:
        number = self.owners - back
        if number >= 1 and (back or not self.alive):
            self.departs(number, fate)

    @rule(fate=FATES)
    def the_owner_is_not_wanted_for_a_while(self, fate: str) -> None:
        if self.alive:
            self.leaves(self.owners, fate)

    @rule(passed=PASSED)
    def all_is_told_as_it_is(self, passed: int) -> None:
        self.time_passes(passed)
        for number in range(1, self.owners + (not self.alive)):
            self.departs(number, Fate.ANSWERED)
        if self.alive:
            self.arrives(self.owners, Fate.ANSWERED)
        self.time_is_taken_into_account()

    @rule()
    def time_is_taken_into_account(self) -> None:
        if self.claim and not self.is_busy:
            self.carry_out(settle(self.claim, self.seen, self.now), Fate.ANSWERED)

    # What Berthmaster does

    def arrives(self, number: int, fate: str) -> None:
        self.latest_seen = number
        self.known_to_leave |= set(range(1, number))
        if not self.is_busy:
            endpoint = an_endpoint(a_task(number), NETWORK)
            self.carry_out(arrive(key_of(OLD, NETWORK), self.claim, endpoint, self.seen, self.now, by_event=True), fate)

    def departs(self, number: int, fate: str) -> None:
        self.known_to_leave.add(number)
        self.leaves(number, fate)

    def leaves(self, number: int, fate: str) -> None:
        if self.claim is None or self.is_busy:
            return
        owner = a_task(number).arn
        move = depart(self.claim, owner, self.now, reason="a test", by_event=True)
        assert move is None or self.claim.owner == owner, "a departure changed another owner's claim"
        self.carry_out(move, fate)

    def carry_out(self, move: Move | None, fate: str) -> None:
        """Intent, call, conclusion: as far as the invocation gets."""
        if move is None:
            return
        assert move.before == self.claim
        if move.call is None:
            self.claim = move.after
            return
        self.claim = replace(move.after, busy_until=self.now + TURN)
        if fate == Fate.DIED_BEFORE:
            return
        begun = replace(move, after=self.claim)
        if move.call is Call.REGISTER and fate == Fate.REFUSED and self.registration is None:
            self.claim = refused(begun, self.now)
            return
        self.call(begun)
        if fate != Fate.DIED_AFTER:
            self.claim = answered(begun, NETWORK, self.now)

    def call(self, move: Move) -> None:
        if move.call is Call.REGISTER:
            assert self.registration is None or self.registration.gone_at is None, "registered while it drains"
            assert self.now >= self.quiet_at, "registered while the former owner's traffic still comes"
            assert self.registration is None or self.registration.by != STRANGER, "took over another's target"
            self.registration = self.registration or Registration(move.after.owner)
            assert self.registration.by == move.after.owner, "one owner stands on another's registration"
        elif self.registration and self.registration.gone_at is None:
            assert self.registration.by != STRANGER, "deregistered another's target"
            self.quiet_at = self.now + NETWORK.body.drain
            self.registration.gone_at = self.now + seconds(60)

    # What is true

    @property
    def seen(self) -> Target:
        if self.registration is None:
            return ABSENT
        return DRAINING if self.registration.gone_at else PRESENT

    @property
    def is_busy(self) -> bool:
        return self.claim is not None and self.claim.is_busy(self.now, NOON)

    @property
    def nobody_counts_on_the_address(self) -> bool:
        """Nobody is, or may be, registered there by Berthmaster: only then can others' doings be told from its own."""
        return (
            self.claim is None or self.claim.is_over or (not self.claim.holds_target and self.claim.due_at is not None)
        )

    @invariant()
    def who_is_registered_by_berthmaster_has_a_claim_that_will_be_dealt_with(self) -> None:
        if self.registration and self.registration.by != STRANGER and not self.registration.gone_at:
            assert self.claim is not None
            assert not self.claim.is_over
            assert self.registration.by in {self.claim.owner, self.claim.former}

    def teardown(self) -> None:
        """Faults stop: what is true is told again and again, and everything comes right."""
        if self.registration and self.registration.by == STRANGER:
            self.registration.gone_at = self.registration.gone_at or self.now + seconds(60)
        for _ in range(12):
            self.all_is_told_as_it_is(61)
        if self.alive:
            assert self.registration == Registration(a_task(self.owners).arn)
            assert self.claim is not None
            assert (self.claim.state, self.claim.owner) == (ClaimState.REGISTERED, a_task(self.owners).arn)
        else:
            assert self.registration is None
            assert self.claim is None or self.claim.state is ClaimState.TOMBSTONE


OneAddress.TestCase.settings = settings(max_examples=500, stateful_step_count=30)
TestOneAddress = OneAddress.TestCase
