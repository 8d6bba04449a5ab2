"""batch_control: parameters that have changed, and requests of operators."""

from collections.abc import Mapping
from datetime import timedelta

from berthmaster.answering import Answering
from berthmaster.approval import Decision
from berthmaster.batch.backfill_progress import BackfillProgress
from berthmaster.batch.backfill_records import BackfillRecords
from berthmaster.batch.backfill_requests import BackfillRequest, CancelBackfill
from berthmaster.batch.backfills import Backfills
from berthmaster.batch.budgets import BudgetDecisions
from berthmaster.batch.control_triggers import (
    BackfillFiles,
    ChangeFiles,
    CheckPipelines,
    ReportUnfinished,
    Trigger,
    read,
)
from berthmaster.batch.controls import ControlsKeeping
from berthmaster.batch.decisions import Decisions
from berthmaster.batch.file_requests import ChangeRequest, StatusRequest
from berthmaster.batch.file_status import FileStatus
from berthmaster.batch.ledger.controls import Controls
from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.proposals import Proposals
from berthmaster.batch.model.pipelines import AUTOMATION
from berthmaster.batch.model.proposals import Kind
from berthmaster.batch.orders import Orders
from berthmaster.batch.registry import LEAST_TIME, NotYet, Registry
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notice, Notices
from berthmaster.own_queue import LONGEST_DELAY, OwnQueue
from berthmaster.requests import Request, Unreadable
from berthmaster.switch import Switch, SwitchRequest
from berthmaster.telemetry import logger

LOOKED_AT_AGAIN = timedelta(seconds=3)
"""After which a parameter is tried again that could not be checked."""
WITHOUT_TIME = timedelta(seconds=1)


class Control:
    """What batch_control does with one batch of messages."""

    def __init__(self, settings: ControlSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._mode = settings.batch_mode
        self._index = FileIndex(clients.dynamodb, settings.batch_table)
        self._pipelines = Pipelines(clients.dynamodb, settings.batch_table, clock)
        self._queue = OwnQueue(clients, clock, settings.batch_control_queue_url)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        self._answering = Answering(self._notices, self._queue, clock)
        self._switch = Switch(
            clients.dynamodb, clock, table=settings.batch_table, automation=AUTOMATION, mode=settings.batch_mode
        )
        self._status = FileStatus(settings, clients, clock, self._switch, self._notices)
        self._orders = Orders(settings, clients, clock, self._switch, self._notices)
        records = BackfillRecords(settings, clients, clock)
        self._backfills = Backfills(settings, clients, clock, records)
        self._progress = BackfillProgress(
            settings, clients, clock, records, switch=self._switch, notices=self._notices, orders=self._orders
        )
        self._decisions = Decisions(
            Proposals(clients.dynamodb, settings.batch_table),
            clock,
            {Kind.BACKFILL: self._backfills, Kind.BUDGET: BudgetDecisions()},
        )
        self._controls = ControlsKeeping(
            Controls(clients.dynamodb, settings.batch_table),
            pipelines=self._pipelines,
            switch=self._switch,
            mode=settings.batch_mode,
        )
        self._registry = Registry(
            clients,
            clock,
            pipelines=self._pipelines,
            allowed=settings.allowed(clients.region),
            leases=Leases(clients.dynamodb, settings.batch_table),
            notices=self._notices,
        )

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""
        triggers: dict[str, Trigger | Unreadable] = {}
        failed: dict[str, Exception] = {}
        for message, body in bodies.items():
            try:
                triggers[message] = read(body)
            except Exception as error:  # noqa: BLE001 - one message does not stop the others
                failed[message] = error
        for message, trigger in sorted(triggers.items(), key=lambda one: _urgency(one[1])):
            try:
                self._handle(trigger, bodies[message], invocation)
            except Exception as error:  # noqa: BLE001 - one message does not stop the others
                failed[message] = error
        return failed

    def _handle(self, trigger: Trigger | Unreadable, body: str, invocation: Invocation) -> None:
        if isinstance(trigger, Request):
            self._answering.answer(trigger, body, self._answer_to)
        elif isinstance(trigger, CheckPipelines):
            failures = Failures()
            with failures.collect("orders not looked at"):
                self._orders.heal()
            with failures.collect("backfills not looked at"):
                self._progress.heal()
            with failures.collect("pipelines not checked"):
                self._registry.refresh(invocation)
            with failures.collect("permission to claim not written"):
                self._controls.keep_all()
            failures.raise_all("not everything was checked")
        elif isinstance(trigger, ReportUnfinished):
            self._report_unfinished(body)
        elif isinstance(trigger, ChangeFiles):
            self._orders.carry_on(trigger.order, invocation)
        elif isinstance(trigger, BackfillFiles):
            self._progress.carry_on(trigger, invocation)
        elif invocation.time_left(self._clock.now()) < LEAST_TIME:
            # A message that failed would be received again only after the queue's visibility timeout.
            self._queue.defer(body, WITHOUT_TIME)
        else:
            try:
                self._registry.update(trigger.pipeline, invocation, is_deleted=trigger.is_deleted)
                self._controls.keep(trigger.pipeline)
            except NotYet as error:
                logger.info("parameter is looked at later", pipeline=trigger.pipeline, reason=str(error))
                self._queue.defer(body, LOOKED_AT_AGAIN)

    def _report_unfinished(self, body: str) -> None:
        """Report what the mode has left, and again in 15 minutes, until it is finished in another mode."""
        if self._mode is not Mode.OFF:
            return
        self._controls.keep_all()
        names = [one.name for one in self._pipelines.records()]
        in_flight = sum(self._index.count(Section.in_flight(name)) for name in names)
        waiting = sum(
            self._index.count(section) for name in names for section in (Section.waiting(name), Section.behind(name))
        )
        if in_flight or waiting:
            self._switch.leave_unfinished(f"{in_flight} files in flight, and {waiting} that wait")
            self._queue.defer(body, LONGEST_DELAY)

    # Requests

    def _answer_to(self, request: Request) -> Notice:
        """Do what a request asks for, and return what to answer."""
        match request:
            case Unreadable():
                return request.answer()
            case SwitchRequest():
                notice = self._switch.apply(request)
                # It counts already; what is not written here is by the next check of all pipelines.
                with Failures().collect("permission to claim not written"):
                    self._controls.keep_all()
                return notice
            case StatusRequest():
                return self._status.answer(request)
            case ChangeRequest():
                return self._orders.answer(request)
            case BackfillRequest():
                return self._backfills.answer(request)
            case CancelBackfill():
                return self._backfills.cancel(request)
            case Decision():
                return self._decisions.answer(request)
            case _:
                raise TypeError(request)


def _urgency(trigger: Trigger | Unreadable) -> int:
    """The place of a message among those received with it: pauses and resumes, then requests, then the rest."""
    if isinstance(trigger, SwitchRequest):
        return 0
    if isinstance(trigger, Request):
        return 1
    return 3 if isinstance(trigger, ChangeFiles | BackfillFiles) else 2
