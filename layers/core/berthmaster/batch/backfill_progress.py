"""Backfills go on by messages of batch_control to itself, some seconds each, so that requests do not wait.

Each message names the version of the backfill's record, so that a copy of it changes nothing; and batch_reconcile has a
message sent for a backfill on which nobody has worked for a minute.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.approval import fingerprint
from berthmaster.batch.backfill_estimates import BackfillEstimates
from berthmaster.batch.backfill_records import AT_ONCE, BackfillRecords
from berthmaster.batch.backfilling import Backfilling
from berthmaster.batch.control_triggers import BackfillFiles
from berthmaster.batch.ledger.proposals import Proposals
from berthmaster.batch.model.backfills import Backfill, Stage
from berthmaster.batch.model.orders import Action, Change
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.proposals import Kind, Proposal
from berthmaster.batch.orders import Orders
from berthmaster.batch.plan.backfills import MOST_BEHIND, begun, effect, moved_to, proposed
from berthmaster.batch.plan.intake import NOT_PROCESSING
from berthmaster.batch.report.backfills import backfill_cancelled, backfill_completed, backfill_proposed
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.items import Conflict
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.proposals import Outcome
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

SLICE = timedelta(seconds=20)
"""For so long an invocation works on a backfill: requests wait meanwhile."""
LEAST_TIME = timedelta(seconds=20)
"""With less time left in an invocation, no more objects are listed: some thousand take some seconds to be received."""
LOST_AFTER = timedelta(seconds=50)
"""A backfill on which nobody has worked for so long goes on by a new message."""
WITHOUT_ROOM = timedelta(seconds=20)
"""After which is looked whether files were launched that waited behind."""
AFTER_FAILURE = timedelta(seconds=30)
PROPOSAL_LIFETIME = timedelta(days=7)


class BackfillProgress:
    """Carries backfills on."""

    def __init__(
        self,
        settings: ControlSettings,
        clients: Clients,
        clock: Clock,
        records: BackfillRecords,
        *,
        switch: Switch,
        notices: Notices,
        orders: Orders,
    ) -> None:
        dynamodb, table = clients.dynamodb, settings.batch_table
        self._mode = settings.batch_mode
        self._bus = settings.event_bus
        self._region = clients.region
        self._clock = clock
        self._records = records
        self._switch = switch
        self._notices = notices
        self._orders = orders
        self._proposals = Proposals(dynamodb, table)
        self._leases = Leases(dynamodb, table)
        self._estimates = BackfillEstimates(settings, clients, clock)
        self._working = Backfilling(clients, clock, table=table, mode=settings.batch_mode, kept_for=settings.kept_for)

    def heal(self) -> None:
        """Send a message for backfills that have none any more, and look for decisions whose invocation has died."""
        now = self._clock.now()
        for found in self._records.all():
            if (found.goes_on or not found.reported) and now - found.carried_on_at > LOST_AFTER:
                self._records.send(found)
            elif found.stage is Stage.PROPOSED and now - found.stage_since > LOST_AFTER:
                proposal = self._proposals.get(found.id)
                if proposal and proposal.verdict is Outcome.APPROVED:
                    self._records.send(self._records.save(begun(found, now)))
                elif proposal is None or proposal.verdict or now > proposal.expires_at:
                    ended = moved_to(found, Stage.CANCELLED, now, reason="it was not approved")
                    self._records.save(replace(ended, reported=True))

    def carry_on(self, message: BackfillFiles, invocation: Invocation) -> None:
        """Go on with a backfill for some seconds; one invocation at a time does."""
        until = min(self._clock.now() + SLICE, invocation.deadline - LEAST_TIME)
        with self._leases.held(f"backfill {message.pipeline}", invocation, self._clock) as is_alone:
            found = self._records.get(message.pipeline) if is_alone else None
            if found is None or found.version != message.version:
                logger.info("backfill not gone on with", pipeline=message.pipeline, alone=is_alone)
                return
            try:
                found = self._records.save(replace(found, carried_on_at=self._clock.now()))
                wait = self._work(found, until)
            except Conflict as error:
                logger.info("backfill was changed meanwhile", pipeline=message.pipeline, reason=str(error))
                wait = AT_ONCE
            if wait is not None and (found := self._records.get(message.pipeline)):
                self._records.send(found, wait)

    def _work(self, found: Backfill, until: datetime) -> timedelta | None:
        """After what time to go on; None if `heal` finds out when."""
        pipeline = self._records.in_force(found.pipeline)
        found = self._ended(found, pipeline)
        if found.goes_on:
            if pipeline is None or (reason := self._why_waits(found)):
                logger.info("backfill waits", backfill=found.id, reason=reason if pipeline else "no pipeline in force")
                return None
            if not self._working.is_ready(found, until):
                return AT_ONCE
            step = self._count if found.stage is Stage.COUNTING else self._receive
            found, wait = step(found, pipeline, until)
            if found.goes_on:
                return wait
        self._working.forget(found.pipeline)
        self._report(found)
        return None

    def _ended(self, found: Backfill, pipeline: Pipeline | None) -> Backfill:
        """The backfill, ended if an operator has cancelled it, or if its objects are not the pipeline's any more."""
        now = self._clock.now()
        if found.stage is Stage.CANCELLING:
            # Nobody receives files of it any more: those that wait are cancelled as others are.
            change = Change(action=Action.CANCEL, by=found.cancelled_by, id=found.cancel_id, at=now)
            self._orders.cancel_behind(found.pipeline, change)
            return self._records.save(moved_to(found, Stage.CANCELLED, now, reason=found.reason))
        if found.goes_on and pipeline and pipeline.input != found.source:
            reason = "the input of its pipeline has changed"
            return self._records.save(moved_to(found, Stage.CANCELLED, now, reason=reason))
        return found

    def _why_waits(self, backfill: Backfill) -> str:
        """Why nothing is done now; empty if there is no reason."""
        if self._mode is Mode.OFF or (backfill.stage is Stage.RUNNING and self._mode is Mode.OBSERVE):
            return f"the mode is {self._mode}"
        return self._switch.reason()

    def _count(self, found: Backfill, pipeline: Pipeline, until: datetime) -> tuple[Backfill, timedelta]:
        """Count objects until time is over, or all are counted."""
        while not found.is_listed:
            if self._clock.now() > until:
                return found, AT_ONCE
            found = self._records.save(self._working.count(found, until))
        return self._propose(found, pipeline), AT_ONCE

    def _propose(self, found: Backfill, pipeline: Pipeline) -> Backfill:
        """All is counted."""
        now = self._clock.now()
        planned = replace(found, planned=found.counted)
        shown = fingerprint(effect(planned, pipeline))
        self._proposals.make(
            Proposal(
                id=found.id,
                kind=Kind.BACKFILL,
                pipeline=found.pipeline,
                fingerprint=shown,
                made_at=now,
                expires_at=now + PROPOSAL_LIFETIME,
            )
        )
        return self._records.save(
            proposed(found, now, fingerprint=shown, expected=self._estimates.of(pipeline, found.counted))
        )

    def _receive(self, found: Backfill, pipeline: Pipeline, until: datetime) -> tuple[Backfill, timedelta | None]:
        """Receive files until time or room is over; with the time after which to go on."""
        room = MOST_BEHIND - self._working.count_behind(found.pipeline)
        while not found.is_listed:
            if self._clock.now() > until or self._switch.reason():
                return found, AT_ONCE
            if room <= 0 and not found.page_until:
                return found, WITHOUT_ROOM
            before = found.counted.files
            found = self._working.receive(found, pipeline, until, room=room, save=self._records.save)
            if found.tries:
                return found, AFTER_FAILURE
            room -= found.counted.files - before
        if self._working.count_behind(found.pipeline):
            return found, None
        return self._records.save(moved_to(found, Stage.COMPLETED, self._clock.now())), None

    def _report(self, found: Backfill) -> None:
        if found.reported:
            return
        match found.stage:
            case Stage.PROPOSED:
                is_observing = self._mode in NOT_PROCESSING
                notice = backfill_proposed(found, bus=self._bus, region=self._region, is_observing=is_observing)
            case Stage.COMPLETED:
                notice = backfill_completed(found)
            case _:
                notice = backfill_cancelled(found)
        self._notices.publish([notice])
        self._records.save(replace(found, reported=True))
