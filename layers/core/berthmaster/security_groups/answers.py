"""security_groups_report: requests of operators, reports, and backfills, one message after the other."""

from collections.abc import Mapping
from datetime import timedelta

from berthmaster.answering import Answering
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.notices import Notice, Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import Request, Unreadable, accepted, refused
from berthmaster.security_groups.backfill import Backfills
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.ledger.report_store import ReportStore
from berthmaster.security_groups.model.automation import AUTOMATION
from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.report.answers import rule_status
from berthmaster.security_groups.report_triggers import (
    WRITE_REPORT,
    BackfillRequest,
    FindObjects,
    ReportRequest,
    StatusRequest,
    Trigger,
    read,
)
from berthmaster.security_groups.reporting import Reporting
from berthmaster.security_groups.settings import ReportSettings
from berthmaster.switch import Switch, SwitchRequest

NOW = timedelta()
WRITTEN_WITHIN = timedelta(minutes=30)
"""A report takes some minutes, and longer after a backfill."""


class Answers:
    """What security_groups_report does with one batch of messages, and each day."""

    def __init__(self, settings: ReportSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._has_logs = bool(settings.flow_log_buckets)
        self._queue = OwnQueue(clients, clock, settings.security_groups_report_queue_url)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        self._answering = Answering(self._notices, self._queue, clock)
        self._switch = Switch(
            clients.dynamodb,
            clock,
            table=settings.security_groups_table,
            automation=AUTOMATION,
            mode=settings.security_groups_mode,
        )
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._reports = ReportStore(clients.s3, settings.evidence_bucket)
        self._reporting = Reporting(settings, clients, clock, switch=self._switch, notices=self._notices)
        self._backfills = Backfills(settings, clients, clock, self._notices)

    def begin_daily(self) -> None:
        """Have the daily report written."""
        self._queue.send(WRITE_REPORT, {}, NOW)

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
        elif isinstance(trigger, FindObjects):
            self._backfills.carry_on(trigger.backfill, invocation)
        else:
            self._reporting.write(trigger, body, invocation)

    def _answer_to(self, request: Request) -> Notice:
        """Do what a request asks for, and return what to answer."""
        match request:
            case Unreadable():
                return request.answer()
            case SwitchRequest():
                return self._switch.apply(request)
            case StatusRequest():
                return rule_status(request, self._reports.latest("evidence.json"), self._removal(request.rule))
            case ReportRequest():
                return self._report(request)
            case BackfillRequest():
                return self._backfills.answer(request)
            case _:
                raise TypeError(request)

    def _removal(self, rule: str) -> Removal | None:
        """That of a rule, by the id that it had when it was announced, or has now; the newest one."""
        found = [one for one in self._removals.all() if rule in {one.rule.id, one.rule_id}]
        return max(found, key=lambda one: one.changed_at, default=None)

    def _report(self, request: ReportRequest) -> Notice:
        if not self._has_logs:
            return refused(request, "FlowLogBuckets is empty: nothing is known of the use of any rule")
        if reason := self._switch.reason():
            return refused(request, reason)
        self._queue.send(WRITE_REPORT, {"by": request.by, "is_requested": True}, NOW)
        until = self._clock.now() + WRITTEN_WITHIN
        return accepted(request, "a report is being written; Security Groups Reported follows", until=until)


def _urgency(trigger: Trigger | Unreadable) -> int:
    """The place of a message among those received with it: pauses and resumes, then requests, then the rest."""
    if isinstance(trigger, SwitchRequest):
        return 0
    if isinstance(trigger, Request):
        return 1
    return 2 if isinstance(trigger, FindObjects) else 3
