"""What is done with rules that may go: announced, proposed, changed, given back, or left alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from berthmaster.modes import Mode
from berthmaster.security_groups.model.evidence import Verdict as Use
from berthmaster.security_groups.model.removals import (
    STALE_AFTER,
    Candidate,
    Ground,
    LeftAlone,
    Origin,
    Proposal,
    ProposalKind,
    Removal,
    RemovalState,
    Verdict,
)
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.plan.caps import Allowance
from berthmaster.security_groups.plan.group_steps import SEEN_AFTER
from berthmaster.security_groups.plan.keeping import is_managed, why_kept
from berthmaster.security_groups.plan.redundancy import is_covered
from berthmaster.security_groups.plan.removal_batch import Batch
from berthmaster.security_groups.plan.rule_text import text_of
from berthmaster.security_groups.plan.situation import (
    LeaveAlone,
    Move,
    Patch,
    Propose,
    RemovalPlan,
    Report,
    Situation,
    Step,
    Supersede,
    Wait,
)
from berthmaster.security_groups.plan.terms import content_key, terms_of

LIFETIME = timedelta(days=14)
"""Of a proposal."""
WAITS_FOR = timedelta(days=14)
"""A removal that was due, and that something stood in the way of, ends after that time."""
MOST_PROPOSED = 50
"""Rules of one proposal: people read it."""
STAMP = "%Y%m%dT%H%M%SZ"
_GONE = frozenset(
    {
        RemovalState.APPROVED,
        RemovalState.QUARANTINED,
        RemovalState.REVOKING,
        RemovalState.REVOKED,
        RemovalState.RESTORING,
    }
)
"""The rule may be missing, or is about to be."""
_CARRIED_OUT = frozenset({*_GONE, RemovalState.CLOSED}) - {RemovalState.RESTORING}
_BY_CODE = {Origin.CLOUDFORMATION: "CloudFormation makes it", Origin.IAC: "infrastructure as code makes it"}
_USES = frozenset({Use.USED, Use.POSSIBLY_USED, Use.SCANNED_ONLY})


def plan_removals(situation: Situation) -> RemovalPlan:
    """The steps of one run, each with its reason; the caps hold over all of them."""
    return _Planner(situation).plan()


def is_stale(removal: Removal, now: datetime) -> bool:
    """Whether a rule was to be quarantined on evidence that is too old by now."""
    since = removal.intended_at or removal.changed_at
    return removal.state is RemovalState.APPROVED and now - since > STALE_AFTER


def going(removals: Iterable[Removal], now: datetime) -> frozenset[str]:
    """The rules that are missing or about to be; one that waits as it is, and may yet not go, is none of them."""
    return frozenset(
        one.rule.id for one in removals if one.state in _GONE and not is_stale(one, now) and not _is_as_it_was(one)
    )


def fingerprint(rules: Iterable[Rule]) -> str:
    """A short hash of rules with what they allow: what an approval is bound to."""
    texts = sorted(f"{one.id} {content_key(one)}" for one in rules)
    return sha256("\n".join(texts).encode()).hexdigest()[:12]


class _Planner:
    """Makes one plan. Removals that are moved are seen by later steps as they will be."""

    def __init__(self, situation: Situation) -> None:
        self._now = situation.now
        self._situation = situation
        self._removals = {one.rule.id: one for one in situation.removals}
        self._left = {one.sort_key: one for one in situation.left_alone}
        self._allowance = Allowance(situation.removals, situation.policy, situation.now)
        self._standing: dict[str, Candidate] = {}
        """Of removals whose rules are as they were, and may still go."""
        self._waiting: set[str] = set()
        self._unsaved: dict[str, Removal] = {}
        """Moved without a step of their own, so far."""
        self._moved: set[str] = set()
        self._steps: list[Step] = []

    def plan(self) -> RemovalPlan:
        self._review()
        self._give_back()
        self._finish()
        self._approve()
        self._propose()
        self._announce()
        self._steps += [Move(one, "it is proposed again when that may be") for one in self._unsaved.values()]
        return RemovalPlan(tuple(self._steps))

    # What has become of removals

    def _review(self) -> None:
        for one in self._situation.removals:
            if one.state in {RemovalState.ANNOUNCED, RemovalState.PROPOSED}:
                self._review_live(one, RemovalState.WITHDRAWN)
            elif _is_as_it_was(one) or is_stale(one, self._now):
                # If EC2 was called all the same, there is something to restore; otherwise that ends as withdrawn.
                self._review_live(one, RemovalState.RESTORING)
            elif one.state is RemovalState.QUARANTINED:
                self._review_quarantined(one)
            elif one.state in {RemovalState.REVOKED, RemovalState.CLOSED}:
                self._review_gone(one)

    def _review_live(self, removal: Removal, end: RemovalState) -> None:
        proposal = self._situation.proposals.get(removal.proposal)
        if removal.state is RemovalState.PROPOSED and (proposal is None or proposal.superseded):
            removal = self._announced_again(removal)
        if proposal and proposal.verdict is Verdict.REJECTED and removal.state is RemovalState.PROPOSED:
            by = proposal.decided_by or "an operator"
            self._move(removal, end, f"{by} has rejected it", by=proposal.decided_by)
            self._leave_alone(removal.rule, f"{by} has rejected its removal", until=self._now + self._situation.window)
        elif reason := self._why_over(removal):
            self._move(removal, end, reason)
        elif removal.rule.id in self._situation.candidates:
            self._standing[removal.rule.id] = self._situation.candidates[removal.rule.id]
        elif reason := self._why_used(removal):
            self._move(removal, end, reason)
        else:
            self._wait(removal, self._why_unproven(removal), end)

    def _why_over(self, removal: Removal) -> str:
        """Why a rule that is as it was announced, or should be, is not removed; empty if nothing is against it."""
        was, situation = removal.rule, self._situation
        group, rule = situation.groups.get(was.group), situation.rules.get(was.id)
        if group is None:
            return "the group is gone"
        if rule is None:
            return "others have deleted the rule"
        if terms_of(rule) != terms_of(was):
            return f"others have changed the rule: it is {text_of(rule)} now"
        if not is_managed(group):
            return "the group is not managed any more"
        if why := why_kept(rule, group, self._now.date()):
            return f"it is to be kept: {why}"
        return _BY_CODE.get(situation.origin(was.id), "")

    def _why_used(self, removal: Removal) -> str:
        found = self._situation.verdicts.get(removal.rule.id)
        return f"it is {found.verdict} by now: {found.why}" if found and found.verdict in _USES else ""

    def _why_unproven(self, removal: Removal) -> str:
        found = self._situation.verdicts.get(removal.rule.id)
        if removal.candidate.ground is Ground.COVERED and (found is None or found.verdict is not Use.UNUSED):
            return "other rules do not allow all of it any more"
        return found.why if found else "nothing is known of it"

    def _review_quarantined(self, removal: Removal) -> None:
        was, situation = removal.rule, self._situation
        group, rule = situation.groups.get(was.group), situation.rules.get(was.id)
        if group is None:
            self._move(removal, RemovalState.WITHDRAWN, "the group is gone")
        elif rule is None:
            self._move(removal, RemovalState.WITHDRAWN, "others have deleted the rule")
            self._leave_alone(was, "others have deleted the rule in quarantine")
        elif terms_of(rule) == terms_of(was):
            if self._is_seen(removal):
                self._move(removal, RemovalState.WITHDRAWN, "others have changed it back", rule_id=was.id)
                self._leave_alone(was, "others have changed it back in quarantine")
        elif removal.inert is None or terms_of(rule) != terms_of(replace(was, peer=removal.inert)):
            text = f"others have changed the rule in quarantine: it is {text_of(rule)} now"
            self._move(removal, RemovalState.WITHDRAWN, text)
            self._leave_alone(rule, "others have changed it in quarantine")
        elif again := self._again(was):
            returned = replace(removal, rule_id=again.id)
            self._leave_alone(was, f"it was made again, as {again.id}", returned=returned)

    def _is_seen(self, removal: Removal) -> bool:
        """Whether EC2 certainly shows that a rule was quarantined: its answers may be of a moment before."""
        return removal.quarantined_at is None or self._now - removal.quarantined_at >= SEEN_AFTER

    def _review_gone(self, removal: Removal) -> None:
        if again := self._again(removal.rule):
            self._move(removal, RemovalState.WITHDRAWN, f"it was made again, as {again.id}", rule_id=again.id)
            self._leave_alone(removal.rule, f"it was made again, as {again.id}")

    def _again(self, rule: Rule) -> Rule | None:
        """Another rule that allows the same."""
        wanted = terms_of(rule)
        others = (one for one in self._situation.rules.values() if one.id != rule.id and terms_of(one) == wanted)
        return next(others, None)

    # What is given back

    def _give_back(self) -> None:
        """Restore what turned out to be needed, or is to be kept."""
        gone = self._gone()
        needed = self._situation.needed(gone)
        staying = [one for one in self._situation.rules.values() if one.id not in gone]
        for one in list(self._removals.values()):
            if one.state not in {RemovalState.QUARANTINED, RemovalState.REVOKED} or _is_as_it_was(one):
                continue
            if one.rule.id in needed:
                self._move(one, RemovalState.RESTORING, "records that came later show that conversations needed it")
            elif one.candidate.ground is Ground.COVERED and not is_covered(one.rule, staying):
                self._move(one, RemovalState.RESTORING, "the rules that allowed all of it are gone or were changed")
            elif one.state is RemovalState.QUARANTINED and (why := self._kept_in_quarantine(one)):
                self._move(one, RemovalState.RESTORING, f"it is to be kept: {why}")

    def _kept_in_quarantine(self, removal: Removal) -> str:
        rule, group = self._situation.rules[removal.rule.id], self._situation.groups[removal.rule.group]
        return why_kept(rule, group, self._now.date())

    # What is gone on with

    def _finish(self) -> None:
        """Revoke what was in quarantine for long enough, and close what was revoked for long enough."""
        for one in self._due(RemovalState.QUARANTINED, RemovalState.REVOKED):
            is_quarantined = one.state is RemovalState.QUARANTINED
            reason = self._why_not_finished(one)
            if reason:
                # Nobody sees what is rejected: such a rule is not removed in the end.
                self._wait(one, reason, RemovalState.RESTORING if is_quarantined else RemovalState.CLOSED)
                continue
            if not is_quarantined:
                self._move(one, RemovalState.CLOSED, "nothing was rejected that it would have allowed")
                continue
            if reason := self._why_not_now() or self._allowance.why_not(one):
                self._wait(one, reason, None)
                continue
            self._allowance.take(one)
            self._move(
                one,
                RemovalState.REVOKING,
                "nothing was rejected that it would have allowed",
                revoke_intended_at=self._now,
                due_at=self._now,
            )

    def _why_not_finished(self, removal: Removal) -> str:
        if _is_as_it_was(removal):
            return self._why_not_revoked_directly(removal)
        if removal.state is RemovalState.QUARANTINED and not is_managed(self._situation.groups[removal.rule.group]):
            return "the group is not managed any more, so nothing may be written to it"
        return "" if removal.candidate.ground is Ground.COVERED else self._situation.unwatched(removal)

    def _why_not_revoked_directly(self, removal: Removal) -> str:
        candidate = self._standing.get(removal.rule.id)
        if candidate is None:
            return "it is not proven that it is unused"
        return Batch(self._situation, self._gone()).why_not([candidate])

    def _why_not_now(self) -> str:
        if not self._situation.may_begin:
            return f"the mode is {self._situation.mode}"
        return self._situation.paused or self._situation.frozen

    # What is decided

    def _approve(self) -> None:
        """Have rules quarantined: what was approved, and in mode enforce what needs no approval."""
        batch = Batch(self._situation, self._gone())
        for one in [one for one in self._removals.values() if is_stale(one, self._now)]:
            if one.rule.id not in self._standing:
                continue
            if one.proposal or self._needs_no_approval(one):
                self._begin([one], batch, one.by)
            else:
                self._move(one, RemovalState.RESTORING, "it needs an approval by now")
        for proposal in self._situation.proposals.values():
            if proposal.superseded:
                continue
            if proposal.kind is ProposalKind.REMOVE:
                self._look_at_proposal(proposal, batch)
            elif proposal.verdict is None and (reason := self._why_not_restored(proposal)):
                self._supersede(proposal, reason)
        for one in self._due(RemovalState.ANNOUNCED, RemovalState.PROPOSED):
            if one.rule.id in self._standing and self._needs_no_approval(one):
                self._begin([replace(one, proposal="")], batch, "")

    def _needs_no_approval(self, removal: Removal) -> bool:
        return self._situation.mode is Mode.ENFORCE and self._situation.origin(removal.rule.id) is Origin.PEOPLE

    def _look_at_proposal(self, proposal: Proposal, batch: Batch) -> None:
        """Carry out what of an approved proposal is left, if it still stands as a whole."""
        of_it = [self._removals.get(one) for one in proposal.rules]
        open_ones = [one for one in of_it if one and one.state is RemovalState.PROPOSED and one.proposal == proposal.id]
        if not open_ones:
            if reason := self._why_over_and_done(proposal, [one for one in of_it if one]):
                self._supersede(proposal, reason)
            return
        reason = self._why_superseded(proposal, [one for one in of_it if one])
        if reason:
            self._supersede(proposal, reason)
        elif proposal.verdict is Verdict.APPROVED and all(one.rule.id in self._standing for one in open_ones):
            self._begin(open_ones, batch, proposal.decided_by, proposal)

    def _why_over_and_done(self, proposal: Proposal, removals: Sequence[Removal]) -> str:
        """Why a proposal does not stand of which no rule waits any more; empty if it was rejected or carried out."""
        if proposal.verdict is Verdict.APPROVED:
            begun_since = proposal.made_at
            withdrawn = [one for one in removals if one.state is RemovalState.WITHDRAWN and one.proposal == proposal.id]
            unbegun = [one for one in withdrawn if one.intended_at is None or one.intended_at < begun_since]
            return next((f"{one.rule.id}: {one.note}" for one in unbegun), "")
        return "" if proposal.verdict else "none of its rules waits for a decision any more"

    def _why_not_restored(self, proposal: Proposal) -> str:
        """Why a proposal to restore a rule does not stand any more; empty if it does."""
        for one in map(self._removals.get, proposal.rules):
            if one is None or not one.state.is_watched:
                return f"the rule is {one.state}" if one else "the removal of the rule is not known any more"
        return self._why_expired(proposal)

    def _why_superseded(self, proposal: Proposal, removals: Sequence[Removal]) -> str:
        for one in removals:
            if one.proposal != proposal.id:
                return f"{one.rule.id} is {one.state} by itself"
            if one.state is not RemovalState.PROPOSED and one.state not in _CARRIED_OUT:
                return f"{one.rule.id} is {one.state}: {one.note}"
        if len(removals) < len(proposal.rules):
            return "not all of its rules are known any more"
        if fingerprint(one.rule for one in removals) != proposal.fingerprint:
            return "its rules are not what they were"
        return self._why_expired(proposal)

    def _why_expired(self, proposal: Proposal) -> str:
        is_expired = proposal.verdict is None and self._now >= proposal.expires_at
        return f"nobody has decided within {LIFETIME.days} days" if is_expired else ""

    def _supersede(self, proposal: Proposal, reason: str) -> None:
        self._steps.append(Supersede(replace(proposal, superseded=reason, unpublished=False), reason))
        for rule in proposal.rules:
            one = self._removals.get(rule)
            if one and one.state is RemovalState.PROPOSED and one.proposal == proposal.id:
                self._announced_again(one)

    def _announced_again(self, removal: Removal) -> Removal:
        """Without a notice: it is proposed anew as soon as it may be."""
        again = replace(
            removal,
            state=RemovalState.ANNOUNCED,
            changed_at=self._now,
            proposal="",
            due_at=self._now,
            unpublished=False,
        )
        self._removals[removal.rule.id] = self._unsaved[removal.rule.id] = again
        return again

    def _begin(self, removals: Sequence[Removal], batch: Batch, by: str, proposal: Proposal | None = None) -> None:
        candidates = [self._standing[one.rule.id] for one in removals]
        if reason := self._why_not_now():
            for one in removals:
                self._wait(one, reason, None)
            return
        if reason := batch.why_not(candidates):
            if proposal:
                self._supersede(proposal, reason)
            for one in removals:
                end = RemovalState.RESTORING if one.state is RemovalState.APPROVED else RemovalState.WITHDRAWN
                self._wait(self._removals[one.rule.id], reason, end)
            return
        for one, candidate in zip(removals, candidates, strict=True):
            if reason := self._allowance.why_not(one):
                self._wait(one, reason, None)
                continue
            self._allowance.take(one)
            batch.add([candidate])
            self._move(
                replace(one, candidate=self._as_now(one, candidate)),
                RemovalState.APPROVED,
                f"{by or 'an operator'} has approved it" if proposal else one.note or candidate.why,
                by=by,
                intended_at=self._now,
                due_at=self._now,
            )

    def _as_now(self, removal: Removal, candidate: Candidate) -> Candidate:
        """The candidate with the description and tags of now, and the peers of when it was announced."""
        return replace(
            candidate,
            rule=self._situation.rules[removal.rule.id],
            earlier_peers=removal.candidate.earlier_peers or candidate.earlier_peers,
        )

    def _propose(self) -> None:
        """Propose what is due, in one proposal for each group."""
        if not self._situation.may_begin or self._situation.paused:
            return
        by_group: dict[str, list[Removal]] = defaultdict(list)
        for one in self._due(RemovalState.ANNOUNCED):
            if one.rule.id in self._standing and one.rule.id not in self._waiting:
                by_group[one.rule.group].append(one)
        batch = Batch(self._situation, self._gone(RemovalState.PROPOSED))
        for group, removals in sorted(by_group.items()):
            chosen: list[Removal] = []
            for one in removals:
                candidate = self._standing[one.rule.id]
                if reason := batch.why_not([candidate]):
                    self._wait(one, reason, RemovalState.WITHDRAWN)
                elif len(chosen) < MOST_PROPOSED:
                    batch.add([candidate])
                    chosen.append(one)
            if chosen:
                self._propose_together(group, chosen)

    def _propose_together(self, group: str, removals: Sequence[Removal]) -> None:
        expires = self._now + LIFETIME
        identifier = f"security_groups.{group}.{self._now:{STAMP}}"
        why = "nothing in the window needed them, and the notice is over"
        proposed = tuple(
            replace(
                one,
                state=RemovalState.PROPOSED,
                changed_at=self._now,
                due_at=expires,
                proposal=identifier,
                unpublished=False,
            )
            for one in removals
        )
        proposal = Proposal(
            id=identifier,
            kind=ProposalKind.REMOVE,
            group=group,
            rules=tuple(one.rule.id for one in removals),
            fingerprint=fingerprint(one.rule for one in removals),
            made_at=self._now,
            expires_at=expires,
            why=why,
            unpublished=True,
        )
        for one in proposed:
            self._removals[one.rule.id] = one
            self._unsaved.pop(one.rule.id, None)
        self._steps.append(Propose(proposal, proposed, why))

    # What is new

    def _announce(self) -> None:
        """Announce what may go, or only report it."""
        open_ones = {key for key, one in self._removals.items() if one.state.is_open}
        batch = Batch(self._situation, open_ones)
        for candidate in self._situation.candidates.values():
            rule = candidate.rule
            if rule.id in open_ones or rule.id in self._moved or self._is_left_alone(rule) or self._was_changed(rule):
                continue
            origin = self._situation.origin(rule.id)
            obstacle = batch.why_not([candidate])
            if origin in _BY_CODE and not obstacle and not self._situation.paused:
                self._steps.append(Patch(candidate, origin, f"{_BY_CODE[origin]}; {candidate.why}"))
            elif not self._situation.may_begin:
                self._steps.append(Report(candidate, origin, obstacle, candidate.why))
                batch.add([] if obstacle else [candidate])
            elif reason := obstacle or self._situation.paused or _BY_CODE.get(origin):
                self._steps.append(Wait(rule, None, reason))
            else:
                batch.add([candidate])
                self._announce_one(candidate, origin)

    def _was_changed(self, rule: Rule) -> bool:
        """Whether a rule is not any more what was judged."""
        now = self._situation.rules.get(rule.id)
        return now is None or terms_of(now) != terms_of(rule)

    def _is_left_alone(self, rule: Rule) -> bool:
        left = self._left.get(f"{rule.group}#{content_key(rule)}")
        return left is not None and (left.until is None or left.until > self._now)

    def _announce_one(self, candidate: Candidate, origin: Origin) -> None:
        before = self._removals.get(candidate.rule.id)
        removal = Removal(
            candidate=candidate,
            origin=origin,
            state=RemovalState.ANNOUNCED,
            announced_at=self._now,
            changed_at=self._now,
            due_at=self._now + self._situation.policy.notice,
            owner=self._situation.owner(candidate.rule.group),
            unpublished=True,
        )
        if before:
            # The caps count what was intended of it before.
            removal = replace(
                removal,
                intended_at=before.intended_at,
                revoke_intended_at=before.revoke_intended_at,
                has_ended=before.has_ended,
                version=before.version,
            )
        self._steps.append(Move(removal, candidate.why))

    # Steps

    def _gone(self, *more: RemovalState) -> frozenset[str]:
        """The rules that count as gone: those whose change was decided, and those in further states."""
        certain = going(self._removals.values(), self._now)
        return certain | {key for key, one in self._removals.items() if one.state in more}

    def _due(self, *states: RemovalState) -> list[Removal]:
        """Removals whose next step may be taken, in the order in which they became due."""
        found = [one for one in self._removals.values() if one.state in states]
        # A proposal that waits for a decision is due when it expires; in mode enforce none is needed.
        due = [one for one in found if one.due_at <= self._now or one.state is RemovalState.PROPOSED]
        return sorted(due, key=lambda one: (one.due_at, one.rule.id))

    def _move(self, removal: Removal, state: RemovalState, reason: str, **changes: object) -> None:
        moved = removal.moved(state, self._now, note=reason, **changes)
        self._removals[removal.rule.id] = moved
        self._moved.add(removal.rule.id)
        self._standing.pop(removal.rule.id, None)
        self._unsaved.pop(removal.rule.id, None)
        self._steps.append(Move(moved, reason))

    def _wait(self, removal: Removal, reason: str, end: RemovalState | None) -> None:
        """Do nothing for now; what has waited for too long ends in a state, if there is one."""
        if end is not None and self._now - removal.due_at > WAITS_FOR:
            self._move(removal, end, f"for {WAITS_FOR.days} days nothing could be done: {reason}")
        elif removal.rule.id not in self._waiting:
            self._waiting.add(removal.rule.id)
            self._steps.append(Wait(removal.rule, removal, reason))

    def _leave_alone(
        self, rule: Rule, why: str, *, until: datetime | None = None, returned: Removal | None = None
    ) -> None:
        """Not announce it again; what is left alone for good already was reported when that began."""
        new = LeftAlone(group=rule.group, key=content_key(rule), why=why, since=self._now, until=until)
        known = self._left.get(new.sort_key)
        if known and known.until is None:
            return
        self._left[new.sort_key] = new
        self._steps.append(LeaveAlone(replace(new, version=known.version if known else 0), why, returned))


def _is_as_it_was(removal: Removal) -> bool:
    """Whether a rule that cannot be changed in place waits for its revocation as it is."""
    return removal.state is RemovalState.QUARANTINED and removal.is_direct
