"""Requests about one expansion: to approve, reject or undo it. Each is granted, or refused with the reason."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from berthmaster.approval import Decision
from berthmaster.capacity.block_choice import BlockChoice
from berthmaster.capacity.context import ExpandContext, Ruling
from berthmaster.capacity.ledger.expansions import (
    PROPOSAL_LIFETIME,
    Expansion,
    ExpansionState,
    expansion_of,
    fingerprint,
    refused_of,
    updates_of,
)
from berthmaster.capacity.model.plan import Plan
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.observe.locate import is_managed
from berthmaster.capacity.outcomes import Outcomes
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.plan.materiality import why_replaced
from berthmaster.capacity.plan.updates import as_wired, held_back
from berthmaster.capacity.progress import ABANDONED, Progress
from berthmaster.capacity.proposals import Proposals, limit_reached
from berthmaster.capacity.triggers import Retirement
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.proposals import Outcome

_RETIRABLE = frozenset(
    {
        ExpansionState.DONE,
        ExpansionState.FAILED,
        ExpansionState.RETIRING,
        ExpansionState.DRAINING,
        ExpansionState.RETIRED,
    }
)
"""One that was retired is, too, while its block is left: subnets of others were in it."""
_CHANGED = "the VPC has changed since"


class Decisions:
    """Decides what becomes of operators' decisions."""

    def __init__(self, context: ExpandContext, progress: Progress, proposals: Proposals) -> None:
        self._context = context
        self._clock = context.clock
        self._expansions = context.expansions
        self._outcomes = Outcomes(context)
        self._progress = progress
        self._proposals = proposals
        self._block_choice = BlockChoice(context)

    def decide(self, decision: Decision, expansions: Sequence[Expansion], invocation: Invocation) -> Ruling:
        """Approve or reject one of the VPC's expansions."""
        expansion = _find(expansions, expansion_of(decision.proposal))
        if expansion is None:
            return _refused(f"detail.proposal: there is no proposal {decision.proposal}")
        if decision.outcome is Outcome.APPROVED:
            ruling = self._approve(expansion, decision, expansions, invocation)
        else:
            ruling = self._reject(expansion, decision, invocation)
        return replace(ruling, vpc=expansion.plan.vpc)

    def retire(self, request: Retirement, expansions: Sequence[Expansion]) -> Ruling:
        """Undo one of the VPC's expansions."""
        expansion = _find(expansions, request.expansion_id)
        if expansion is None:
            return _refused(f"detail.expansion: there is no expansion {request.expansion_id}")
        ruling = self._retire(expansion, request, expansions)
        return replace(ruling, vpc=expansion.plan.vpc)

    def _retire(self, expansion: Expansion, request: Retirement, expansions: Sequence[Expansion]) -> Ruling:
        if expansion.state is ExpansionState.RETIRED and not expansion.association_id:
            return Ruling(text="it was undone before")
        if expansion.state not in _RETIRABLE:
            return _refused(f"it is {expansion.state}")
        if any(one.state.keeps_vpc and one.id != expansion.id for one in expansions):
            return _refused("another expansion of the VPC is in progress: request it again when that is done")
        if expansion.state is ExpansionState.DRAINING:
            return Ruling(text="its subnets are being drained; Expansion Retired follows when they are empty")
        own = set(expansion.subnet_ids.values())
        if wiring := [one.label for one in updates_of(expansions) if one.state.is_open and own & set(one.subnet_ids)]:
            return _refused(f"its subnets are being given to {', '.join(wiring)}: request it again when that is done")
        retiring = expansion.moved(
            ExpansionState.RETIRING,
            self._clock.now(),
            by=request.by,
            drain=request.drain or (expansion.drain and expansion.state is ExpansionState.RETIRING),
            kept_because="",
            in_use=(),
            can_drain=False,
        )
        text = "the expansion is being undone; Expansion Retired follows, or Retirement Refused if it is in use"
        if retiring.drain:
            text += "; its services are deployed without its subnets, and Expansion Draining says what is left in them"
        return Ruling(text=text, begun=self._expansions.save(retiring))

    def _approve(
        self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion], invocation: Invocation
    ) -> Ruling:
        if expansion.state.is_unfinished or expansion.state is ExpansionState.DONE:
            return Ruling(text=f"it was approved before, and is {expansion.state}")
        if reason := self._why_not(expansion, decision, expansions):
            return _refused(reason)
        read = self._read_again(expansion, expansions, invocation.deadline)
        with self._block_choice.alone(read, invocation) as snapshot:
            return self._begin_if_it_stands(expansion, decision, expansions, snapshot)

    def _begin_if_it_stands(
        self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion], snapshot: VpcSnapshot
    ) -> Ruling:
        now = snapshot.taken_at
        plan = self._plan_again(expansion, expansions, snapshot)
        if reason := self._why_replaced(expansion, plan, snapshot, expansions):
            self._expansions.save(expansion.moved(ExpansionState.SUPERSEDED, now, note=f"{_CHANGED}: {reason}"))
            others = [one for one in expansions if one.id != expansion.id]
            held = held_back(plan, snapshot.services, updates_of(expansions), now)
            ruling = self._proposals.submit(plan, snapshot, others, decision.by, held=held)
            then = "what is needed now is carried out" if ruling.begun else "a new plan is proposed if one is needed"
            return replace(ruling, text=f"{_CHANGED}: {reason}; {then}", is_refused=True, considered_at=now)
        by = decision.by or expansion.by
        approved = expansion.moved(ExpansionState.RUNNING, now, by=by, asked=True)
        text = "the expansion is carried out; Expansion Completed or Expansion Failed follows"
        return Ruling(text=text, begun=self._expansions.save(approved), considered_at=now)

    def _why_not(self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion]) -> str:
        """Why a proposal cannot be approved; "" if it can."""
        now = self._clock.now()
        if self._context.mode is Mode.OBSERVE:
            return "the mode is observe"
        if expansion.state is not ExpansionState.PROPOSED:
            return f"it is {expansion.state}" + (f": {expansion.note}" if expansion.note else "")
        if now - expansion.created_at >= PROPOSAL_LIFETIME:
            self._expansions.save(expansion.moved(ExpansionState.EXPIRED, now))
            return f"it expired after {PROPOSAL_LIFETIME.days} days"
        if other := _other_fingerprint(expansion, decision):
            return other
        if any(one.state.keeps_vpc for one in expansions):
            return "another expansion of the VPC is in progress: approve again when it is done"
        if limit := limit_reached(expansion.plan, expansions, now, self._context.policy):
            return limit
        return "" if is_managed(self._context.clients.ec2, expansion.vpc_id) else "the VPC is no longer tagged"

    def _read_again(self, expansion: Expansion, expansions: Sequence[Expansion], deadline: datetime) -> VpcSnapshot:
        """The VPC as it is now; NotBegun if it cannot be read in time."""
        return as_wired(self._context.read_vpc(expansion.vpc_id, deadline), updates_of(expansions))

    def _plan_again(self, expansion: Expansion, expansions: Sequence[Expansion], snapshot: VpcSnapshot) -> Plan:
        """The plan for the same needs as the VPC is now."""
        existing = {subnet.id for subnet in snapshot.subnets}
        needs = [need for need in expansion.plan.needs if need.origin_id in existing]
        refused = refused_of(expansions, snapshot.taken_at)
        return plan_expansion(snapshot, needs, self._context.policy, refused)

    def _why_replaced(
        self, expansion: Expansion, plan: Plan, snapshot: VpcSnapshot, expansions: Sequence[Expansion]
    ) -> str:
        """Why a proposal cannot be carried out as it was approved; "" if it can."""
        if fingerprint(plan) == expansion.fingerprint:
            return ""
        refused = refused_of(expansions, self._clock.now())
        return why_replaced(expansion.plan, plan, snapshot, self._context.policy, refused)

    def _reject(self, expansion: Expansion, decision: Decision, invocation: Invocation) -> Ruling:
        if reason := _other_fingerprint(expansion, decision):
            return _refused(reason)
        if expansion.state.is_being_undone:
            self._progress.abandon(expansion, decision.by, invocation)
            return Ruling(text="the retirement is stopped where it is; Retirement Refused says what was undone")
        if expansion.state.is_unfinished:
            self._progress.abandon(expansion, decision.by, invocation)
            return Ruling(text="the expansion is stopped as it is; Expansion Failed says what there is")
        if expansion.state is ExpansionState.FAILED and expansion.note.startswith(ABANDONED):
            return Ruling(text=f"it was {expansion.note} before")
        if expansion.state is ExpansionState.REJECTED:
            return Ruling(text=f"it was rejected before by {expansion.by or 'an operator'}")
        if expansion.state is not ExpansionState.PROPOSED:
            return _refused(f"it is {expansion.state}")
        self._outcomes.conclude(expansion.moved(ExpansionState.REJECTED, self._clock.now(), by=decision.by))
        return Ruling(text="it is rejected, and the same is not proposed again for a week")


def _other_fingerprint(expansion: Expansion, decision: Decision) -> str:
    """Why a decision is about another plan than that of the proposal; "" if it is not."""
    if decision.fingerprint and decision.fingerprint != expansion.fingerprint:
        return f"the fingerprint is {decision.fingerprint}, and that of the proposal is {expansion.fingerprint}"
    return ""


def _find(expansions: Sequence[Expansion], expansion_id: str) -> Expansion | None:
    return next((one for one in expansions if one.id == expansion_id), None)


def _refused(reason: str) -> Ruling:
    return Ruling(text=reason, is_refused=True)
