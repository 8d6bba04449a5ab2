"""A plan of removals while it is made: later steps see removals as earlier ones leave them."""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.security_groups.model.removals import Candidate, LeftAlone, Removal, RemovalState
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.plan.caps import Allowance
from berthmaster.security_groups.plan.removal_progress import going
from berthmaster.security_groups.plan.situation import LeaveAlone, Move, RemovalPlan, Situation, Step, Wait
from berthmaster.security_groups.plan.terms import content_key

WAITS_FOR = timedelta(days=14)
"""A removal that was due, and that something stood in the way of, ends after that time."""


class Draft:
    """The steps so far, and what is there once they are taken.

    removals, left: as they will be, by rule and by key. standing: candidates of removals whose rules are as they were,
    and may still go. unsaved: removals that were moved without a step of their own. moved: rules that were.
    """

    def __init__(self, situation: Situation) -> None:
        self._now = situation.now
        self.situation = situation
        self.removals = {one.rule.id: one for one in situation.removals}
        self.left = {one.sort_key: one for one in situation.left_alone}
        self.allowance = Allowance(situation.removals, situation.policy, situation.now)
        self.standing: dict[str, Candidate] = {}
        self.waiting: set[str] = set()
        self.unsaved: dict[str, Removal] = {}
        self.moved: set[str] = set()
        self.steps: list[Step] = []

    def plan(self) -> RemovalPlan:
        """All steps."""
        unsaved = [Move(one, "it is proposed again when that may be") for one in self.unsaved.values()]
        return RemovalPlan((*self.steps, *unsaved))

    def why_not_now(self) -> str:
        """Why nothing is changed now, empty if it may be."""
        if not self.situation.may_begin:
            return f"the mode is {self.situation.mode}"
        return self.situation.paused or self.situation.frozen

    def announce_again(self, removal: Removal) -> Removal:
        """Without a notice: it is proposed anew as soon as it may be."""
        again = replace(
            removal,
            state=RemovalState.ANNOUNCED,
            changed_at=self._now,
            proposal="",
            due_at=self._now,
            unpublished=False,
        )
        self.removals[removal.rule.id] = self.unsaved[removal.rule.id] = again
        return again

    def gone(self, *more: RemovalState) -> frozenset[str]:
        """The rules that count as gone: those whose change was decided, and those in further states."""
        certain = going(self.removals.values(), self._now)
        return certain | {key for key, one in self.removals.items() if one.state in more}

    def due(self, *states: RemovalState) -> list[Removal]:
        """Removals whose next step may be taken, in the order in which they became due."""
        found = [one for one in self.removals.values() if one.state in states]
        # A proposal that waits for a decision is due when it expires; in mode enforce none is needed.
        due = [one for one in found if one.due_at <= self._now or one.state is RemovalState.PROPOSED]
        return sorted(due, key=lambda one: (one.due_at, one.rule.id))

    def move(self, removal: Removal, state: RemovalState, reason: str, **changes: object) -> None:
        """Bring a removal into another state."""
        moved = removal.moved(state, self._now, note=reason, **changes)
        self.removals[removal.rule.id] = moved
        self.moved.add(removal.rule.id)
        self.standing.pop(removal.rule.id, None)
        self.unsaved.pop(removal.rule.id, None)
        self.steps.append(Move(moved, reason))

    def wait(self, removal: Removal, reason: str, end: RemovalState | None) -> None:
        """Do nothing for now; what has waited for too long ends in a state, if there is one."""
        if end is not None and self._now - removal.due_at > WAITS_FOR:
            self.move(removal, end, f"for {WAITS_FOR.days} days nothing could be done: {reason}")
        elif removal.rule.id not in self.waiting:
            self.waiting.add(removal.rule.id)
            self.steps.append(Wait(removal.rule, removal, reason))

    def leave_alone(
        self, rule: Rule, why: str, *, until: datetime | None = None, returned: Removal | None = None
    ) -> None:
        """Not announce it again; what is left alone for good already was reported when that began."""
        new = LeftAlone(group=rule.group, key=content_key(rule), why=why, since=self._now, until=until)
        known = self.left.get(new.sort_key)
        if known and known.until is None:
            return
        self.left[new.sort_key] = new
        self.steps.append(LeaveAlone(replace(new, version=known.version if known else 0), why, returned))
