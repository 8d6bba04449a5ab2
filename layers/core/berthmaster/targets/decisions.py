"""Operators' decisions on proposed changes; the next reconciliation carries out what was approved."""

from berthmaster.approval import Decision, Outcome, fingerprint, refusal
from berthmaster.errors import InvalidEvent
from berthmaster.notices import Notice
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.plan.changes import ChangeState
from berthmaster.telemetry import logger

_STATES = {Outcome.APPROVED: ChangeState.APPROVED, Outcome.REJECTED: ChangeState.REJECTED}


class Decisions:
    """Saves decisions."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def apply(self, decision: Decision) -> list[Notice]:
        """Save a decision; returns a refusal if it is about other steps than those of the change.

        InvalidEvent if there is no such change.
        """
        change = self._changes.get(decision.proposal)
        if change is None:
            raise InvalidEvent("detail.proposal", f"there is no change {decision.proposal}")
        actual = fingerprint(change.steps)
        if decision.fingerprint and decision.fingerprint != actual:
            reason = f"the fingerprint is {decision.fingerprint}, and that of the proposal is {actual}"
            resources = (change.destination,)
            return [refusal(decision.request, change.id, reason, by=decision.by, resources=resources)]
        decided = self._changes.decide(change, _STATES[decision.outcome], decision.by)
        logger.info("change decided", change=decided.id, state=decided.state, by=decided.by)
        return []
