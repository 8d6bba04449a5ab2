"""One address with owners that follow each other: whatever happens, no owner is confused with another."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from berthmaster.targets.model import Call, Claim, ClaimState, Move, Target, TargetState
from berthmaster.targets.plan.claims import (
    ABSENT,
    after_call,
    after_no_effect,
    after_refusal,
    deregister,
    end_drain,
    is_conclusive,
    register,
)
from simulator.aws.elbv2.targets import WhileDraining
from tests.support.targets.builders import NOON, a_target_group, a_task, an_endpoint, seconds

PRESENT, DRAINING = Target(TargetState.PRESENT), Target(TargetState.DRAINING)


class Fate:
    """What happens to an invocation between writing the claim and writing AWS's answer."""

    ANSWERED = "answered"
    DIED_BEFORE = "died before the call"
    DIED_AFTER = "died after the call"
    REFUSED = "refused"
    WITHOUT_EFFECT = "answered, and nothing was deregistered"
    UNSEEN = "answered and carried out, which AWS did not show"


FATES = st.sampled_from(
    [
        Fate.ANSWERED,
        Fate.ANSWERED,
        Fate.DIED_BEFORE,
        Fate.DIED_AFTER,
        Fate.REFUSED,
        Fate.WITHOUT_EFFECT,
        Fate.UNSEEN,
    ]
)
PASSED = st.sampled_from([1, 16, 21, 61, 119, 121, 301])
STRANGER = "another"
LONGEST_INVOCATION = seconds(20)
SLOWEST_CALL = seconds(5)
"""After its answer was lost, a call may still have its effect."""


NETWORK = a_target_group("net", protocol="TCP")
"""It shows a drain for a minute, and sends traffic for two minutes."""


@dataclass
class Registration:
    """The address in its target group; `gone_at`: when its drain ends, or when AWS drops it while it is in use."""

    by: str
    gone_at: datetime | None = None
    drains: bool = False


class OneAddress(RuleBasedStateMachine):
    """Owners follow each other at one address; events are late, duplicate or out of order; invocations die.

    AWS answers deregistrations that it does not carry out, and is late to show those that it does. It may refuse,
    ignore or forget what is registered while another target drains.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.quiet_at = NOON
        self.former = ""
        self.claim: Claim | None = None
        self.registration: Registration | None = None
        self.owners = 1
        self.alive = True
        self.known_to_leave: set[int] = set()
        self.latest_seen = 0
        self.way = WhileDraining.REFUSED
        self.settled_at = NOON
        self.shown: Target | None = None

    @initialize(way=st.sampled_from(WhileDraining))
    def aws_decides(self, way: WhileDraining) -> None:
        self.way = way

    # What happens

    @rule(passed=PASSED)
    def time_passes(self, passed: int) -> None:
        self.now += seconds(passed)
        self.shown = None
        if self.registration and self.registration.gone_at and self.registration.gone_at <= self.now:
            self.registration = None

    @rule()
    def the_address_gets_a_new_owner(self) -> None:
        self.owners += 1
        self.alive = True

    @rule()
    def the_owner_stops(self) -> None:
        self.alive = False

    @rule()
    def others_register_or_deregister(self) -> None:
        """They register a free address, and deregister their own targets and Berthmaster's."""
        if self.registration is None and self.no_claim_needs_the_address:
            self.registration = Registration(STRANGER)
        elif self.registration and not self.registration.drains:
            is_settled = self.claim is not None and self.claim.state is ClaimState.REGISTERED
            if self.registration.by == STRANGER or is_settled:
                self.drain()

    # Events

    @rule(back=st.integers(0, 2), fate=FATES)
    def a_start_is_reported(self, back: int, fate: str) -> None:
        """Of any owner that is not known to have left: late events about stopped owners are trusted too."""
        number = self.owners - back
        if number >= max(1, self.latest_seen) and number not in self.known_to_leave:
            self.register(number, fate)

    @rule(back=st.integers(0, 2), fate=FATES)
    def a_stop_is_reported(self, back: int, fate: str) -> None:
        number = self.owners - back
        if number >= 1 and (back or not self.alive):
            self.stop(number, fate)

    @rule(fate=FATES)
    def the_owner_is_not_wanted_for_some_time(self, fate: str) -> None:
        if self.alive:
            self.deregister(self.owners, fate)

    @rule(passed=PASSED)
    def everything_is_reported(self, passed: int) -> None:
        self.time_passes(passed)
        for number in range(1, self.owners + (not self.alive)):
            self.stop(number, Fate.ANSWERED)
        if self.alive:
            self.register(self.owners, Fate.ANSWERED)
        self.drains_are_ended()

    @rule()
    def drains_are_ended(self) -> None:
        if self.claim and not self.is_busy:
            self.carry_out(end_drain(self.claim, self.seen, self.now), Fate.ANSWERED)

    # What Berthmaster does

    def register(self, number: int, fate: str) -> None:
        self.latest_seen = number
        self.known_to_leave |= set(range(1, number))
        if not self.is_busy:
            endpoint = an_endpoint(a_task(number), NETWORK)
            holds_address = self.alive and number == self.owners
            move = register(
                NETWORK, self.claim, endpoint, self.seen, self.now, by_event=True, holds_address=holds_address
            )
            self.carry_out(move, fate)

    def stop(self, number: int, fate: str) -> None:
        self.known_to_leave.add(number)
        self.deregister(number, fate)

    def deregister(self, number: int, fate: str) -> None:
        if self.claim is None or self.is_busy:
            return
        owner = a_task(number).arn
        move = deregister(self.claim, owner, self.now, reason="a test", by_event=True)
        assert move is None or self.claim.owner == owner, "the claim of another owner was changed"
        self.carry_out(move, fate)

    def carry_out(self, move: Move | None, fate: str) -> None:
        """Write the claim, call, write the answer: as far as the invocation gets."""
        if move is None:
            return
        assert move.before == self.claim
        if move.call is None:
            self.claim = move.after
            return
        self.claim = replace(move.after, busy_until=self.now + LONGEST_INVOCATION, busy_by="another")
        if fate == Fate.DIED_BEFORE:
            return
        begun = replace(move, after=self.claim)
        is_refused = self.way is WhileDraining.REFUSED if self.drains else fate == Fate.REFUSED
        if move.call is Call.REGISTER and is_refused and (self.drains or self.registration is None):
            self.check_registration(move)
            self.claim = after_refusal(begun, self.now)
            return
        if move.call is Call.REGISTER or fate != Fate.WITHOUT_EFFECT:
            self.call(begun, is_shown=fate != Fate.UNSEEN)
        if fate == Fate.DIED_AFTER:
            return
        is_shown = self.seen.state is not TargetState.PRESENT and fate != Fate.UNSEEN and is_conclusive(begun, self.now)
        if move.call is Call.REGISTER or is_shown:
            self.claim = after_call(begun, NETWORK, self.now)
        else:
            self.claim = after_no_effect(begun, self.now)

    def call(self, move: Move, *, is_shown: bool) -> None:
        before = self.seen
        if move.call is Call.REGISTER:
            self.check_registration(move)
            if self.drains and self.way is not WhileDraining.IGNORED:
                until = self.registration.gone_at if self.registration and self.way is WhileDraining.DROPPED else None
                self.registration = Registration(move.after.owner, until)
                self.shown = None if is_shown else before
            self.registration = self.registration or Registration(move.after.owner)
            assert self.drains or self.registration.by == move.after.owner, "one owner uses another's registration"
        else:
            self.settled_at = self.now + SLOWEST_CALL
            if self.registration and not self.drains:
                assert self.registration.by != STRANGER, "deregistered a target of others"
                self.quiet_at, self.former = self.now + NETWORK.body.drain, self.registration.by
                self.drain()
                self.shown = None

    def check_registration(self, move: Move) -> None:
        has_address = self.alive and move.after.owner == a_task(self.owners).arn
        is_quiet = self.now >= self.quiet_at or move.after.owner == self.former
        assert has_address or not self.drains, "registered a task without the address while another target drains"
        assert has_address or is_quiet, "registered while traffic of the former owner still arrives"
        assert self.now >= self.settled_at or not self.drains, "registered while it may still be deregistered"
        assert self.registration is None or self.drains or self.registration.by != STRANGER, "took over a target"

    def drain(self) -> None:
        assert self.registration is not None
        self.registration.drains = True
        self.registration.gone_at = self.registration.gone_at or self.now + seconds(60)

    # The state

    @property
    def seen(self) -> Target:
        if self.shown is not None:
            return self.shown
        if self.registration is None:
            return ABSENT
        return DRAINING if self.drains else PRESENT

    @property
    def drains(self) -> bool:
        return self.registration is not None and self.registration.drains

    @property
    def is_busy(self) -> bool:
        return self.claim is not None and self.claim.is_busy(self.now, "mine")

    @property
    def no_claim_needs_the_address(self) -> bool:
        """Berthmaster has and wants nothing registered there: only then can changes by others be recognised."""
        if self.claim is None or self.claim.is_over:
            return True
        return not self.claim.holds_target and self.claim.due_at is not None and self.claim.early_at is None

    @invariant()
    def what_berthmaster_registered_has_a_claim_that_is_not_over(self) -> None:
        if self.registration and self.registration.by != STRANGER and not self.drains:
            assert self.claim is not None
            assert not self.claim.is_over
            assert self.registration.by in {self.claim.owner, self.claim.former}

    def teardown(self) -> None:
        """Faults stop, and the true state is reported again and again: then the address must become right."""
        if self.registration and self.registration.by == STRANGER:
            self.drain()
        for _ in range(12):
            self.everything_is_reported(61)
        if self.alive:
            assert self.registration == Registration(a_task(self.owners).arn)
            assert self.claim is not None
            assert (self.claim.state, self.claim.owner) == (ClaimState.REGISTERED, a_task(self.owners).arn)
        else:
            assert self.registration is None
            assert self.claim is None or self.claim.state is ClaimState.TOMBSTONE


@pytest.mark.parametrize("then", [OneAddress.the_owner_stops, OneAddress.the_address_gets_a_new_owner])
def test_a_drain_that_is_shown_late_is_no_proof_of_a_deregistration(then: Callable[[OneAddress], None]) -> None:
    address = OneAddress()
    address.aws_decides(WhileDraining.ACCEPTED)
    address.others_register_or_deregister()
    address.others_register_or_deregister()
    address.a_start_is_reported(0, Fate.UNSEEN)
    address.the_owner_is_not_wanted_for_some_time(Fate.WITHOUT_EFFECT)
    then(address)
    address.teardown()


OneAddress.TestCase.settings = settings(max_examples=500, stateful_step_count=30)
TestOneAddress = OneAddress.TestCase
