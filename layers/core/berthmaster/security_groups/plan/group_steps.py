"""The next step of a removal, from what its group is now: what is called, and what is recorded afterwards.

Whoever comes after an invocation that died, or reads the group again since a call was refused, decides anew: a step
whose effect is there is recorded, and nothing that others have changed is written over.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from berthmaster.security_groups.model.group_state import GroupState
from berthmaster.security_groups.model.removals import STALE_AFTER, Removal, RemovalState
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.model.tags import MANAGED, TAG
from berthmaster.security_groups.plan.keeping import kept
from berthmaster.security_groups.plan.rule_text import text_of
from berthmaster.security_groups.plan.terms import terms_of

SEEN_AFTER = timedelta(minutes=5)
"""EC2 is eventually consistent: what was written is read after a moment, and certainly after that."""
GROUP_GONE = "its group does not exist any more"
NOT_SEEN = "it was changed a moment ago, and EC2 may not show that yet"
GONE = "others have removed it"
UNMANAGED = f"its group does not have the tag {TAG}={MANAGED} any more"


class Action(StrEnum):
    """What EC2 is called for."""

    NOTHING = "nothing"
    QUARANTINE = "quarantine"
    """The rule gets an inert peer; or nothing, if it cannot be changed in place."""
    REVOKE = "revoke"
    """The rule goes."""
    CLEAR = "clear"
    """The rule is in quarantine and has no purpose any more: it goes."""
    GIVE_BACK = "give back"
    """The rule gets the peer that it had."""
    MAKE_AGAIN = "make again"
    """A rule like it is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done about a rule, and then recorded.

    state: of the removal afterwards; None if it stays as it is and the step is taken later. note: of the removal then,
    or why the step waits; empty to leave the note as it is. rule_id: of the rule that allows the same again.
    taken_over: what others have made of the rule, or have made again: it is left alone for good. is_soon: a step that
    waits can be taken in a moment.
    """

    action: Action = Action.NOTHING
    state: RemovalState | None = None
    note: str = ""
    rule_id: str = ""
    taken_over: Rule | None = None
    is_soon: bool = False


def next_step(removal: Removal, now: GroupState, moment: datetime) -> Step:
    """The next step of a removal in a state that is an intent."""
    if removal.state is RemovalState.APPROVED:
        return _to_quarantine(removal, now, moment)
    if removal.state is RemovalState.REVOKING:
        return _to_revoke(removal, now, moment)
    return _to_restore(removal, now, moment)


def _to_quarantine(removal: Removal, now: GroupState, moment: datetime) -> Step:
    own = now.rules.get(removal.rule.id)
    if own is None:
        return _taken_away(removal, now) or _withdrawn(GONE)
    if is_inert(own, removal):
        return Step(state=RemovalState.QUARANTINED)
    if not _is_as_announced(own, removal):
        return _edited(own)
    if why := _why_it_stays(own, now, moment.date()):
        return _withdrawn(why)
    if removal.intended_at is not None and moment - removal.intended_at > STALE_AFTER:
        return Step(note="the evidence is older than a quarter of an hour")
    return Step(action=Action.QUARANTINE, state=RemovalState.QUARANTINED)


def _to_revoke(removal: Removal, now: GroupState, moment: datetime) -> Step:
    own, twin = now.rules.get(removal.rule.id), _twin(removal, now)
    if own is None:
        return _taken_away(removal, now) or Step(state=RemovalState.REVOKED)
    if not removal.is_direct and _is_as_announced(own, removal):
        is_soon = _may_not_be_seen(removal, moment)
        return Step(note=NOT_SEEN, is_soon=True) if is_soon else _returned(own, "its peer was changed back")
    if not (_is_as_announced(own, removal) if removal.is_direct else is_inert(own, removal)):
        return _edited(own)
    if not now.is_managed:
        return Step(note=UNMANAGED)
    if why := _why_it_stays(own, now, moment.date()):
        return Step(state=RemovalState.RESTORING, note=why)
    if twin:
        return replace(_returned(twin, f"it was made again as {twin.id}"), action=Action.CLEAR)
    return Step(action=Action.REVOKE, state=RemovalState.REVOKED)


def _to_restore(removal: Removal, now: GroupState, moment: datetime) -> Step:
    own, twin = now.rules.get(removal.rule.id), _twin(removal, now)
    if now.group is None:
        return _withdrawn(GROUP_GONE)
    if own is None and twin is None and removal.revoke_intended_at is None:
        return _withdrawn(GONE)
    if own is None and twin is not None:
        return Step(state=RemovalState.RESTORED, rule_id=twin.id)
    if own is not None and not is_inert(own, removal):
        return _back_in_place(removal, own, now, moment)
    if not now.is_managed:
        return Step(note=UNMANAGED)
    if own is None:
        return Step(action=Action.MAKE_AGAIN, state=RemovalState.RESTORED)
    action = Action.CLEAR if twin else Action.GIVE_BACK
    return Step(action=action, state=RemovalState.RESTORED, rule_id=twin.id if twin else own.id)


def _back_in_place(removal: Removal, own: Rule, now: GroupState, moment: datetime) -> Step:
    """Of a rule that is to be restored and is not in quarantine, as EC2 shows it."""
    if not _is_as_announced(own, removal):
        return _edited(own)
    if _may_not_be_seen(removal, moment):
        if not now.is_managed:
            return Step(note=NOT_SEEN, is_soon=True)
        return Step(action=Action.GIVE_BACK, state=RemovalState.RESTORED, rule_id=own.id)
    if was_changed(removal):
        return Step(state=RemovalState.RESTORED, rule_id=own.id)
    return Step(state=RemovalState.WITHDRAWN)


def _may_not_be_seen(removal: Removal, moment: datetime) -> bool:
    """Whether a rule may have been quarantined so lately that EC2 may still show what it was."""
    changes = (removal.intended_at, removal.quarantined_at)
    return removal.inert is not None and any(moment - one < SEEN_AFTER for one in changes if one is not None)


def _taken_away(removal: Removal, now: GroupState) -> Step | None:
    """Of a rule that is not there: its group went with it, or it was made again; None if it is only gone."""
    if now.group is None:
        return _withdrawn(GROUP_GONE)
    twin = _twin(removal, now)
    return _returned(twin, f"it was made again as {twin.id}") if twin else None


def _why_it_stays(rule: Rule, now: GroupState, today: date) -> str:
    """By the tags of the rule and its group; empty if it need not."""
    if not now.is_managed:
        return UNMANAGED
    why = kept(rule.tags, today) or (kept(now.group.tags, today) if now.group else "")
    return f"it is kept ({why})" if why else ""


def is_inert(rule: Rule, removal: Removal) -> bool:
    """Whether a rule is as a removal has quarantined it."""
    return removal.inert is not None and terms_of(rule) == terms_of(replace(removal.rule, peer=removal.inert))


def was_changed(removal: Removal) -> bool:
    """Whether the rule was another one for some time, or was not there, because of the removal."""
    is_quarantined = removal.quarantined_at is not None and not removal.is_direct
    return is_quarantined or removal.revoked_at is not None


def _is_as_announced(rule: Rule, removal: Removal) -> bool:
    return terms_of(rule) == terms_of(removal.rule)


def _twin(removal: Removal, now: GroupState) -> Rule | None:
    """Another rule that allows exactly what this one did."""
    terms = terms_of(removal.rule)
    return next((one for one in now.rules.values() if one.id != removal.rule.id and terms_of(one) == terms), None)


def _withdrawn(note: str) -> Step:
    return Step(state=RemovalState.WITHDRAWN, note=note)


def _returned(rule: Rule, note: str) -> Step:
    return Step(state=RemovalState.WITHDRAWN, note=note, rule_id=rule.id, taken_over=rule)


def _edited(rule: Rule) -> Step:
    note = f"others have changed it: it is {text_of(rule)} now"
    return Step(state=RemovalState.WITHDRAWN, note=note, taken_over=rule)
