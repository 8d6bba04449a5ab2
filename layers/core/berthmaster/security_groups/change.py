"""security_groups_change: rules are announced, quarantined, revoked and restored, one message after the other."""

from collections.abc import Mapping
from dataclasses import replace

from berthmaster.answering import Answering
from berthmaster.approval import Decision
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.notices import Notice, Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import Request, Unreadable, accepted, refused
from berthmaster.security_groups.change_triggers import CHANGE_GROUP, ChangeGroup, RestoreRequest, Trigger, read
from berthmaster.security_groups.changing import Changing
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.automation import AUTOMATION
from berthmaster.security_groups.model.removals import RemovalState
from berthmaster.security_groups.settings import ChangeSettings
from berthmaster.security_groups.ticking import NOW, Ticking
from berthmaster.switch import Switch


class Change:
    """What security_groups_change does with one batch of messages, and every five minutes."""

    def __init__(self, settings: ChangeSettings, clients: Clients, clock: Clock) -> None:
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
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._changing = Changing(settings, clients, clock, switch=self._switch, notices=self._notices)
        self._ticking = Ticking(settings, clients, clock, switch=self._switch)

    def tick(self) -> None:
        """The schedule's event: see what is due."""
        self._ticking.tick()

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""
        failed: dict[str, Exception] = {}
        for message, body in bodies.items():
            try:
                self._handle(read(body), body, invocation)
            except Exception as error:  # noqa: BLE001 - one message does not stop the others
                failed[message] = error
        return failed

    def _handle(self, trigger: Trigger | Unreadable, body: str, invocation: Invocation) -> None:
        if isinstance(trigger, Request):
            self._answering.answer(trigger, body, self._answer_to)
        elif isinstance(trigger, ChangeGroup):
            self._changing.change(trigger.group, invocation)

    def _answer_to(self, request: Request) -> Notice:
        """Do what a request asks for, and return what to answer."""
        match request:
            case Unreadable():
                return request.answer()
            case RestoreRequest():
                return self._restore(request)
            case Decision():
                return refused(request, f"there is no proposal {request.proposal}")
            case _:
                raise TypeError(request)

    def _restore(self, request: RestoreRequest) -> Notice:
        found = [one for one in self._removals.open() if one.state.is_watched and request.rule in ("", one.rule.id)]
        for one in found:
            now = self._clock.now()
            note = f"{request.by or 'an operator'} has requested it"
            self._removals.save(replace(one, state=RemovalState.RESTORING, changed_at=now, note=note, by=request.by))
        for group in sorted({one.rule.group for one in found}):
            self._queue.send(CHANGE_GROUP, {"group": group}, NOW)
        return accepted(request, f"{len(found)} rules are being restored; Rule Restored follows for each")
