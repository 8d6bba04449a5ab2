"""Operators' decisions on proposals, and proposals to restore a rule that may be missed."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.approval import Decision, stamp
from berthmaster.items import Conflict, without_conflict
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.proposals import Outcome
from berthmaster.requests import About, accepted, refused
from berthmaster.security_groups.change_triggers import PLAN_REMOVALS
from berthmaster.security_groups.ledger.proposals import Proposals
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Proposal, ProposalKind, Removal
from berthmaster.security_groups.plan.freeze import why_frozen
from berthmaster.security_groups.plan.removal_approval import LIFETIME, fingerprint
from berthmaster.security_groups.report.removal_notices import restore_proposed
from berthmaster.security_groups.restore_commands import RESTORE_RULES, ProposeRestore, approved_restore
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.notices import Notice, Notices
    from berthmaster.security_groups.settings import ChangeSettings
    from berthmaster.switch import Switch

NOW = timedelta()
TRIES = 5
NOT_AGAIN_FOR = timedelta(days=7)
"""That a rule be restored is not proposed again for so long after people have rejected it."""
_FOLLOWS = {
    (ProposalKind.REMOVE, Outcome.APPROVED): (
        "the plan is made again, and the window replayed without its rules; Rule Quarantined follows for each, or"
        " Proposal Superseded if it does not stand any more"
    ),
    (ProposalKind.REMOVE, Outcome.REJECTED): "its rules stay, and are not announced again until a window has passed",
    (ProposalKind.RESTORE, Outcome.APPROVED): "the rule is being restored; Rule Restored follows",
    (ProposalKind.RESTORE, Outcome.REJECTED): f"it is not proposed again for {NOT_AGAIN_FOR.days} days",
}


class ChangeDecisions:
    """Saves decisions and has them carried out; makes proposals to restore rules."""

    def __init__(
        self, settings: "ChangeSettings", clients: "Clients", clock: "Clock", *, switch: "Switch", notices: "Notices"
    ) -> None:
        table = settings.security_groups_table
        self._mode = settings.security_groups_mode
        self._frozen = settings.freeze_windows
        self._clock = clock
        self._switch = switch
        self._notices = notices
        self._place = settings.place
        self._proposals = Proposals(clients.dynamodb, table)
        self._removals = Removals(clients.dynamodb, table)
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)

    def decide(self, decision: Decision) -> "Notice":
        """Save a decision and have it carried out; returns the answer to it."""
        return without_conflict(lambda: self._decide(decision), tries=TRIES)

    def _decide(self, decision: Decision) -> "Notice":
        proposal = self._proposals.get(decision.proposal)
        if proposal is None:
            return refused(decision, f"detail.proposal: there is no proposal {decision.proposal}")
        outcome, now = decision.outcome, self._clock.now()
        about = About(proposal.group, (proposal.group, *proposal.rules))
        if reason := self._why_not(decision, proposal):
            return refused(decision, reason, about=about)
        follows = _FOLLOWS[proposal.kind, outcome]
        if proposal.verdict is outcome:
            self._carry_out(proposal)
            return accepted(decision, f"it was {outcome} before by {proposal.decider}; {follows}", about=about)
        decided = self._proposals.save(proposal.decided(outcome, decision.by, now))
        logger.info("proposal decided", proposal=decided.id, verdict=outcome, by=decided.decided_by)
        self._carry_out(decided)
        return accepted(decision, f"it is {outcome}: {follows}{self._later(decided)}", about=about)

    def _why_not(self, decision: Decision, proposal: Proposal) -> str:
        """Why a decision has no effect; empty if it has one, or had it before."""
        if self._mode is Mode.OFF:
            return "the mode is off"
        if proposal.superseded:
            return f"it does not stand any more: {proposal.superseded}"
        if reason := proposal.why_not(decision.outcome, decision.fingerprint, self._clock.now()):
            return reason
        if decision.outcome is Outcome.REJECTED or proposal.kind is ProposalKind.RESTORE:
            return ""
        if self._mode is Mode.OBSERVE:
            return "the mode is observe"
        return self._switch.reason()

    def _carry_out(self, proposal: Proposal) -> None:
        if proposal.kind is ProposalKind.REMOVE:
            self._queue.send(PLAN_REMOVALS, {}, NOW)
        elif proposal.verdict is Outcome.APPROVED:
            self._queue.send(RESTORE_RULES, approved_restore(proposal), NOW)

    def _later(self, proposal: Proposal) -> str:
        is_removal = proposal.kind is ProposalKind.REMOVE and proposal.verdict is Outcome.APPROVED
        reason = why_frozen(self._frozen, self._clock.now()) if is_removal else ""
        return f", after the freeze, since {reason}" if reason else ""

    # Restores

    def propose_restore(self, wanted: ProposeRestore) -> None:
        """Ask people whether a rule is to be restored, unless they are being asked, or have said no."""
        removal = self._removals.get(wanted.group, wanted.rule)
        if removal is None or not removal.state.is_watched:
            logger.info("restore not proposed", rule=wanted.rule, reason="the rule is not being removed")
        elif self._is_proposed(removal):
            logger.info("restore not proposed", rule=wanted.rule, reason="it is proposed, or was rejected")
        else:
            with suppress(Conflict):
                self._propose(removal, wanted.why)

    def _is_proposed(self, removal: Removal) -> bool:
        now = self._clock.now()
        for one in self._proposals.of(removal.rule.id):
            if one.superseded:
                continue
            if one.verdict is None and now < one.expires_at:
                return True
            if one.decided_at and now - one.decided_at < NOT_AGAIN_FOR:
                return True
        return False

    def _propose(self, removal: Removal, why: str) -> None:
        now = self._clock.now()
        proposal = self._proposals.save(
            Proposal(
                id=f"security_groups.{removal.rule.id}.{stamp(now)}",
                kind=ProposalKind.RESTORE,
                group=removal.rule.group,
                rules=(removal.rule.id,),
                fingerprint=fingerprint([removal.rule]),
                made_at=now,
                expires_at=now + LIFETIME,
                why=why,
                unpublished=True,
            )
        )
        self._notices.publish([restore_proposed(proposal, removal, self._place)])
        self._proposals.save(replace(proposal, unpublished=False))
