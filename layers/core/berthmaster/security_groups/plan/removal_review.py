"""What has become of rules in removal: whether they still may go, and what others have made of them."""

from dataclasses import replace

from berthmaster.proposals import Outcome
from berthmaster.security_groups.model.evidence import Verdict as Use
from berthmaster.security_groups.model.removals import Ground, Removal, RemovalState
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.plan.group_steps import SEEN_AFTER
from berthmaster.security_groups.plan.keeping import is_managed, why_kept
from berthmaster.security_groups.plan.origins import MADE_BY_CODE
from berthmaster.security_groups.plan.removal_draft import Draft
from berthmaster.security_groups.plan.removal_progress import is_as_it_was, is_stale
from berthmaster.security_groups.plan.rule_text import text_of
from berthmaster.security_groups.plan.terms import terms_of

_USES = frozenset({Use.USED, Use.POSSIBLY_USED, Use.SCANNED_ONLY})


class Review:
    """Looks at each removal."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._situation = draft.situation
        self._now = draft.situation.now

    def review(self) -> None:
        """End removals that are over, and find those that stand."""
        for one in self._situation.removals:
            if one.state in {RemovalState.ANNOUNCED, RemovalState.PROPOSED}:
                self._review_live(one, RemovalState.WITHDRAWN)
            elif is_as_it_was(one) or is_stale(one, self._now):
                # If EC2 was called all the same, there is something to restore; otherwise that ends as withdrawn.
                self._review_live(one, RemovalState.RESTORING)
            elif one.state is RemovalState.QUARANTINED:
                self._review_quarantined(one)
            elif one.state in {RemovalState.REVOKED, RemovalState.CLOSED}:
                self._review_gone(one)

    def _review_live(self, removal: Removal, end: RemovalState) -> None:
        proposal = self._situation.proposals.get(removal.proposal)
        if removal.state is RemovalState.PROPOSED and (proposal is None or proposal.superseded):
            removal = self._draft.announce_again(removal)
        if proposal and proposal.verdict is Outcome.REJECTED and removal.state is RemovalState.PROPOSED:
            by = proposal.decider
            self._draft.move(removal, end, f"{by} has rejected it", by=proposal.decided_by)
            self._draft.leave_alone(
                removal.rule, f"{by} has rejected its removal", until=self._now + self._situation.window
            )
        elif reason := self._why_over(removal):
            self._draft.move(removal, end, reason)
        elif removal.rule.id in self._situation.candidates:
            self._draft.standing[removal.rule.id] = self._situation.candidates[removal.rule.id]
        elif reason := self._why_used(removal):
            self._draft.move(removal, end, reason)
        else:
            self._draft.wait(removal, self._why_unproven(removal), end)

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
        return MADE_BY_CODE.get(situation.origin(was.id), "")

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
            self._draft.move(removal, RemovalState.WITHDRAWN, "the group is gone")
        elif rule is None:
            self._draft.move(removal, RemovalState.WITHDRAWN, "others have deleted the rule")
            self._draft.leave_alone(was, "others have deleted the rule in quarantine")
        elif terms_of(rule) == terms_of(was):
            if self._is_seen(removal):
                self._draft.move(removal, RemovalState.WITHDRAWN, "others have changed it back", rule_id=was.id)
                self._draft.leave_alone(was, "others have changed it back in quarantine")
        elif removal.inert is None or terms_of(rule) != terms_of(replace(was, peer=removal.inert)):
            text = f"others have changed the rule in quarantine: it is {text_of(rule)} now"
            self._draft.move(removal, RemovalState.WITHDRAWN, text)
            self._draft.leave_alone(rule, "others have changed it in quarantine")
        elif again := self._again(was):
            returned = replace(removal, rule_id=again.id)
            self._draft.leave_alone(was, f"it was made again, as {again.id}", returned=returned)

    def _is_seen(self, removal: Removal) -> bool:
        """Whether EC2 certainly shows that a rule was quarantined: its answers may be of a moment before."""
        return removal.quarantined_at is None or self._now - removal.quarantined_at >= SEEN_AFTER

    def _review_gone(self, removal: Removal) -> None:
        if again := self._again(removal.rule):
            self._draft.move(removal, RemovalState.WITHDRAWN, f"it was made again, as {again.id}", rule_id=again.id)
            self._draft.leave_alone(removal.rule, f"it was made again, as {again.id}")

    def _again(self, rule: Rule) -> Rule | None:
        """Another rule that allows the same."""
        wanted = terms_of(rule)
        others = (one for one in self._situation.rules.values() if one.id != rule.id and terms_of(one) == wanted)
        return next(others, None)
