"""Backfills: what was in a pipeline's input before is counted, proposed, and processed if an operator approves.

Here are requests and decisions; `backfill_progress` does the rest. A pipeline has one backfill at a time.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.approval import fingerprint
from berthmaster.batch.backfill_records import BackfillRecords
from berthmaster.batch.backfill_requests import BackfillRequest, CancelBackfill
from berthmaster.batch.file_status import why_unknown
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.proposals import Proposals
from berthmaster.batch.model.backfills import Backfill, Stage
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.proposals import Proposal
from berthmaster.batch.plan.backfills import begun, effect, moved_to, prefix_of
from berthmaster.batch.plan.intake import NOT_PROCESSING
from berthmaster.batch.plan.proposals import pipeline_of, proposal_id
from berthmaster.batch.plan.sweep import LISTED_AFTER
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Conflict, without_conflict
from berthmaster.modes import Mode
from berthmaster.notices import Notice
from berthmaster.requests import accepted, refused
from berthmaster.telemetry import logger

TRIES = 10


class Backfills:
    """Answers requests and decisions about backfills."""

    def __init__(self, settings: ControlSettings, clients: Clients, clock: Clock, records: BackfillRecords) -> None:
        dynamodb, table = clients.dynamodb, settings.batch_table
        self._mode = settings.batch_mode
        self._clock = clock
        self._records = records
        self._pipelines = Pipelines(dynamodb, table, clock)
        self._proposals = Proposals(dynamodb, table)

    # Requests

    def answer(self, request: BackfillRequest) -> Notice:
        """Begin to count what a request names; returns what to answer."""
        return without_conflict(lambda: self._begin(request), tries=TRIES)

    def _begin(self, request: BackfillRequest) -> Notice:
        pipeline, known = self._records.in_force(request.pipeline), self._records.get(request.pipeline)
        if known and known.request_id == request.id:
            return self._counts(request, known)
        prefix = prefix_of(pipeline.input, request.prefix) if pipeline else None
        if pipeline is None or prefix is None or (known and known.goes_on) or self._mode is Mode.OFF:
            return refused(request, self._why_not_begun(request, pipeline, known, prefix))
        if known and request.time < known.requested_at:
            return refused(request, f"a request that was sent later has been carried out: {known.id}")
        latest = request.time - LISTED_AFTER
        wanted = self._new(pipeline, prefix, request.id, request.time, version=known.version if known else 0)
        until = min(request.until or latest, latest)
        saved = self._records.save(replace(wanted, by=request.by, since=request.since, until=until))
        if known and known.stage is Stage.PROPOSED:
            self._supersede(known, f"another backfill was requested, {saved.id}")
        return self._counts(request, saved)

    def _why_not_begun(
        self, request: BackfillRequest, pipeline: Pipeline | None, known: Backfill | None, prefix: str | None
    ) -> str:
        if self._mode is Mode.OFF:
            return "the mode is off, so nothing would be launched"
        if reason := why_unknown(self._pipelines, request.pipeline):
            return reason
        if pipeline is None:
            return f"the pipeline {request.pipeline} is not in force, so nothing would be launched"
        if prefix is None:
            return f"detail.prefix: no object of the pipeline begins so, whose input has {pipeline.input.prefix!r}"
        return f"the backfill {known.id} is {known.stage}: cancel it before, by its id" if known else ""

    def _new(self, pipeline: Pipeline, prefix: str, request_id: str, at: datetime, *, version: int) -> Backfill:
        """One whose objects are to be counted, those modified by `at`. version: of the record that it replaces."""
        now = self._clock.now()
        return Backfill(
            pipeline=pipeline.name,
            id=self._free_id(pipeline.name, now),
            request_id=request_id,
            requested_at=at,
            source=pipeline.input,
            prefix=prefix,
            until=at,
            stage_since=now,
            carried_on_at=now,
            version=version,
        )

    def _counts(self, request: BackfillRequest, backfill: Backfill) -> Notice:
        self._records.send(backfill)
        text = f"the objects of the backfill {backfill.id} are being counted; Backfill Proposed follows"
        return accepted(request, text)

    def _free_id(self, pipeline: str, now: datetime) -> str:
        """Of a proposal that there is none with yet; a budget may have been proposed in the same second."""
        while self._proposals.get(found := proposal_id(pipeline, now)):
            now += timedelta(seconds=1)
        return found

    def cancel(self, request: CancelBackfill) -> Notice:
        """End a backfill; returns what to answer."""
        return without_conflict(lambda: self._cancel(request), tries=TRIES)

    def _cancel(self, request: CancelBackfill) -> Notice:
        found = self._records.get(pipeline_of(request.backfill))
        if found is None or found.id != request.backfill:
            return refused(request, f"there is no backfill {request.backfill}, or a later one has taken its place")
        now = self._clock.now()
        match found.stage:
            case Stage.COMPLETED:
                return refused(request, "it is completed")
            case Stage.CANCELLED:
                return accepted(request, f"it was cancelled before: {found.reason}")
            case Stage.COUNTING | Stage.PROPOSED:
                reason = f"cancelled by {request.by or 'an operator'}"
                ended = self._records.save(replace(moved_to(found, Stage.CANCELLED, now, reason=reason), reported=True))
                self._supersede(ended, f"the backfill was {reason}")
                return accepted(request, "it is cancelled, and nothing of it was received")
            case Stage.RUNNING:
                ended = moved_to(found, Stage.CANCELLING, now, reason=f"cancelled by {request.by or 'an operator'}")
                found = self._records.save(replace(ended, cancel_id=request.id, cancelled_by=request.by))
        self._begun(found)
        text = "no more files of it are received, and those that wait behind others are cancelled; tasks that run go on"
        return accepted(request, text)

    # Decisions

    def why_not(self, proposal: Proposal) -> str:
        """Why a backfill cannot be approved; one whose pipeline has changed since is counted and proposed anew."""
        if self._mode in NOT_PROCESSING:
            return f"the mode is {self._mode}, so nothing would be launched"
        found = self._records.get(proposal.pipeline)
        if found is None or found.id != proposal.id or found.stage is not Stage.PROPOSED:
            return "the backfill has ended, or another one has taken its place"
        pipeline = self._records.in_force(proposal.pipeline)
        if pipeline is None:
            return f"the pipeline {proposal.pipeline} is not in force, so nothing would be launched"
        if not found.planned.files:
            return "there is nothing to do"
        if pipeline.input == found.source and fingerprint(effect(found, pipeline)) == proposal.fingerprint:
            return ""
        return self._propose_anew(found, pipeline)

    def _propose_anew(self, found: Backfill, pipeline: Pipeline) -> str:
        reason = "the document of the pipeline has changed since"
        prefix = prefix_of(pipeline.input, found.prefix)
        if prefix is None:
            return f"{reason}, and its input has no such objects: request another backfill"
        wanted = self._new(pipeline, prefix, found.request_id, found.requested_at, version=found.version)
        saved = self._begun(self._records.save(replace(wanted, by=found.by, since=found.since, until=found.until)))
        self._supersede(found, f"{reason}: {saved.id} is proposed instead")
        return f"{reason}: its objects are counted again, and {saved.id} is proposed then"

    def approved(self, proposal: Proposal) -> str:
        """Begin with a backfill, if that was not done before."""
        return without_conflict(lambda: self._approve(proposal), tries=TRIES)

    def _approve(self, proposal: Proposal) -> str:
        found = self._records.get(proposal.pipeline)
        if found is None or found.id != proposal.id:
            return "it was approved before, and another backfill has taken its place"
        if found.stage is not Stage.PROPOSED:
            return f"it was approved before, and is {found.stage}"
        self._begun(self._records.save(begun(found, self._clock.now())))
        return (
            f"{found.planned.files:,} files are received, and wait behind all that come meanwhile; Backfill Completed"
            " follows when the last of them is launched"
        )

    def rejected(self, proposal: Proposal) -> str:
        """End a backfill, if that was not done before."""
        return without_conflict(lambda: self._reject(proposal), tries=TRIES)

    def _reject(self, proposal: Proposal) -> str:
        found = self._records.get(proposal.pipeline)
        if found and found.id == proposal.id and found.stage is Stage.PROPOSED:
            by = proposal.decider
            ended = moved_to(found, Stage.CANCELLED, self._clock.now(), reason=f"rejected by {by}")
            self._records.save(replace(ended, reported=True))
        return "it is rejected, and nothing of it is received"

    def _begun(self, backfill: Backfill) -> Backfill:
        self._records.send(backfill)
        return backfill

    def _supersede(self, backfill: Backfill, reason: str) -> None:
        """Let its proposal say why it cannot be approved any more."""
        proposal = self._proposals.get(backfill.id)
        if proposal and not proposal.verdict and not proposal.superseded:
            try:
                self._proposals.save(replace(proposal, superseded=reason))
            except Conflict:
                logger.info("proposal was decided meanwhile", proposal=proposal.id)
