"""Proposal Approved and Proposal Rejected.

A decision is written before it has its effect, so that of two that contradict each other one counts. A copy of it has
the effect again, which changes nothing: so a decision whose invocation died takes effect when it is received again.
"""

from collections.abc import Mapping
from typing import Protocol

from berthmaster.approval import Decision
from berthmaster.batch.ledger.proposals import Proposals
from berthmaster.batch.model.proposals import Kind, Proposal
from berthmaster.batch.plan.proposals import pipeline_of
from berthmaster.clock import Clock
from berthmaster.items import without_conflict
from berthmaster.notices import Notice
from berthmaster.proposals import Outcome
from berthmaster.requests import About, accepted, refused

TRIES = 5


class Decided(Protocol):
    """What is made of decisions about proposals of one kind."""

    def why_not(self, proposal: Proposal) -> str:
        """Why it cannot be approved now, as a sentence without a full stop; empty if it can."""

    def approved(self, proposal: Proposal) -> str:
        """Begin what was approved, if it was not begun; returns what is said of it, without a full stop."""

    def rejected(self, proposal: Proposal) -> str:
        """End what was rejected, if it was not ended; returns what is said of it, without a full stop."""


class Decisions:
    """Answers decisions of operators."""

    def __init__(self, proposals: Proposals, clock: Clock, kinds: Mapping[Kind, Decided]) -> None:
        self._proposals = proposals
        self._clock = clock
        self._kinds = kinds

    def answer(self, decision: Decision) -> Notice:
        """Write down what was decided, and have it done; returns what to answer."""
        about = About(name=pipeline_of(decision.proposal))
        found = without_conflict(lambda: self._decide(decision), tries=TRIES)
        if isinstance(found, str):
            return refused(decision, found, about=about)
        kind = self._kinds[found.kind]
        text = kind.approved(found) if found.verdict is Outcome.APPROVED else kind.rejected(found)
        return accepted(decision, text, about=about)

    def _decide(self, decision: Decision) -> Proposal | str:
        """The proposal as it was decided, or why the decision does not count."""
        proposal = self._proposals.get(decision.proposal)
        if proposal is None:
            return f"there is no proposal {decision.proposal}"
        outcome, now = decision.outcome, self._clock.now()
        if reason := proposal.why_not(outcome, decision.fingerprint, now):
            return reason
        if proposal.verdict is not None:
            return proposal
        if outcome is Outcome.APPROVED and (reason := self._kinds[proposal.kind].why_not(proposal)):
            return reason
        return self._proposals.save(proposal.decided(outcome, decision.by, now))
