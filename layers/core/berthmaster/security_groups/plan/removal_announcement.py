"""What is new: rules that may go are announced, reported, or become patches."""

from dataclasses import replace

from berthmaster.security_groups.model.removals import Candidate, Origin, Removal, RemovalState
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.plan.origins import MADE_BY_CODE
from berthmaster.security_groups.plan.removal_batch import Batch
from berthmaster.security_groups.plan.removal_draft import Draft
from berthmaster.security_groups.plan.situation import Move, Patch, Report, Wait
from berthmaster.security_groups.plan.terms import content_key, terms_of


class Announcement:
    """Looks at candidates that are not in removal."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._situation = draft.situation
        self._now = draft.situation.now

    def announce(self) -> None:
        """Announce what may go, or only report it."""
        open_ones = {key for key, one in self._draft.removals.items() if one.state.is_open}
        batch = Batch(self._situation, open_ones)
        for candidate in self._situation.candidates.values():
            rule = candidate.rule
            if (
                rule.id in open_ones
                or rule.id in self._draft.moved
                or self._is_left_alone(rule)
                or self._was_changed(rule)
            ):
                continue
            origin = self._situation.origin(rule.id)
            obstacle = batch.why_not([candidate])
            if origin in MADE_BY_CODE and not obstacle and not self._situation.paused:
                self._draft.steps.append(Patch(candidate, origin, f"{MADE_BY_CODE[origin]}; {candidate.why}"))
            elif not self._situation.may_begin:
                self._draft.steps.append(Report(candidate, origin, obstacle, candidate.why))
                batch.add([] if obstacle else [candidate])
            elif reason := obstacle or self._situation.paused or MADE_BY_CODE.get(origin):
                self._draft.steps.append(Wait(rule, None, reason))
            else:
                batch.add([candidate])
                self._announce_one(candidate, origin)

    def _was_changed(self, rule: Rule) -> bool:
        """Whether a rule is not any more what was judged."""
        now = self._situation.rules.get(rule.id)
        return now is None or terms_of(now) != terms_of(rule)

    def _is_left_alone(self, rule: Rule) -> bool:
        left = self._draft.left.get(f"{rule.group}#{content_key(rule)}")
        return left is not None and (left.until is None or left.until > self._now)

    def _announce_one(self, candidate: Candidate, origin: Origin) -> None:
        before = self._draft.removals.get(candidate.rule.id)
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
        self._draft.steps.append(Move(removal, candidate.why))
