"""Proposals and decisions about them: pure."""

from dataclasses import replace
from datetime import datetime

from berthmaster.batch.model.pipelines import AUTOMATION
from berthmaster.batch.model.proposals import Proposal, Verdict


def proposal_id(pipeline: str, at: datetime) -> str:
    """The id of a proposal about a pipeline; `approval.decision_parsers` reads such ids. at: in UTC, to the second."""
    return f"{AUTOMATION}.{pipeline}.{at:%Y%m%dT%H%M%SZ}"


def pipeline_of(proposal: str) -> str:
    """The pipeline that the id of a proposal names."""
    return proposal.removeprefix(f"{AUTOMATION}.").rpartition(".")[0]


def why_not(proposal: Proposal, verdict: Verdict, fingerprint: str, now: datetime) -> str:
    """Why a decision does not count, whatever the proposal is about; empty if it does.

    fingerprint: as the operator has named it; empty if not.
    """
    if fingerprint and fingerprint != proposal.fingerprint:
        return f"the fingerprint is {fingerprint}, and that of the proposal is {proposal.fingerprint}"
    if proposal.verdict is not None:
        same = proposal.verdict is verdict
        return "" if same else f"it was {proposal.verdict} before by {proposal.decided_by or 'an operator'}"
    if proposal.superseded:
        return proposal.superseded
    if verdict is Verdict.APPROVED and now >= proposal.expires_at:
        return f"it could be approved until {proposal.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def decided(proposal: Proposal, verdict: Verdict, by: str, now: datetime) -> Proposal:
    """The proposal as it is to be written."""
    return replace(proposal, verdict=verdict, decided_by=by, decided_at=now)
