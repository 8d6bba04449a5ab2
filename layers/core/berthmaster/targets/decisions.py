"""Operators' decisions on proposed changes; the next reconciliation carries out what was approved."""

from berthmaster.approval import Decision, fingerprint
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from berthmaster.notices import Notice
from berthmaster.proposals import Outcome
from berthmaster.requests import About, accepted, refused
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.plan.changes import LIFETIME, Change, ChangeState
from berthmaster.telemetry import logger

_STATES = {Outcome.APPROVED: ChangeState.APPROVED, Outcome.REJECTED: ChangeState.REJECTED}
_HOURS = LIFETIME.total_seconds() // 3600
_FOLLOWS = {
    Outcome.APPROVED: "the next runs of the reconciliation carry out the steps that are still needed",
    Outcome.REJECTED: "its steps are not proposed again for a day",
}


class Decisions:
    """Saves decisions."""

    def __init__(self, clock: Clock, changes: Changes, mode: Mode) -> None:
        self._clock = clock
        self._changes = changes
        self._mode = mode

    def apply(self, decision: Decision) -> Notice:
        """Save a decision; returns the answer to it."""
        change = self._changes.get(decision.proposal)
        if change is None:
            return refused(decision, f"detail.proposal: there is no proposal {decision.proposal}")
        about = About(change.destination_name, (change.destination,))
        if reason := self._why_not(decision, change):
            return refused(decision, reason, about=about)
        if change.state is not ChangeState.PROPOSED:
            return accepted(decision, f"it was {change.state} before by {change.by or 'an operator'}", about=about)
        decided = self._changes.decide(change, _STATES[decision.outcome], decision.by)
        logger.info("change decided", change=decided.id, state=decided.state, by=decided.by)
        return accepted(decision, f"the change is {decided.state}; {_FOLLOWS[decision.outcome]}", about=about)

    def _why_not(self, decision: Decision, change: Change) -> str:
        """Why a decision has no effect; "" if it has one, or had it before."""
        actual = fingerprint(change.steps)
        if decision.fingerprint and decision.fingerprint != actual:
            return f"the fingerprint is {decision.fingerprint}, and that of the proposal is {actual}"
        if change.state is ChangeState.REPORTED:
            return "detail.proposal: it was only reported, because the mode was observe"
        if change.state not in {ChangeState.PROPOSED, _STATES[decision.outcome]}:
            return f"it is {change.state} already, by {change.by or 'an operator'}"
        if not change.is_current(self._clock.now()):
            return f"it has expired after {_HOURS:g} hours; what is still needed is proposed again"
        if decision.outcome is Outcome.APPROVED and self._mode is Mode.OBSERVE:
            return "the mode is observe"
        return ""
