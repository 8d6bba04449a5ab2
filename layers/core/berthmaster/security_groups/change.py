"""security_groups_change: rules are announced, quarantined, revoked and restored, one message after the other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from berthmaster.answering import Answering
from berthmaster.approval import Decision
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.envelope import open_envelope
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.notices import Notice, Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import Request, Unreadable
from berthmaster.security_groups.change_decisions import ChangeDecisions
from berthmaster.security_groups.change_triggers import (
    ChangeGroup,
    PlanRemovals,
    RemovalStatusRequest,
    RestoreRequest,
    Trigger,
    read,
)
from berthmaster.security_groups.changing import Changing
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.automation import AUTOMATION
from berthmaster.security_groups.plan.freeze import why_frozen
from berthmaster.security_groups.removing import Removing
from berthmaster.security_groups.report.removal_notices import removal_status
from berthmaster.security_groups.restore_calls import RestoreCall
from berthmaster.security_groups.restore_commands import ProposeRestore, RestoreRules
from berthmaster.security_groups.restoring import Restoring
from berthmaster.security_groups.settings import ChangeSettings
from berthmaster.security_groups.ticking import Ticking
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

TRIED_AGAIN_AFTER = timedelta(seconds=10)
TRIED_FOR: Mapping[type, timedelta] = {ChangeGroup: timedelta(minutes=5), RestoreRules: timedelta(hours=1)}
"""Then the message ends in the dead-letter queue. The tick has intents carried out all the same; a restore that is no
intent yet is nowhere else.
"""

MOST_LISTED = 100
"""Removals that an answer lists."""


class Change:
    """What security_groups_change does with one batch of messages, and every five minutes."""

    def __init__(self, settings: ChangeSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        self._answering = Answering(self._notices, self._queue, clock)
        self._switch = Switch(
            clients.dynamodb,
            clock,
            table=settings.security_groups_table,
            automation=AUTOMATION,
            mode=settings.security_groups_mode,
        )
        self._changing = Changing(settings, clients, clock, switch=self._switch, notices=self._notices)
        self._restoring = Restoring(settings, clients, clock, notices=self._notices, changing=self._changing)
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._removing = Removing(settings, clients, clock, switch=self._switch, notices=self._notices)
        self._decisions = ChangeDecisions(settings, clients, clock, switch=self._switch, notices=self._notices)
        self._ticking = Ticking(settings, clients, clock, switch=self._switch, notices=self._notices)

    def tick(self) -> None:
        """The schedule's event: see what is due, and whether somebody has attached an empty group of ours."""
        failures = Failures()
        with failures.collect("attached groups not looked for"):
            self._restoring.of_attached_groups()
        with failures.collect("tick not completed"):
            self._ticking.tick()
        failures.raise_all("the tick was completed with failures")

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""
        failed: dict[str, Exception] = {}
        for message, body in bodies.items():
            try:
                trigger = read(body)
                with self._tried_again(trigger, body):
                    self._handle(trigger, body, invocation)
            except Exception as error:  # noqa: BLE001 - one message does not stop the others
                failed[message] = error
        return failed

    @contextmanager
    def _tried_again(self, trigger: Trigger | Unreadable, body: str) -> Iterator[None]:
        """Let what fails be tried again soon: SQS would wait for longer than this function can run."""
        try:
            yield
        except Exception as error:
            if type(trigger) not in TRIED_FOR:
                raise
            sent = open_envelope(body).at
            if self._clock.now() - sent > TRIED_FOR[type(trigger)]:
                raise
            logger.warning("message is tried again", error=repr(error))
            self._queue.defer(body, TRIED_AGAIN_AFTER)

    def _handle(self, trigger: Trigger | Unreadable, body: str, invocation: Invocation) -> None:
        if isinstance(trigger, RestoreCall):
            self._answering.answer(trigger, body, self._restoring.answer_call)
        elif isinstance(trigger, Request):
            self._answering.answer(trigger, body, self._answer_to)
        elif isinstance(trigger, PlanRemovals):
            self._removing.run(trigger, body, invocation)
        elif isinstance(trigger, ProposeRestore):
            self._decisions.propose_restore(trigger)
        elif isinstance(trigger, ChangeGroup):
            self._changing.change(trigger.group, invocation)
        elif isinstance(trigger, RestoreRules):
            self._restoring.restore(trigger, invocation)

    def _answer_to(self, request: Request) -> Notice:
        """Do what a request asks for, and return what to answer."""
        match request:
            case Unreadable():
                return request.answer()
            case RestoreRequest():
                return self._restoring.answer(request)
            case Decision():
                return self._decisions.decide(request)
            case RemovalStatusRequest():
                return self._status(request)
            case _:
                raise TypeError(request)

    def _status(self, request: RemovalStatusRequest) -> Notice:
        unread = Failures()
        found = self._removals.of_group(request.group, unread) if request.group else self._removals.open(unread)
        return removal_status(
            request,
            sorted((one for one in found if one.state.is_open), key=lambda one: (one.due_at, one.sort_key)),
            group=request.group,
            mode=self._settings.security_groups_mode,
            paused=self._switch.reason(),
            frozen=why_frozen(self._settings.freeze_windows, self._clock.now()),
            most=MOST_LISTED,
        )
