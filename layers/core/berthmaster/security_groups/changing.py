"""Carries out what was decided about the rules of one group: quarantine, revocation, restoration.

An intent is in the ledger before EC2 is called, and whoever finds one reads the group again and goes on from there: a
step whose effect is there is done.
"""

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING

from berthmaster.failures import Failures
from berthmaster.lease import Leases
from berthmaster.own_queue import OwnQueue
from berthmaster.security_groups.act.group_rules import GroupRules
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.observe.group_state import GroupState, read_group
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.plan.terms import peer_text
from berthmaster.security_groups.report.removal_notices import changed

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.invocation import Invocation
    from berthmaster.notices import Notices
    from berthmaster.security_groups.settings import ChangeSettings
    from berthmaster.switch import Switch

LEAST_TIME = timedelta(seconds=30)
"""With less time left no further rule is begun."""
WHILE_ANOTHER_CHANGES = timedelta(seconds=2)
RESTORES_FIRST = (RemovalState.RESTORING, RemovalState.REVOKING, RemovalState.APPROVED)


class Changing:
    """Changes groups, each by one invocation at a time."""

    def __init__(
        self, settings: "ChangeSettings", clients: "Clients", clock: "Clock", *, switch: "Switch", notices: "Notices"
    ) -> None:
        self._clock = clock
        self._policy = settings.policy
        self._switch = switch
        self._notices = notices
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._leases = Leases(clients.dynamodb, settings.security_groups_table)
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)
        self._reader = TopologyReader(clients.ec2, clock)
        self._rules = GroupRules(clients.ec2)

    def change(self, group: str, body: str, invocation: "Invocation") -> None:
        """Carry out the intents of a group; one that fails stops no other, and is raised at the end."""
        with self._leases.held(f"group {group}", invocation, self._clock) as is_held:
            if not is_held:
                self._queue.defer(body, WHILE_ANOTHER_CHANGES)
                return
            intents = [one for one in self._removals.of_group(group) if one.state.is_intent]
            failures = Failures()
            for removal in sorted(intents, key=lambda one: RESTORES_FIRST.index(one.state)):
                if invocation.time_left(self._clock.now()) < LEAST_TIME:
                    self._queue.defer(body, WHILE_ANOTHER_CHANGES)
                    break
                with failures.collect("rule not changed", rule=removal.rule.id):
                    self._carry_out(removal, read_group(self._reader, group))
            failures.raise_all(f"rules of {group} were not changed")

    def _carry_out(self, removal: Removal, state: GroupState) -> None:
        if removal.state is RemovalState.RESTORING:
            self._restore(removal, state)
            return
        self._switch.check()
        if removal.state is RemovalState.APPROVED:
            self._quarantine(removal, state)
        else:
            self._revoke(removal, state)

    def _quarantine(self, removal: Removal, state: GroupState) -> None:
        inert = removal.inert
        if inert is None:
            inert = _inert(state)
            removal = self._removals.save(replace(removal, inert=inert))
        self._rules.give_peer(removal.rule, removal.rule.id, inert)
        now = self._clock.now()
        self._conclude(
            replace(removal, state=RemovalState.QUARANTINED, quarantined_at=now, due_at=now + self._policy.quarantine)
        )

    def _revoke(self, removal: Removal, state: GroupState) -> None:
        if removal.rule.id in state.rules:
            self._rules.revoke(removal.rule, removal.rule.id)
        now = self._clock.now()
        self._conclude(
            replace(removal, state=RemovalState.REVOKED, revoked_at=now, due_at=now + self._policy.quarantine)
        )

    def _restore(self, removal: Removal, state: GroupState) -> None:
        rule_id = removal.rule.id
        if rule_id in state.rules:
            self._rules.give_peer(removal.rule, rule_id, removal.rule.peer)
        else:
            rule_id = self._rules.make_again(removal.rule)
        self._conclude(replace(removal, state=RemovalState.RESTORED, rule_id=rule_id))

    def _conclude(self, removal: Removal) -> None:
        """Save what was done, publish it, and save that it is published."""
        saved = self._removals.save(replace(removal, changed_at=self._clock.now(), unpublished=True))
        self._notices.publish([changed(saved)])
        self._removals.save(replace(saved, unpublished=False))


def _inert(state: GroupState) -> IPv4Network:
    """A documentation address that no rule of the group has (RFC 5737)."""
    taken = {peer_text(one.peer) for one in state.rules.values()}
    addresses = ip_network("192.0.2.0/24")
    return next(IPv4Network(one) for one in addresses if f"{one}/32" not in taken)
