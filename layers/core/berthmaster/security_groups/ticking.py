"""Every five minutes: steps that are due, and what invocations that died have left."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.own_queue import OwnQueue
from berthmaster.security_groups.change_triggers import CHANGE_GROUP
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Removal, RemovalState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.security_groups.settings import ChangeSettings
    from berthmaster.switch import Switch

NOW = timedelta()


class Ticking:
    """Looks at all removals."""

    def __init__(self, settings: "ChangeSettings", clients: "Clients", clock: "Clock", *, switch: "Switch") -> None:
        self._clock = clock
        self._switch = switch
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)

    def tick(self) -> None:
        """Begin what is due, and have intents carried out."""
        removals = self._removals.open()
        if not self._switch.reason():
            removals = [self._stepped(one) for one in removals]
        self._have_changed([one for one in removals if one.state.is_intent])

    def _stepped(self, removal: Removal) -> Removal:
        now = self._clock.now()
        if removal.due_at > now:
            return removal
        if removal.state is RemovalState.QUARANTINED:
            return self._removals.save(
                replace(removal, state=RemovalState.REVOKING, revoke_intended_at=now, changed_at=now)
            )
        if removal.state is RemovalState.REVOKED:
            return self._removals.save(replace(removal, state=RemovalState.CLOSED, changed_at=now))
        return removal

    def _have_changed(self, intents: "Sequence[Removal]") -> None:
        for group in sorted({one.rule.group for one in intents}):
            self._queue.send(CHANGE_GROUP, {"group": group}, NOW)
