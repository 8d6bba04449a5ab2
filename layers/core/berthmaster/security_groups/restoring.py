"""Rules are restored: by requests, alarms and messages, by rejected traffic, and if somebody attaches a group of ours.

The intent is written, and the group changed at once. A rule that is only announced is withdrawn instead.
"""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from berthmaster.concurrently import concurrently
from berthmaster.failures import Failures
from berthmaster.items import without_conflict
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import accepted, refused
from berthmaster.security_groups.change_triggers import CHANGE_GROUP, RestoreRequest
from berthmaster.security_groups.ledger.removals import LeftAlones, Removals
from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.model.rules import GroupReference
from berthmaster.security_groups.observe.group_state import attached
from berthmaster.security_groups.publishing import publish
from berthmaster.security_groups.report.step_notices import group_attached
from berthmaster.security_groups.restore_commands import (
    AUTOMATIC,
    PROPOSE_RESTORE,
    ProposeRestore,
    RestoreRules,
    RuleKey,
)
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from datetime import datetime

    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.invocation import Invocation
    from berthmaster.notices import Notice, Notices
    from berthmaster.requests import Request
    from berthmaster.security_groups.changing import Changing
    from berthmaster.security_groups.restore_calls import RestoreCall
    from berthmaster.security_groups.settings import ChangeSettings

AT_ONCE = timedelta()
DAY = timedelta(days=1)
TRIES = 4
WRITERS = 8
"""Threads that write intents."""
_CHANGED = frozenset(
    {
        RemovalState.APPROVED,
        RemovalState.QUARANTINED,
        RemovalState.REVOKING,
        RemovalState.REVOKED,
        RemovalState.CLOSED,
    }
)
"""From which a rule is restored."""
_NOT_YET = frozenset({RemovalState.ANNOUNCED, RemovalState.PROPOSED})
"""From which a removal is withdrawn."""
_BY_PEOPLE = "{by} has requested it"


class Restoring:
    """Has rules restored."""

    def __init__(
        self,
        settings: "ChangeSettings",
        clients: "Clients",
        clock: "Clock",
        *,
        notices: "Notices",
        changing: "Changing",
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._clients = clients
        self._notices = notices
        self._changing = changing
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._left_alone = LeftAlones(clients.dynamodb, settings.security_groups_table)

    # People and alarms

    def answer(self, request: RestoreRequest) -> "Notice":
        """Have restored what an operator asks for; returns what to answer."""
        if self._settings.security_groups_mode is Mode.OFF:
            return refused(request, "the mode is off: nothing is written to any group until it is another one")
        unread = Failures()
        return self._restored(request, self._asked(request, unread), unread)

    def answer_call(self, call: "RestoreCall") -> "Notice | None":
        """Have restored what was changed last; None if there is nothing to answer: no alarm is on, or none of these."""
        if not self._is_heard(call):
            return None
        unread = Failures()
        found = self._changed_within(timedelta(hours=self._settings.restore_hours), unread)
        if call.alarm and not found and not unread:
            logger.info("alarm has nothing restored", alarm=call.alarm)
            return None
        if self._settings.security_groups_mode is Mode.OFF:
            return refused(call, "the mode is off: nothing is written to any group until it is another one")
        return self._restored(call, found, unread)

    def _is_heard(self, call: "RestoreCall") -> bool:
        if not call.is_on:
            return False
        if call.topic:
            return call.topic == self._settings.restore_topic_arn
        return call.alarm in self._settings.restore_alarms

    def _asked(self, request: RestoreRequest, unread: Failures) -> list[Removal]:
        """The removals that a request is about, open or ended."""
        if request.group:
            return self._removals.all_of_group(request.group, unread)
        if request.hours:
            return self._changed_within(timedelta(hours=request.hours), unread)
        is_open = _about(request.rule, self._removals.open(unread))
        return is_open or _about(request.rule, self._removals.all(unread))

    def _changed_within(self, age: timedelta, unread: Failures) -> list[Removal]:
        """Those that were changed not longer ago; of longer times, those that have ended are read, too."""
        since = self._clock.now() - age
        is_short = age < self._settings.policy.quarantine
        found = self._removals.open(unread) if is_short else self._removals.all(unread)
        return [one for one in found if one.state in _CHANGED and _last_change(one) >= since]

    def _restored(self, request: "Request", found: Collection[Removal], unread: Failures) -> "Notice":
        """Have restored or withdrawn what was found, group by group. unread: what else there may be."""
        why = _BY_PEOPLE.format(by=request.by or "an operator")
        restored = [one for one in found if one.state in _CHANGED or one.state is RemovalState.RESTORING]
        begun, failures = 0, Failures()
        for group in sorted({one.rule.group for one in restored}):
            keys = [_key(one) for one in restored if one.rule.group == group]
            outcomes = concurrently(lambda key: self._intend(key, why, request.by), keys, at_once=WRITERS)
            intended = [one.value for one in outcomes if one.value is not None]
            begun += len(intended)
            with failures.collect("group not changed", group=group):
                self._have_changed(intended)
            failures.add(one.error for one in outcomes if one.error is not None)
        if not begun:
            failures.raise_all("nothing is restored")
        withdrawn = [self._withdraw(_key(one), why, request.by) for one in found if one.state in _NOT_YET]
        publish(filter(None, withdrawn), self._notices, self._removals, self._settings.place)
        texts = []
        if begun:
            texts.append(f"{_rules(begun)} being restored: Rule Restored follows for each")
        if ended := len([*filter(None, withdrawn)]):
            texts.append(f"{ended} that were only announced stay as they are")
        if unread:
            texts.append(f"{len(unread)} records of the ledger cannot be read, and what they are about is not restored")
        if failures:
            texts.append(f"{len(failures)} steps failed, so send it again")
        if begun or ended:
            return accepted(request, "; ".join(texts))
        return refused(request, "; ".join([_why_nothing(found), *texts]))

    # Rejected traffic, and approved proposals

    def restore(self, command: RestoreRules, invocation: "Invocation") -> None:
        """Have rules restored at once; those that are beyond the limit of a day are proposed to people."""
        if self._settings.security_groups_mode is Mode.OFF:
            logger.warning("rules not restored", rules=[one.rule for one in command.rules], reason="the mode is off")
            return
        groups = set[str]()
        for key in command.rules:
            if command.kind == AUTOMATIC and self._is_beyond_limit(key):
                logger.warning("rule not restored automatically", rule=key.rule, reason="the limit of a day is reached")
                self._propose(key, command)
            elif self._intend(key, command.why, command.by, only_watched=command.kind == AUTOMATIC):
                groups.add(key.group)
        for group in sorted(groups):
            self._changing.change(group, invocation)

    def _is_beyond_limit(self, key: RuleKey) -> bool:
        """Whether so many rules of the group were restored in the last day, without an operator, that it is enough."""
        since = self._clock.now() - DAY
        unread = Failures()
        found = self._removals.all_of_group(key.group, unread)
        states = (RemovalState.RESTORING, RemovalState.RESTORED)
        restored = {one.rule.id for one in found if one.state in states and not one.by and one.changed_at > since} - {
            key.rule
        }
        return len(restored) >= self._settings.policy.restores_per_group

    def _propose(self, key: RuleKey, command: RestoreRules) -> None:
        why = f"{command.why}; so many rules of {key.group} were restored today that this one needs a decision"
        proposal = ProposeRestore(group=key.group, rule=key.rule, why=why, rejected=command.rejected)
        self._queue.send(PROPOSE_RESTORE, msgspec.to_builtins(proposal), AT_ONCE)

    # Groups of ours that are attached

    def of_attached_groups(self) -> None:
        """Have restored what names one of our groups that an interface carries: its peers are let in."""
        if self._settings.security_groups_mode is Mode.OFF:
            return
        failures = Failures()
        named: dict[str, list[Removal]] = {}
        for one in self._removals.open(Failures()):
            if isinstance(one.inert, GroupReference) and one.state in _CHANGED:
                named.setdefault(one.inert.group, []).append(one)
        for group in sorted(attached(self._clients.ec2, named)):
            # Published first: once they are restored, nobody finds it again.
            with failures.collect("attached group not published", group=group):
                self._notices.publish([group_attached(group, named[group])])
            why = f"{group}, which it names in quarantine, is attached to an interface"
            begun = [self._intend(_key(one), why, "") for one in named[group]]
            self._have_changed(filter(None, begun))
        failures.raise_all("attached groups were not published")

    # What is written

    def _intend(self, key: RuleKey, why: str, by: str, *, only_watched: bool = False) -> Removal | None:
        """Write that a rule is to be restored, unless that is written already; None if it is not changed."""

        def decide() -> Removal | None:
            removal = self._removals.get(key.group, key.rule)
            if removal is not None and removal.state is RemovalState.RESTORING:
                return removal
            if removal is None or removal.state not in _CHANGED or (only_watched and not removal.state.is_watched):
                return None
            now = self._clock.now()
            return self._removals.save(removal.moved(RemovalState.RESTORING, now, note=why, by=by, due_at=now))

        return without_conflict(decide, tries=TRIES)

    def _withdraw(self, key: RuleKey, why: str, by: str) -> Removal | None:
        """Write that a rule is not removed, and leave it alone until a window has passed."""

        def decide() -> Removal | None:
            removal = self._removals.get(key.group, key.rule)
            if removal is None or removal.state not in _NOT_YET:
                return None
            now = self._clock.now()
            self._left_alone.leave(removal.rule, why, since=now, until=now + self._settings.window)
            return self._removals.save(removal.moved(RemovalState.WITHDRAWN, now, note=why, by=by, due_at=now))

        return without_conflict(decide, tries=TRIES)

    def _have_changed(self, removals: Iterable[Removal]) -> None:
        for group in sorted({one.rule.group for one in removals}):
            self._queue.send(CHANGE_GROUP, {"group": group}, AT_ONCE)


def _key(removal: Removal) -> RuleKey:
    return RuleKey(group=removal.rule.group, rule=removal.rule.id)


def _last_change(removal: Removal) -> "datetime":
    moments = (removal.intended_at, removal.quarantined_at, removal.revoke_intended_at, removal.revoked_at)
    return max((one for one in moments if one is not None), default=removal.announced_at)


def _about(rule: str, removals: Iterable[Removal]) -> list[Removal]:
    """The removals of a rule, by the id that it had or by the one that it has now."""
    return [one for one in removals if rule in (one.rule.id, one.rule_id)]


def _rules(count: int) -> str:
    return "1 rule is" if count == 1 else f"{count} rules are"


def _why_nothing(found: Collection[Removal]) -> str:
    if found and all(one.state is RemovalState.RESTORED for one in found):
        return "it is restored already"
    return "there is no rule that was changed and can be restored"
