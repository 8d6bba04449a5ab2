"""The next step of a removal, for everything that a group may be by then."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from itertools import product

from berthmaster.security_groups.model.group_state import GroupState
from berthmaster.security_groups.model.removals import Candidate, Ground, Origin, Removal, RemovalState
from berthmaster.security_groups.model.rules import TCP, Direction, Group, Rule
from berthmaster.security_groups.plan.group_steps import Action, Step, next_step

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=6)
MANAGED, KEEP = ("berthmaster:security-groups", "managed"), ("berthmaster:keep", "nightly export")
RULE = Rule(
    id="sgr-1", group="sg-1", direction=Direction.INGRESS, protocol=TCP, ports=(443, 443), peer=ip_network("10.0.0.0/8")
)
INERT = replace(RULE, peer=ip_network("192.0.2.1/32"))
EDITED = replace(RULE, ports=(444, 444))
TWIN = replace(RULE, id="sgr-2")
INTENTS = (RemovalState.APPROVED, RemovalState.REVOKING, RemovalState.RESTORING)
WRITES = frozenset(Action) - {Action.NOTHING}
GOES = {Action.QUARANTINE, Action.REVOKE}


@dataclass(frozen=True)
class Case:
    """A removal, its rule as it is now, and whether another rule allows the same."""

    removal: Removal
    own: Rule | None
    has_twin: bool
    is_managed: bool
    is_kept: bool
    has_group: bool = True

    @property
    def state(self) -> GroupState:
        if not self.has_group:
            return GroupState(group=None)
        own = [replace(self.own, tags=(KEEP,) if self.is_kept else ())] if self.own else []
        rules = {one.id: one for one in [*own, *([TWIN] if self.has_twin else [])]}
        return GroupState(group=Group(id="sg-1", tags=(MANAGED,) if self.is_managed else ()), rules=rules)

    @property
    def step(self) -> Step:
        return next_step(self.removal, self.state, NOW)


def cases() -> Iterator[Case]:
    flags = product((False, True), repeat=6)
    for (is_direct, was_quarantined, was_revoked, has_twin, is_managed, is_kept), state, own in product(
        flags, INTENTS, (None, RULE, INERT, EDITED)
    ):
        if own == RULE and has_twin:
            continue
        removal = Removal(
            candidate=Candidate(rule=RULE, vpc="vpc-1", ground=Ground.UNUSED, why="unused", since=0, until=1),
            origin=Origin.PEOPLE,
            state=state,
            announced_at=NOW,
            changed_at=NOW,
            due_at=NOW,
            intended_at=EARLIER,
            inert=None if is_direct else INERT.peer,
            is_direct=is_direct,
            quarantined_at=EARLIER if was_quarantined else None,
            revoke_intended_at=NOW if was_revoked or state is RemovalState.REVOKING else None,
            revoked_at=NOW if was_revoked else None,
        )
        yield Case(removal, own, has_twin, is_managed, is_kept)


def test_nothing_is_written_to_a_group_without_the_tag_or_to_a_rule_that_others_have_changed() -> None:
    for case in cases():
        if not case.is_managed or case.own == EDITED:
            assert case.step.action is Action.NOTHING, case
        if case.own == EDITED:
            assert case.step.state is RemovalState.WITHDRAWN, case
            assert case.step.taken_over is not None, case


def test_a_rule_goes_only_as_it_was_announced_or_quarantined_and_if_nobody_keeps_it() -> None:
    for case in cases():
        if case.step.action is Action.QUARANTINE:
            assert (case.own, case.is_kept, case.removal.state) == (RULE, False, RemovalState.APPROVED), case
        if case.step.action is Action.REVOKE:
            assert case.own == (RULE if case.removal.is_direct else INERT), case
            assert (case.is_kept, case.has_twin, case.removal.state) == (False, False, RemovalState.REVOKING), case
        if case.removal.state is RemovalState.RESTORING:
            assert case.step.action not in GOES, case


def test_what_is_back_already_is_not_made_again() -> None:
    for case in cases():
        if case.has_twin:
            assert case.step.action in {Action.NOTHING, Action.CLEAR}, case
        if case.step.action is Action.MAKE_AGAIN:
            assert case.own is None, case
            assert case.removal.revoke_intended_at is not None, case
        if case.step.action is Action.GIVE_BACK:
            assert case.own == INERT, case


def test_whoever_finds_the_effect_of_a_step_records_what_the_step_would_have_led_to() -> None:
    """After a crash: it is not done twice, and not taken for what others have done."""
    seen = set()
    for case in cases():
        step = case.step
        if step.action not in WRITES:
            continue
        seen.add(step.action)
        removal = case.removal
        if step.action is Action.GIVE_BACK:
            removal = replace(removal, quarantined_at=EARLIER)
        after = {
            Action.QUARANTINE: replace(case, own=INERT, removal=replace(removal, inert=INERT.peer)),
            Action.REVOKE: replace(case, own=None),
            Action.CLEAR: replace(case, own=None, removal=replace(removal, revoke_intended_at=NOW)),
            Action.GIVE_BACK: replace(case, own=RULE, removal=replace(removal, is_direct=False)),
            Action.MAKE_AGAIN: replace(case, has_twin=True),
        }[step.action]
        again = after.step
        assert (again.action, again.state) == (Action.NOTHING, step.state), case
    assert seen == WRITES


def test_a_group_that_is_gone_ends_a_removal() -> None:
    for case in cases():
        step = replace(case, has_group=False).step
        assert (step.action, step.state) == (Action.NOTHING, RemovalState.WITHDRAWN)


def test_a_rule_is_not_quarantined_on_old_evidence_but_what_was_done_is_recorded() -> None:
    for case in cases():
        if case.removal.state is RemovalState.APPROVED:
            old = replace(case, removal=replace(case.removal, intended_at=NOW - timedelta(minutes=16)))
            assert old.step.action is Action.NOTHING
            assert (old.step.state is RemovalState.QUARANTINED) == (case.own == INERT and not case.removal.is_direct)


def test_a_rule_that_was_changed_a_moment_ago_is_not_taken_for_one_that_was_not() -> None:
    """EC2 may still show what it was."""
    for case in cases():
        if case.removal.state is RemovalState.REVOKING and case.own == RULE and case.removal.inert is not None:
            fresh = replace(case, removal=replace(case.removal, quarantined_at=NOW - timedelta(minutes=4))).step
            assert (fresh.state, fresh.is_soon) == (None, True)
        if case.removal.state is RemovalState.RESTORING and case.own == RULE and case.removal.inert is not None:
            fresh = replace(case, removal=replace(case.removal, quarantined_at=NOW - timedelta(minutes=4))).step
            if case.is_managed:
                assert (fresh.action, fresh.state) == (Action.GIVE_BACK, RemovalState.RESTORED)
            else:
                assert (fresh.state, fresh.is_soon) == (None, True)
