"""Ids of proposals: pure."""

from datetime import datetime

from berthmaster.batch.model.pipelines import AUTOMATION


def proposal_id(pipeline: str, at: datetime) -> str:
    """The id of a proposal about a pipeline; `approval.decision_parsers` reads such ids. at: in UTC, to the second."""
    return f"{AUTOMATION}.{pipeline}.{at:%Y%m%dT%H%M%SZ}"


def pipeline_of(proposal: str) -> str:
    """The pipeline that the id of a proposal names."""
    return proposal.removeprefix(f"{AUTOMATION}.").rpartition(".")[0]
