"""Requests about one expansion: to approve, reject or undo it. Each is carried out, or refused with the reason."""

from collections.abc import Sequence
from datetime import datetime

from berthmaster.approval import Decision, Outcome
from berthmaster.capacity.context import ExpandContext, Handover
from berthmaster.capacity.ledger.expansions import (
    PROPOSAL_LIFETIME,
    Expansion,
    ExpansionState,
    expansion_of,
    fingerprint,
    refused_of,
)
from berthmaster.capacity.model import Plan
from berthmaster.capacity.observe.locate import is_managed
from berthmaster.capacity.observe.snapshot import read_vpc
from berthmaster.capacity.outcomes import Outcomes
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.progress import Progress
from berthmaster.capacity.proposals import Proposals, limit_reached
from berthmaster.capacity.report import notices
from berthmaster.capacity.triggers import Request, Retirement
from berthmaster.errors import InvalidEvent
from berthmaster.modes import Mode
from berthmaster.telemetry import logger

_RETIRABLE = frozenset({ExpansionState.DONE, ExpansionState.FAILED, ExpansionState.RETIRING})
_CHANGED = "the VPC has changed since"


class Decisions:
    """Carries out what operators decide."""

    def __init__(self, context: ExpandContext, progress: Progress, proposals: Proposals) -> None:
        self._context = context
        self._clock = context.clock
        self._expansions = context.expansions
        self._outcomes = Outcomes(context)
        self._progress = progress
        self._proposals = proposals

    def decide(self, decision: Decision, expansions: Sequence[Expansion], deadline: datetime) -> Handover:
        """Approve or reject one of the VPC's expansions; InvalidEvent if it is none of them."""
        expansion = _find(expansions, expansion_of(decision.proposal), "detail.proposal")
        if decision.outcome is Outcome.APPROVED:
            return self._approve(expansion, decision, expansions, deadline)
        self._reject(expansion, decision, deadline)
        return Handover()

    def retire(self, request: Retirement, expansions: Sequence[Expansion], deadline: datetime) -> Handover:
        """Undo one of the VPC's expansions; InvalidEvent if it is none of them."""
        expansion = _find(expansions, request.expansion_id, "detail.expansion")
        if expansion.state is ExpansionState.RETIRED:
            logger.info("retired before", expansion=expansion.id)
        elif expansion.state not in _RETIRABLE:
            self._refuse(request, f"it is {expansion.state}")
        elif any(one.state.is_unfinished and one.id != expansion.id for one in expansions):
            self._refuse(request, "another expansion of the VPC is in progress: request it again when that is done")
        else:
            retiring = expansion.moved(ExpansionState.RETIRING, self._clock.now(), by=request.by, kept_because="")
            return Handover(resumes_at=self._progress.carry_on(self._expansions.save(retiring), deadline))
        return Handover()

    def _approve(
        self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion], deadline: datetime
    ) -> Handover:
        if expansion.state.is_unfinished or expansion.state is ExpansionState.DONE:
            logger.info("approved before", expansion=expansion.id, state=expansion.state)
            return Handover()
        if reason := self._why_not(expansion, decision, expansions):
            self._refuse(decision, reason)
            return Handover()
        now = self._clock.now()
        plan = self._plan_again(expansion, expansions)
        if fingerprint(plan) != expansion.fingerprint:
            self._expansions.save(expansion.moved(ExpansionState.SUPERSEDED, now, note=_CHANGED))
            self._refuse(decision, f"{_CHANGED}; a new plan is proposed if one is needed")
            others = [one for one in expansions if one.id != expansion.id]
            resumes_at = self._proposals.submit(plan, others, deadline, decision.by)
        else:
            approved = expansion.moved(ExpansionState.RUNNING, now, plan=plan, by=decision.by or expansion.by)
            resumes_at = self._progress.carry_on(self._expansions.save(approved), deadline)
        return Handover(considered_at=now, resumes_at=resumes_at)

    def _why_not(self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion]) -> str:
        """Why a proposal cannot be approved; "" if it can."""
        now = self._clock.now()
        if self._context.mode is Mode.OBSERVE:
            return "the mode is observe"
        if expansion.state is not ExpansionState.PROPOSED:
            return f"it is {expansion.state}"
        if now - expansion.created_at >= PROPOSAL_LIFETIME:
            self._expansions.save(expansion.moved(ExpansionState.EXPIRED, now))
            return f"it expired after {PROPOSAL_LIFETIME.days} days"
        if decision.fingerprint and decision.fingerprint != expansion.fingerprint:
            return f"the plan is {expansion.fingerprint}, not {decision.fingerprint}"
        if any(one.state.is_unfinished for one in expansions):
            return "another expansion of the VPC is in progress: approve again when it is done"
        if limit := limit_reached(expansions, now, self._context.policy):
            return limit
        return "" if is_managed(self._context.clients.ec2, expansion.vpc_id) else "the VPC is no longer tagged"

    def _plan_again(self, expansion: Expansion, expansions: Sequence[Expansion]) -> Plan:
        """The plan for the same needs as the VPC is now."""
        now, settings = self._clock.now(), self._context.settings
        snapshot = read_vpc(self._context.clients, expansion.vpc_id, now, ipam_pool=settings.capacity_ipam_pool)
        existing = {subnet.id for subnet in snapshot.subnets}
        needs = [need for need in expansion.plan.needs if need.origin_id in existing]
        return plan_expansion(snapshot, needs, settings.policy, refused_of(expansions, now))

    def _reject(self, expansion: Expansion, decision: Decision, deadline: datetime) -> None:
        if expansion.state.is_unfinished:
            self._progress.abandon(expansion, decision.by, deadline)
        elif expansion.state is ExpansionState.REJECTED:
            logger.info("rejected before", expansion=expansion.id)
        elif expansion.state is not ExpansionState.PROPOSED:
            self._refuse(decision, f"it is {expansion.state}")
        else:
            self._outcomes.conclude(expansion.moved(ExpansionState.REJECTED, self._clock.now(), by=decision.by))

    def _refuse(self, request: Request, reason: str) -> None:
        self._context.notices.publish([notices.refusal(request, reason)])


def _find(expansions: Sequence[Expansion], expansion_id: str, field: str) -> Expansion:
    for expansion in expansions:
        if expansion.id == expansion_id:
            return expansion
    raise InvalidEvent(field, f"{expansion_id} is not known")
