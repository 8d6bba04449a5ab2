"""What a run decides, case by case."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from berthmaster.modes import Mode
from berthmaster.proposals import Outcome
from berthmaster.security_groups.model.evidence import Verdict as Use
from berthmaster.security_groups.model.removals import Ground, Origin, Proposal, Removal, RemovalState
from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.plan.due_runs import watched_since
from berthmaster.security_groups.plan.removal_plan import plan_removals
from berthmaster.security_groups.plan.situation import LeaveAlone, Move, Patch, Propose, Report, Supersede, Wait
from tests.support.security_groups.removals import DAY, GROUP, MANAGED, Books, rule

ONE, OTHER = rule(1), rule(2)


def books(mode: Mode = Mode.ENFORCE) -> Books:
    found = Books(mode=mode)
    found.add(ONE, OTHER)
    return found


def proposed() -> tuple[Books, Proposal]:
    """Both rules of a group are proposed together."""
    found = books(Mode.APPROVE)
    found.days(8)
    (proposal,) = found.proposals.values()
    return found, proposal


def decide(found: Books, proposal: Proposal, verdict: Outcome) -> None:
    found.proposals[proposal.id] = replace(proposal, verdict=verdict, decided_by="ann", decided_at=found.now)


def quarantined(mode: Mode = Mode.ENFORCE) -> Books:
    found = books(mode)
    found.days(8)
    assert found.state(ONE) is RemovalState.QUARANTINED
    return found


# The whole way


def test_in_enforce_an_unused_rule_is_announced_quarantined_revoked_and_closed() -> None:
    found = books()
    found.run()
    assert found.state(ONE) is RemovalState.ANNOUNCED
    assert found.removals[ONE.id].unpublished
    found.days(7)
    assert found.state(ONE) is RemovalState.ANNOUNCED
    found.days(1)
    assert found.state(ONE) is RemovalState.QUARANTINED
    found.days(7)
    assert found.state(ONE) is RemovalState.REVOKED
    found.days(8)
    assert found.state(ONE) is RemovalState.CLOSED
    assert found.rules == {}


def test_in_approve_the_rules_of_a_group_are_one_proposal_and_wait_for_a_decision() -> None:
    found, proposal = proposed()
    assert proposal.rules == (ONE.id, OTHER.id)
    assert {found.state(ONE), found.state(OTHER)} == {RemovalState.PROPOSED}
    found.days(3)
    assert list(found.proposals) == [proposal.id]
    decide(found, proposal, Outcome.APPROVED)
    found.run()
    assert {found.state(ONE), found.state(OTHER)} == {RemovalState.APPROVED}
    assert found.removals[ONE.id].by == "ann"


def test_in_enforce_rules_of_unknown_origin_are_proposed() -> None:
    found = books()
    found.origins[ONE.id] = Origin.UNKNOWN
    found.days(8)
    assert found.state(ONE) is RemovalState.PROPOSED
    assert found.state(OTHER) is RemovalState.QUARANTINED


def test_in_observe_nothing_but_a_report_comes_of_it() -> None:
    found = books(Mode.OBSERVE)
    found.held.add(OTHER.id)
    found.days(8)
    plan = found.run()
    assert [(one.candidate.rule.id, one.obstacle) for one in plan.of(Report)] == [
        (ONE.id, ""),
        (OTHER.id, "a controller has made it"),
    ]
    assert found.removals == {}


@pytest.mark.parametrize("origin", [Origin.CLOUDFORMATION, Origin.IAC])
def test_what_code_makes_is_left_to_whoever_has_the_code(origin: Origin) -> None:
    found = books()
    found.origins[ONE.id] = origin
    assert [one.candidate.rule.id for one in found.run().of(Patch)] == [ONE.id]
    found.days(20)
    assert found.state(ONE) is None


# What ends a removal before anything was changed


@pytest.mark.parametrize("mode", [Mode.APPROVE, Mode.ENFORCE])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("used", "it is used by now"),
        ("scanned", "it is scanned only by now"),
        ("kept", "it is to be kept: for the audit"),
        ("kept group", "it is to be kept: all of it"),
        ("unmanaged", "not managed any more"),
        ("edited", "others have changed the rule"),
        ("deleted", "others have deleted the rule"),
        ("group gone", "the group is gone"),
        ("by code", "CloudFormation makes it"),
    ],
)
def test_what_is_against_it_withdraws_it(mode: Mode, change: str, why: str) -> None:
    found = books(mode)
    found.days(6 if mode is Mode.ENFORCE else 8)
    match change:
        case "used":
            found.unproven[ONE.id] = Use.USED
        case "scanned":
            found.unproven[ONE.id] = Use.SCANNED_ONLY
        case "kept":
            found.rules[ONE.id] = replace(ONE, tags=(("berthmaster:keep", "for the audit"),))
        case "kept group":
            found.groups[GROUP] = Group(id=GROUP, tags=(MANAGED, ("berthmaster:keep", "all of it")))
        case "unmanaged":
            found.groups[GROUP] = Group(id=GROUP)
        case "edited":
            found.rules[ONE.id] = replace(ONE, ports=(80, 80))
        case "deleted":
            del found.rules[ONE.id]
        case "group gone":
            found.groups, found.rules = {}, {}
        case "by code":
            found.origins[ONE.id] = Origin.CLOUDFORMATION
    found.run()
    assert found.state(ONE) is RemovalState.WITHDRAWN
    assert why in found.removals[ONE.id].note


def test_a_hole_in_the_logs_makes_a_removal_wait_and_ends_it_in_the_end() -> None:
    found = books()
    found.run()
    found.unproven[ONE.id] = Use.UNKNOWN
    found.days(20)
    assert found.state(ONE) is RemovalState.ANNOUNCED
    found.days(2)
    assert found.state(ONE) is RemovalState.WITHDRAWN
    assert "so it is" in found.removals[ONE.id].note


def test_rules_of_which_conversations_need_one_do_not_go_together() -> None:
    found = books()
    found.needed.add(frozenset({ONE.id, OTHER.id}))
    found.days(15)
    assert found.state(ONE) is RemovalState.REVOKED
    assert found.state(OTHER) is None


# Proposals


def test_a_proposal_of_which_a_rule_does_not_stand_is_replaced_by_one_for_the_rest() -> None:
    found, proposal = proposed()
    found.unproven[ONE.id] = Use.USED
    decide(found, proposal, Outcome.APPROVED)
    plan = found.run()
    assert [one.proposal.id for one in plan.of(Supersede)] == [proposal.id]
    assert [one.proposal.rules for one in plan.of(Propose)] == [(OTHER.id,)]
    assert found.state(OTHER) is RemovalState.PROPOSED
    found.days(2)
    assert found.state(OTHER) is RemovalState.PROPOSED


def test_an_approval_is_void_if_conversations_need_the_rules_by_now() -> None:
    found, proposal = proposed()
    found.needed.add(frozenset({ONE.id, OTHER.id}))
    decide(found, proposal, Outcome.APPROVED)
    found.run()
    assert found.proposals[proposal.id].superseded == f"conversations of the window needed {ONE.id}, {OTHER.id}"
    assert RemovalState.APPROVED not in {found.state(ONE), found.state(OTHER)}


def test_what_was_rejected_is_left_alone_until_a_window_has_passed() -> None:
    found, proposal = proposed()
    decide(found, proposal, Outcome.REJECTED)
    found.run()
    assert found.state(ONE) is RemovalState.WITHDRAWN
    assert found.removals[ONE.id].by == "ann"
    found.days(89)
    assert found.state(ONE) is RemovalState.WITHDRAWN
    found.days(3)
    assert found.state(ONE) is RemovalState.ANNOUNCED


def test_a_proposal_that_nobody_decides_is_made_again() -> None:
    found, proposal = proposed()
    found.days(15)
    assert "nobody has decided" in found.proposals[proposal.id].superseded
    assert len(found.proposals) == 2
    assert found.state(ONE) is RemovalState.PROPOSED


def test_the_rest_of_an_approved_proposal_is_carried_out_when_caps_allow() -> None:
    found = Books(mode=Mode.APPROVE)
    found.policy = replace(found.policy, per_group=2)
    rules = [rule(number) for number in range(5)]
    found.add(*rules)
    found.days(8)
    (proposal,) = found.proposals.values()
    decide(found, proposal, Outcome.APPROVED)
    found.days(0.5)
    assert [found.state(one) for one in rules].count(RemovalState.QUARANTINED) == 2
    found.days(2)
    assert {found.state(one) for one in rules} == {RemovalState.QUARANTINED}


def test_a_restored_rule_ends_the_approval_of_the_rest() -> None:
    found = Books(mode=Mode.APPROVE)
    found.policy = replace(found.policy, per_group=1)
    found.add(ONE, OTHER)
    found.days(8)
    (proposal,) = found.proposals.values()
    decide(found, proposal, Outcome.APPROVED)
    found.days(0.5)
    found.save(found.removals[ONE.id].moved(RemovalState.RESTORING, found.now, note="it was rejected"))
    found.days(0.5)
    assert found.state(ONE) is RemovalState.RESTORED
    assert ONE.id in found.proposals[proposal.id].superseded
    found.days(2)
    assert found.state(OTHER) is RemovalState.PROPOSED


# In quarantine


@pytest.mark.parametrize(("change", "why"), [("late evidence", "records that came later"), ("kept", "to be kept")])
def test_what_turns_out_to_be_needed_or_kept_is_restored(change: str, why: str) -> None:
    found = quarantined()
    if change == "kept":
        found.rules[ONE.id] = replace(found.rules[ONE.id], tags=(("berthmaster:keep", "yes"),))
    else:
        found.needed.add(frozenset({ONE.id}))
    found.run()
    assert found.state(ONE) is RemovalState.RESTORING
    assert why in found.removals[ONE.id].note
    assert found.state(OTHER) is RemovalState.QUARANTINED


def test_a_covered_rule_is_restored_if_what_covers_it_goes() -> None:
    found = quarantined()
    removal = found.removals[ONE.id]
    wider = rule(9, peer=ip_network("10.0.0.0/16"))
    found.save(replace(removal, candidate=replace(removal.candidate, ground=Ground.COVERED, covered_by=(wider.id,))))
    found.add(wider)
    found.unproven[wider.id] = Use.USED
    found.run()
    assert found.state(ONE) is RemovalState.QUARANTINED
    del found.rules[wider.id]
    found.run()
    assert found.state(ONE) is RemovalState.RESTORING


@pytest.mark.parametrize(
    ("change", "state", "is_returned"),
    [
        ("back", RemovalState.WITHDRAWN, True),
        ("edited", RemovalState.WITHDRAWN, False),
        ("deleted", RemovalState.WITHDRAWN, False),
        ("made again", RemovalState.QUARANTINED, True),
    ],
)
def test_what_others_do_to_a_rule_in_quarantine_is_reported_once_and_stays(
    change: str, state: RemovalState, *, is_returned: bool
) -> None:
    found = quarantined()
    again = replace(ONE, id="sgr-0badc0de")
    match change:
        case "back":
            found.rules[ONE.id] = ONE
        case "edited":
            found.rules[ONE.id] = replace(ONE, ports=(80, 80))
        case "deleted":
            del found.rules[ONE.id]
        case "made again":
            found.add(again)
            found.unproven[again.id] = Use.UNKNOWN
    first, second = found.run(), found.run()
    assert found.state(ONE) is state
    assert len(first.of(LeaveAlone)) == 1
    returned = [one.returned for one in first.of(LeaveAlone)] + [one.removal for one in first.of(Move)]
    assert bool([one for one in returned if one and one.rule_id]) is is_returned
    assert second.of(LeaveAlone) == []
    found.days(100)
    assert again.id not in found.removals
    if change != "deleted":
        assert ONE.id in found.rules or change == "made again"
    assert (again.id in found.rules) is (change == "made again")


def test_a_rule_that_ec2_shows_as_it_was_just_after_its_quarantine_is_not_taken_for_changed_back() -> None:
    found = quarantined()
    found.save(replace(found.removals[ONE.id], quarantined_at=found.now))
    inert, found.rules[ONE.id] = found.rules[ONE.id], ONE
    found.now += timedelta(seconds=20)
    assert found.run().of(LeaveAlone) == []
    assert found.state(ONE) is RemovalState.QUARANTINED
    found.rules[ONE.id] = inert
    found.now += timedelta(minutes=6)
    found.run()
    assert found.state(ONE) is RemovalState.QUARANTINED
    found.rules[ONE.id] = ONE
    found.run()
    assert found.state(ONE) is RemovalState.WITHDRAWN


def test_a_rule_that_is_made_again_after_it_was_removed_is_left_alone() -> None:
    found = quarantined()
    found.days(20)
    assert found.state(ONE) is RemovalState.CLOSED
    again = replace(ONE, id="sgr-0badc0de")
    found.add(again)
    (step,) = found.run().of(Move)
    assert step.removal.rule_id == again.id
    assert step.removal.state is RemovalState.WITHDRAWN
    found.days(100)
    assert again.id in found.rules


def test_a_quarantine_that_nobody_could_watch_goes_on_and_ends_with_the_rule_restored() -> None:
    found = quarantined()
    found.unwatched.add(ONE.id)
    found.days(15)
    assert found.state(ONE) is RemovalState.QUARANTINED
    assert found.state(OTHER) is not RemovalState.QUARANTINED
    found.days(9)
    assert found.state(ONE) is RemovalState.RESTORED


@pytest.mark.parametrize("obstacle", ["paused", "frozen", "mode", "unmanaged"])
def test_nothing_is_revoked_meanwhile(obstacle: str) -> None:
    found = quarantined()
    match obstacle:
        case "paused":
            found.paused = "it is paused"
        case "frozen":
            found.frozen = "changes are frozen"
        case "mode":
            found.mode = Mode.OBSERVE
        case "unmanaged":
            found.groups[GROUP] = Group(id=GROUP)
    found.days(12)
    assert found.state(ONE) is RemovalState.QUARANTINED
    assert ONE.id in [one.rule.id for one in found.run().of(Wait)]


# Intents that nobody carried out


def stale() -> Books:
    found = books()
    found.days(7)
    found.run()
    assert found.state(ONE) is RemovalState.APPROVED
    found.now += timedelta(hours=1)
    return found


def test_an_approval_that_nobody_carried_out_is_decided_again() -> None:
    found = stale()
    found.run()
    assert found.state(ONE) is RemovalState.APPROVED
    assert found.removals[ONE.id].intended_at == found.now


def test_an_approval_that_nobody_carried_out_is_taken_back_if_the_rule_is_used_by_now() -> None:
    found = stale()
    found.unproven[ONE.id] = Use.USED
    found.run()
    assert found.state(ONE) is RemovalState.RESTORING


def test_an_approval_of_a_moment_ago_is_left_to_whoever_carries_it_out() -> None:
    found = books()
    found.days(7)
    found.run()
    before = found.removals[ONE.id]
    found.unproven[ONE.id] = Use.USED
    found.now += timedelta(minutes=1)
    found.run()
    assert found.removals[ONE.id] == before


def test_a_rule_that_cannot_be_changed_in_place_waits_as_it_is_and_is_withdrawn_if_it_is_used() -> None:
    found = quarantined()
    removal: Removal = found.removals[ONE.id]
    found.save(replace(removal, inert=None, is_direct=True))
    found.rules[ONE.id] = ONE
    found.days(3)
    assert found.state(ONE) is RemovalState.QUARANTINED
    found.unproven[ONE.id] = Use.USED
    found.run()
    assert found.state(ONE) is RemovalState.RESTORING


def test_a_rule_that_was_changed_since_it_was_judged_is_not_announced() -> None:
    found = books()
    judged = found.situation()
    changed = {ONE.id: replace(ONE, ports=(80, 80))}
    announced = plan_removals(replace(judged, rules=changed)).of(Move)
    assert announced == []
    assert [one.removal.rule for one in plan_removals(judged).of(Move)] == [ONE, OTHER]


def test_the_caps_count_what_was_restored_and_is_announced_again() -> None:
    found = quarantined()
    before = found.removals[ONE.id].intended_at
    found.save(found.removals[ONE.id].moved(RemovalState.RESTORED, found.now))
    found.rules[ONE.id] = ONE
    found.run()
    assert found.state(ONE) is RemovalState.ANNOUNCED
    assert found.removals[ONE.id].intended_at == before


def test_a_change_is_watched_without_a_hole_for_as_long_as_it_is_to_be_watched() -> None:
    removal = quarantined().removals[ONE.id]
    assert watched_since(removal, removal.due_at) == removal.changed_at
    assert watched_since(removal, removal.due_at + 3 * DAY) == removal.changed_at + 3 * DAY
    assert watched_since(removal, removal.changed_at + DAY) == removal.changed_at


def test_the_notice_of_a_removal_begins_again_with_each_announcement() -> None:
    found = books()
    found.days(6)
    found.unproven[ONE.id] = Use.USED
    found.run()
    del found.unproven[ONE.id]
    found.run()
    assert found.removals[ONE.id].due_at == found.now + 7 * DAY
