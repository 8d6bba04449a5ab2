"""What is gone on with: rules that turn out to be needed are restored, others revoked, and their removals closed."""

from berthmaster.security_groups.model.removals import Ground, Removal, RemovalState
from berthmaster.security_groups.plan.keeping import is_managed, why_kept
from berthmaster.security_groups.plan.redundancy import is_covered
from berthmaster.security_groups.plan.removal_batch import Batch
from berthmaster.security_groups.plan.removal_draft import Draft
from berthmaster.security_groups.plan.removal_progress import is_as_it_was


class Finish:
    """Looks at rules that were quarantined or revoked."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._situation = draft.situation
        self._now = draft.situation.now

    def give_back(self) -> None:
        """Restore what turned out to be needed, or is to be kept."""
        gone = self._draft.gone()
        needed = self._situation.needed(gone)
        staying = [one for one in self._situation.rules.values() if one.id not in gone]
        for one in list(self._draft.removals.values()):
            if one.state not in {RemovalState.QUARANTINED, RemovalState.REVOKED} or is_as_it_was(one):
                continue
            if one.rule.id in needed:
                self._draft.move(
                    one, RemovalState.RESTORING, "records that came later show that conversations needed it"
                )
            elif one.candidate.ground is Ground.COVERED and not is_covered(one.rule, staying):
                self._draft.move(
                    one, RemovalState.RESTORING, "the rules that allowed all of it are gone or were changed"
                )
            elif one.state is RemovalState.QUARANTINED and (why := self._kept_in_quarantine(one)):
                self._draft.move(one, RemovalState.RESTORING, f"it is to be kept: {why}")

    def _kept_in_quarantine(self, removal: Removal) -> str:
        rule, group = self._situation.rules[removal.rule.id], self._situation.groups[removal.rule.group]
        return why_kept(rule, group, self._now.date())

    def finish(self) -> None:
        """Revoke what was in quarantine for long enough, and close what was revoked for long enough."""
        for one in self._draft.due(RemovalState.QUARANTINED, RemovalState.REVOKED):
            is_quarantined = one.state is RemovalState.QUARANTINED
            reason = self._why_not_finished(one)
            if reason:
                # Nobody sees what is rejected: such a rule is not removed in the end.
                self._draft.wait(one, reason, RemovalState.RESTORING if is_quarantined else RemovalState.CLOSED)
                continue
            if not is_quarantined:
                self._draft.move(one, RemovalState.CLOSED, "nothing was rejected that it would have allowed")
                continue
            if reason := self._draft.why_not_now() or self._draft.allowance.why_not(one):
                self._draft.wait(one, reason, None)
                continue
            self._draft.allowance.take(one)
            self._draft.move(
                one,
                RemovalState.REVOKING,
                "nothing was rejected that it would have allowed",
                revoke_intended_at=self._now,
                due_at=self._now,
            )

    def _why_not_finished(self, removal: Removal) -> str:
        if is_as_it_was(removal):
            return self._why_not_revoked_directly(removal)
        if removal.state is RemovalState.QUARANTINED and not is_managed(self._situation.groups[removal.rule.group]):
            return "the group is not managed any more, so nothing may be written to it"
        return "" if removal.candidate.ground is Ground.COVERED else self._situation.unwatched(removal)

    def _why_not_revoked_directly(self, removal: Removal) -> str:
        candidate = self._draft.standing.get(removal.rule.id)
        if candidate is None:
            return "it is not proven that it is unused"
        return Batch(self._situation, self._draft.gone()).why_not([candidate])
