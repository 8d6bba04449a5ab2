"""Carries out what was decided about the rules of one group: quarantine, revocation, restoration.

An intent is in the ledger before EC2 is called. One invocation at a time changes a group, restores come first, and one
rule that fails stops no other.
"""

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.failures import Failures
from berthmaster.items import Conflict
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.security_groups.act.quarantine_places import NotReady
from berthmaster.security_groups.carrying_out import CarryingOut
from berthmaster.security_groups.change_triggers import CHANGE_GROUP
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.plan.freeze import why_frozen
from berthmaster.security_groups.publishing import publish
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.invocation import Invocation
    from berthmaster.lease import Lease
    from berthmaster.notices import Notices
    from berthmaster.security_groups.settings import ChangeSettings
    from berthmaster.switch import Switch

LEAST_TIME = timedelta(seconds=60)
"""With less time left no further rule is begun."""
HELD_FOR = timedelta(seconds=15)
"""A group is held for a rule at a time: if this invocation dies, a restore must not wait until it would have ended."""
WHILE_ANOTHER_CHANGES = timedelta(seconds=2)
WHEN_READY = timedelta(seconds=5)
"""When a step is tried again for which something is being made."""
RESTORES_FIRST = (RemovalState.RESTORING, RemovalState.REVOKING, RemovalState.APPROVED)


class Changing:
    """Changes groups, each by one invocation at a time."""

    def __init__(
        self, settings: "ChangeSettings", clients: "Clients", clock: "Clock", *, switch: "Switch", notices: "Notices"
    ) -> None:
        self._clock = clock
        self._mode = settings.security_groups_mode
        self._place = settings.place
        self._freeze = settings.freeze_windows
        self._switch = switch
        self._notices = notices
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._leases = Leases(clients.dynamodb, settings.security_groups_table)
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)
        self._steps = CarryingOut(settings, clients, clock)

    def change(self, group: str, invocation: "Invocation") -> None:
        """Carry out the intents of a group; what fails is raised at the end."""
        if self._mode is Mode.OFF:
            self._switch.leave_unfinished(f"changes of {group}")
            return
        if (lease := self._hold(group, invocation)) is None:
            self._later(group, WHILE_ANOTHER_CHANGES)
            return
        failures, unread, concluded = Failures(), Failures(), list[Removal]()
        try:
            tried: set[tuple[str, RemovalState]] = set()
            while removal := self._next(group, tried, unread := Failures()):
                if invocation.time_left(self._clock.now()) < LEAST_TIME or not self._hold(group, invocation):
                    self._later(group, WHILE_ANOTHER_CHANGES)
                    break
                tried.add((removal.rule.id, removal.state))
                with failures.collect("rule not changed", rule=removal.rule.id, state=removal.state):
                    concluded.append(self._carry_out(removal))
        finally:
            self._leases.release(lease, considered_at=None, resumes_at=None)
        publish(concluded, self._notices, self._removals, self._place)
        failures.add(unread.errors)
        failures.raise_all(f"rules of {group} were not changed")

    def _hold(self, group: str, invocation: "Invocation") -> "Lease | None":
        """Take the lease of a group, or keep it; None if another invocation has it."""
        now = self._clock.now()
        until = min(invocation.deadline, now + HELD_FOR)
        return self._leases.acquire(f"group {group}", owner=invocation.id, now=now, deadline=until)

    def _next(self, group: str, tried: set[tuple[str, RemovalState]], unread: Failures) -> Removal | None:
        """The next intent as it is in the ledger now: a restore may have been intended meanwhile.

        unread: gets the errors of records that are damaged; they stop no others.
        """
        intents = [one for one in self._removals.of_group(group, unread) if one.state.is_intent]
        left = [one for one in intents if (one.rule.id, one.state) not in tried]
        restores = [one for one in left if one.state is RemovalState.RESTORING]
        if not restores and left and (reason := self._why_not()):
            logger.info("rules not changed", group=group, reason=reason)
            return None
        left = restores or left
        return min(left, key=lambda one: (RESTORES_FIRST.index(one.state), one.rule.id), default=None)

    def _why_not(self) -> str:
        """Why nothing but restores is done now; empty if it may be."""
        if self._mode is Mode.OBSERVE:
            return "the mode is observe"
        return self._switch.reason() or why_frozen(self._freeze, self._clock.now())

    def _carry_out(self, removal: Removal) -> Removal:
        """Take the step of one removal, and whatever it leads to."""
        group = removal.rule.group
        known = [one for one in self._removals.of_group(group, Failures()) if one.state.is_open]
        siblings = {one.rule.id: one for one in known if one.rule.id != removal.rule.id}
        try:
            return self._steps.carry_out(removal, siblings)
        except NotReady as error:
            logger.info("rule not changed yet", rule=removal.rule.id, reason=str(error))
            self._later(group, WHEN_READY)
        except Conflict:
            logger.info("removal was written by another invocation", rule=removal.rule.id)
            self._take_back(removal)
            self._later(group, WHILE_ANOTHER_CHANGES)
        return removal

    def _take_back(self, removal: Removal) -> None:
        """If another invocation ended a removal while this one may have changed the rule, have it restored again."""
        latest = self._removals.get(removal.rule.group, removal.rule.id)
        if latest is None or removal.state is RemovalState.RESTORING:
            return
        if latest.state in {RemovalState.RESTORED, RemovalState.WITHDRAWN}:
            with suppress(Conflict):
                self._removals.save(latest.moved(RemovalState.RESTORING, self._clock.now()))

    def _later(self, group: str, delay: timedelta) -> None:
        self._queue.send(CHANGE_GROUP, {"group": group}, delay)
