"""What is approved or proposed: rules whose notice is over."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from berthmaster.modes import Mode
from berthmaster.proposals import Outcome
from berthmaster.security_groups.model.removals import (
    Candidate,
    Origin,
    Proposal,
    ProposalKind,
    Removal,
    RemovalState,
)
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.plan.removal_batch import Batch
from berthmaster.security_groups.plan.removal_draft import Draft
from berthmaster.security_groups.plan.removal_progress import is_stale
from berthmaster.security_groups.plan.situation import Propose, Supersede
from berthmaster.security_groups.plan.terms import content_key

LIFETIME = timedelta(days=14)
"""Of a proposal."""
MOST_PROPOSED = 50
"""Rules of one proposal: people read it."""
STAMP = "%Y%m%dT%H%M%SZ"
_CARRIED_OUT = frozenset(
    {
        RemovalState.APPROVED,
        RemovalState.QUARANTINED,
        RemovalState.REVOKING,
        RemovalState.REVOKED,
        RemovalState.CLOSED,
    }
)


def fingerprint(rules: Iterable[Rule]) -> str:
    """A short hash of rules with what they allow: what an approval is bound to."""
    texts = sorted(f"{one.id} {content_key(one)}" for one in rules)
    return sha256("\n".join(texts).encode()).hexdigest()[:12]


class Approval:
    """Looks at proposals, and at removals that are due."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._situation = draft.situation
        self._now = draft.situation.now

    def approve(self) -> None:
        """Have rules quarantined: what was approved, and in mode enforce what needs no approval."""
        batch = Batch(self._situation, self._draft.gone())
        for one in [one for one in self._draft.removals.values() if is_stale(one, self._now)]:
            if one.rule.id not in self._draft.standing:
                continue
            if one.proposal or self._needs_no_approval(one):
                self._begin([one], batch, one.by)
            else:
                self._draft.move(one, RemovalState.RESTORING, "it needs an approval by now")
        for proposal in self._situation.proposals.values():
            if proposal.superseded:
                continue
            if proposal.kind is ProposalKind.REMOVE:
                self._look_at_proposal(proposal, batch)
            elif proposal.verdict is None and (reason := self._why_not_restored(proposal)):
                self._supersede(proposal, reason)
        for one in self._draft.due(RemovalState.ANNOUNCED, RemovalState.PROPOSED):
            if one.rule.id in self._draft.standing and self._needs_no_approval(one):
                self._begin([replace(one, proposal="")], batch, "")

    def _needs_no_approval(self, removal: Removal) -> bool:
        return self._situation.mode is Mode.ENFORCE and self._situation.origin(removal.rule.id) is Origin.PEOPLE

    def _look_at_proposal(self, proposal: Proposal, batch: Batch) -> None:
        """Carry out what of an approved proposal is left, if it still stands as a whole."""
        of_it = [self._draft.removals.get(one) for one in proposal.rules]
        open_ones = [one for one in of_it if one and one.state is RemovalState.PROPOSED and one.proposal == proposal.id]
        if not open_ones:
            if reason := self._why_over_and_done(proposal, [one for one in of_it if one]):
                self._supersede(proposal, reason)
            return
        reason = self._why_superseded(proposal, [one for one in of_it if one])
        if reason:
            self._supersede(proposal, reason)
        elif proposal.verdict is Outcome.APPROVED and all(one.rule.id in self._draft.standing for one in open_ones):
            self._begin(open_ones, batch, proposal.decided_by, proposal)

    def _why_over_and_done(self, proposal: Proposal, removals: Sequence[Removal]) -> str:
        """Why a proposal does not stand of which no rule waits any more; empty if it was rejected or carried out."""
        if proposal.verdict is Outcome.APPROVED:
            begun_since = proposal.made_at
            withdrawn = [one for one in removals if one.state is RemovalState.WITHDRAWN and one.proposal == proposal.id]
            unbegun = [one for one in withdrawn if one.intended_at is None or one.intended_at < begun_since]
            return next((f"{one.rule.id}: {one.note}" for one in unbegun), "")
        return "" if proposal.verdict else "none of its rules waits for a decision any more"

    def _why_not_restored(self, proposal: Proposal) -> str:
        """Why a proposal to restore a rule does not stand any more; empty if it does."""
        for one in map(self._draft.removals.get, proposal.rules):
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
        self._draft.steps.append(Supersede(replace(proposal, superseded=reason, unpublished=False), reason))
        for rule in proposal.rules:
            one = self._draft.removals.get(rule)
            if one and one.state is RemovalState.PROPOSED and one.proposal == proposal.id:
                self._draft.announce_again(one)

    def _begin(self, removals: Sequence[Removal], batch: Batch, by: str, proposal: Proposal | None = None) -> None:
        candidates = [self._draft.standing[one.rule.id] for one in removals]
        if reason := self._draft.why_not_now():
            for one in removals:
                self._draft.wait(one, reason, None)
            return
        if reason := batch.why_not(candidates):
            if proposal:
                self._supersede(proposal, reason)
            for one in removals:
                end = RemovalState.RESTORING if one.state is RemovalState.APPROVED else RemovalState.WITHDRAWN
                self._draft.wait(self._draft.removals[one.rule.id], reason, end)
            return
        for one, candidate in zip(removals, candidates, strict=True):
            if reason := self._draft.allowance.why_not(one):
                self._draft.wait(one, reason, None)
                continue
            self._draft.allowance.take(one)
            batch.add([candidate])
            self._draft.move(
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

    def propose(self) -> None:
        """Propose what is due, in one proposal for each group."""
        if not self._situation.may_begin or self._situation.paused:
            return
        by_group: dict[str, list[Removal]] = defaultdict(list)
        for one in self._draft.due(RemovalState.ANNOUNCED):
            if one.rule.id in self._draft.standing and one.rule.id not in self._draft.waiting:
                by_group[one.rule.group].append(one)
        batch = Batch(self._situation, self._draft.gone(RemovalState.PROPOSED))
        for group, removals in sorted(by_group.items()):
            chosen: list[Removal] = []
            for one in removals:
                candidate = self._draft.standing[one.rule.id]
                if reason := batch.why_not([candidate]):
                    self._draft.wait(one, reason, RemovalState.WITHDRAWN)
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
            self._draft.removals[one.rule.id] = one
            self._draft.unsaved.pop(one.rule.id, None)
        self._draft.steps.append(Propose(proposal, proposed, why))
