"""Takes the next step of one removal: reads its group, decides, calls EC2, and records what has become of the rule.

What EC2 refuses, since others were faster, is decided anew from what the group is by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster import metrics
from berthmaster.errors import Refused
from berthmaster.security_groups.act.group_rules import GroupRules, Outcome, Written
from berthmaster.security_groups.act.quarantine_places import NotInPlace, NotReady, QuarantinePlaces
from berthmaster.security_groups.ledger.origins import Origins
from berthmaster.security_groups.ledger.removals import LeftAlones, Removals
from berthmaster.security_groups.model.group_state import GroupState
from berthmaster.security_groups.model.origins import RecordedOrigin
from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.model.rules import GroupReference, Peer, PrefixListReference, Rule
from berthmaster.security_groups.observe.group_state import attached, read_group, read_rule, tracked_for
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.plan.group_steps import Action, Step, next_step
from berthmaster.security_groups.plan.quarantine import inert_network
from berthmaster.security_groups.plan.terms import peer_text
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from datetime import datetime

    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.security_groups.settings import ChangeSettings

TRIES = 4
"""Of one step: so often others may have changed the group since it was read."""
DELIVERED_WITHIN = timedelta(hours=1)
"""After a connection has been forgotten: when the record of its next packet has certainly been read."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What an action has led to.

    removal: as it was saved last. again: it is to be decided anew. problem: why the step waits. direct: why the rule
    cannot be quarantined in place. rule_id: of the rule that was made. impossible: why there is no such rule any more.
    """

    removal: Removal
    again: bool = False
    problem: str = ""
    direct: str = ""
    rule_id: str = ""
    impossible: str = ""


class CarryingOut:
    """Takes steps. Whoever calls holds the lease of the group."""

    def __init__(self, settings: "ChangeSettings", clients: "Clients", clock: "Clock") -> None:
        self._clock = clock
        self._policy, self._window = settings.policy, settings.window
        self._ec2 = clients.ec2
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._left_alone = LeftAlones(clients.dynamodb, settings.security_groups_table)
        self._origins = Origins(clients.dynamodb, settings.security_groups_table)
        self._reader = TopologyReader(clients.ec2, clock)
        self._rules = GroupRules(clients.ec2)
        self._places = QuarantinePlaces(clients.ec2)

    def carry_out(self, removal: Removal, siblings: Mapping[str, Removal]) -> Removal:
        """Take the step that is intended; returns the removal as it is then, in the state of an intent if it waits.

        siblings: the open removals of its group, by rule. Raises NotReady if it can be taken in seconds, Refused if EC2
        refuses it, and Conflict if another invocation has written the removal.
        """
        for _ in range(TRIES):
            group = read_group(self._reader, removal.rule.group)
            step = next_step(removal, group, self._clock.now())
            if step.is_soon:
                raise NotReady(step.note)
            if step.state is None:
                return self._wait(removal, step.note)
            taken = self._act(step, removal, group, siblings)
            removal = taken.removal
            if taken.problem:
                return self._wait(removal, taken.problem)
            if not taken.again:
                return self._conclude(removal, step, taken)
        raise Refused("security group rule", "Changed", f"others changed {removal.rule.group} again and again")

    # What is called

    def _act(self, step: Step, removal: Removal, group: GroupState, siblings: Mapping[str, Removal]) -> _Taken:
        own = group.rules.get(removal.rule.id)
        match step.action:
            case Action.NOTHING:
                return _Taken(removal)
            case Action.MAKE_AGAIN:
                return self._make_again(removal, own)
            case _ if own is None:
                raise TypeError(step)
            case Action.QUARANTINE:
                return self._quarantine(removal, own, group, siblings)
            case Action.REVOKE | Action.CLEAR:
                return self._revoke(removal, own)
            case Action.GIVE_BACK:
                return self._give_back(removal, own)

    def _quarantine(self, removal: Removal, own: Rule, group: GroupState, siblings: Mapping[str, Removal]) -> _Taken:
        logger.info("rule is being quarantined", rule=own.id, group=own.group)
        try:
            inert = self._inert(removal, own, group, siblings)
        except NotInPlace as error:
            return _Taken(removal, direct=str(error))
        # What was intended must stand, or a restore that came meanwhile would be undone.
        removal = self._removals.save(replace(removal, inert=inert))
        if not self._is_as_read(own):
            return _Taken(removal, again=True)
        written = self._rules.give_peer(own, inert)
        match written.outcome:
            case Outcome.DONE:
                return _Taken(removal)
            case Outcome.DUPLICATE | Outcome.NO_RULE:
                return _Taken(removal, again=True)
            case Outcome.NOT_FOUND:
                # Of the group, or of ours that was made just now and is not seen everywhere.
                if read_group(self._reader, own.group).group is None:
                    return _Taken(removal, again=True)
                raise NotReady(written.message)
            case Outcome.FULL | Outcome.REFUSED:
                return _Taken(removal, direct=f"EC2 does not change it in place ({written.message})")
            case Outcome.DENIED | Outcome.OTHER:
                raise _refused("ModifySecurityGroupRules", written)

    def _inert(self, removal: Removal, own: Rule, group: GroupState, siblings: Mapping[str, Removal]) -> Peer:
        """What the rule is to have for a peer; one that was chosen before, if no other rule has it by now."""
        chosen = [replace(one.rule, peer=one.inert) for one in siblings.values() if one.inert is not None]
        others = [*group.rules.values(), *chosen]
        match own.peer:
            case GroupReference(owner=owner):
                if owner and group.group and owner != group.group.owner:
                    raise NotInPlace("it names a group of another account, which EC2 does not put back in place")
                empty = self._places.empty_groups(removal.candidate.vpc)
                return self._places.for_reference(own, others, removal.candidate.vpc, attached(self._ec2, empty))
            case PrefixListReference():
                return self._places.for_prefix_list(own, others, self._clock.now().date())
            case _:
                found = inert_network(own, others)
                if found is None:
                    raise NotInPlace("other rules of its group have all documentation addresses")
                return found

    def _revoke(self, removal: Removal, own: Rule) -> _Taken:
        logger.info("rule is being revoked", rule=own.id, group=own.group)
        removal = self._removals.save(
            _with_labels(removal, own, revoke_intended_at=removal.revoke_intended_at or self._clock.now())
        )
        if not self._is_as_read(own):
            return _Taken(removal, again=True)
        written = self._rules.revoke(own)
        match written.outcome:
            case Outcome.DONE:
                return _Taken(removal)
            case Outcome.NO_RULE | Outcome.NOT_FOUND:
                return _Taken(removal, again=True)
            case _:
                raise _refused("RevokeSecurityGroup", written)

    def _give_back(self, removal: Removal, own: Rule) -> _Taken:
        logger.info("rule is being restored in place", rule=own.id, group=own.group)
        if removal.quarantined_at is None:
            # It has been in quarantine, though nobody could record it: once it is back, nobody would know.
            removal = self._removals.save(replace(removal, quarantined_at=self._clock.now()))
        if not self._is_as_read(own):
            return _Taken(removal, again=True)
        written = self._rules.give_peer(own, removal.rule.peer)
        match written.outcome:
            case Outcome.DONE:
                return _Taken(removal)
            case Outcome.NO_RULE if removal.revoke_intended_at is not None:
                # It is revoked, though EC2 still shows it.
                return self._make_again(removal, None)
            case Outcome.DUPLICATE | Outcome.NO_RULE:
                return _Taken(removal, again=True)
            case Outcome.REFUSED:
                return self._make_again(removal, own)
            case Outcome.NOT_FOUND if isinstance(removal.rule.peer, GroupReference) and removal.rule.peer.vpc:
                # EC2 may find the group of another VPC by its account.
                return self._make_again(removal, own)
            case _:
                return self._not_restored(removal, own, written)

    def _make_again(self, removal: Removal, own: Rule | None) -> _Taken:
        """Make the rule anew. own: what is in quarantine and cannot be changed back; it goes when the rule is there."""
        logger.info("rule is being made again", rule=removal.rule.id, group=removal.rule.group)
        if own is not None:
            removal = self._removals.save(_with_labels(removal, own))
        written = self._rules.make_again(removal.rule)
        match written.outcome:
            case Outcome.DONE:
                self._origins.record([RecordedOrigin(id=written.rule_id, origin=removal.origin, at=self._clock.now())])
                return _Taken(removal, rule_id=written.rule_id, again=own is not None)
            case Outcome.DUPLICATE | Outcome.NO_RULE:
                return _Taken(removal, again=True)
            case Outcome.FULL if own is not None:
                return replace(self._revoke(removal, own), again=True)
            case _:
                return self._not_restored(removal, own, written)

    def _not_restored(self, removal: Removal, own: Rule | None, written: Written) -> _Taken:
        """EC2 refuses: it may be otherwise later, unless what the rule names is gone."""
        if written.outcome is not Outcome.NOT_FOUND:
            return _Taken(removal, problem=written.message)
        if read_group(self._reader, removal.rule.group).group is None:
            return _Taken(removal, again=True)
        peer = removal.rule.peer
        if isinstance(peer, GroupReference) and peer.vpc:
            return _Taken(removal, problem=f"{peer.group} of {peer.vpc} cannot be named ({written.message})")
        if own is not None:
            removal = self._revoke(removal, own).removal
        return _Taken(removal, impossible=f"{peer_text(peer)} does not exist any more, which it allowed")

    def _is_as_read(self, own: Rule) -> bool:
        """Whether nobody has changed a rule since it was read: EC2 writes over whatever is there by then."""
        return read_rule(self._ec2, own) == own

    # What is recorded

    def _wait(self, removal: Removal, problem: str) -> Removal:
        """The step is taken later: the tick has it tried again. People are notified of a restore that fails."""
        logger.warning("rule not changed", rule=removal.rule.id, state=removal.state, reason=problem)
        if removal.state is not RemovalState.RESTORING:
            return removal
        metrics.publish({"RestoresFailed": 1})
        if removal.problem == problem:
            return removal
        return self._removals.save(replace(removal, problem=problem, unpublished=True))

    def _conclude(self, removal: Removal, step: Step, taken: _Taken) -> Removal:
        """Record the state that a removal has come to."""
        state, note = step.state or removal.state, step.note or removal.note
        if taken.impossible:
            state, note = RemovalState.WITHDRAWN, taken.impossible
            metrics.publish({"RestoresFailed": 1})
        now, rule_id = self._clock.now(), taken.rule_id or step.rule_id
        if step.taken_over is not None:
            self._left_alone.leave(step.taken_over, note, since=now, until=None)
        if state is RemovalState.RESTORED:
            self._left_alone.leave(removal.rule, note, since=now, until=now + self._window)
        concluded = replace(
            removal, state=state, changed_at=now, due_at=now, note=note, problem="", unpublished=not state.is_intent
        )
        match state:
            case RemovalState.QUARANTINED:
                until = self._watched_until(removal.rule.group, now)
                concluded = replace(concluded, quarantined_at=now, due_at=until, note=taken.direct)
                if taken.direct:
                    concluded = replace(concluded, is_direct=True, inert=None)
            case RemovalState.REVOKED:
                concluded = replace(concluded, revoked_at=now, due_at=self._watched_until(removal.rule.group, now))
            case RemovalState.RESTORED | RemovalState.WITHDRAWN:
                concluded = replace(concluded, rule_id="" if taken.impossible else rule_id)
            case _:
                pass
        return self._removals.save(concluded)

    def _watched_until(self, group: str, now: "datetime") -> "datetime":
        """When a change has been watched long enough: connections that are tracked outlive their rule."""
        seconds = tracked_for(self._ec2, group)
        tracked = timedelta(seconds=seconds) + DELIVERED_WITHIN if seconds else timedelta()
        return now + max(self._policy.quarantine, tracked)


def _with_labels(removal: Removal, own: Rule, **changes: "datetime") -> Removal:
    """With the description and the tags that the rule has now: a restore gives it these."""
    rule = replace(removal.rule, description=own.description, tags=own.tags)
    return replace(removal, candidate=replace(removal.candidate, rule=rule), **changes)  # type: ignore[arg-type]


def _refused(operation: str, written: Written) -> Refused:
    code, _, message = written.message.partition(": ")
    return Refused(operation, code, message)
