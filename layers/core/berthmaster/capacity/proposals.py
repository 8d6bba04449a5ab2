"""What becomes of a plan: it is reported, proposed to an operator or carried out, depending on the mode."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.capacity.context import ExpandContext, Ruling
from berthmaster.capacity.ledger.expansions import (
    PROPOSAL_LIFETIME,
    Expansion,
    ExpansionState,
    fingerprint,
    new_id,
    refused_of,
)
from berthmaster.capacity.model.plan import Plan, Policy
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.outcomes import Outcomes
from berthmaster.capacity.plan.materiality import difference, is_same_obstacle, why_replaced
from berthmaster.capacity.plan.updates import NOTHING_HELD, Held, is_of_use, without
from berthmaster.capacity.triggers import ExpandRequest
from berthmaster.modes import Mode
from berthmaster.telemetry import logger

REPORT_LIFETIME = timedelta(days=1)
"""How long people are not notified again of the same obstacle or limit."""
NEEDED_AGAIN_WITHIN = timedelta(days=1)
"""A proposal stays for so long although nothing needs it any more."""


class Proposals:
    """Handles each new plan, and does not repeat what was reported, proposed or rejected before."""

    def __init__(self, context: ExpandContext) -> None:
        self._context = context
        self._expansions = context.expansions
        self._outcomes = Outcomes(context)

    def submit(
        self,
        plan: Plan,
        snapshot: VpcSnapshot,
        expansions: Sequence[Expansion],
        by: str,
        request: ExpandRequest | None = None,
        *,
        held: Held = NOTHING_HELD,
    ) -> Ruling:
        """Do with a plan what the mode says.

        snapshot: what the plan was made of. expansions: the VPC's, for comparison. by: who asked for it, or what did.
        request: if a person did. held: services that are not updated for now; if nothing else could use what would be
        added, a plan with those that wait for a person is proposed in mode enforce too.
        """
        now = self._context.clock.now()
        whole = without(plan, held.for_now)
        plan = without(whole, held.until_asked.keys()) if self._context.mode is Mode.ENFORCE else whole
        is_held = (held.until_asked or held.for_now) and not is_of_use(plan)
        if is_held and not held.until_asked:
            logger.info("no service can be updated now", vpc=plan.vpc_id, services=sorted(held.for_now))
            return Ruling(text="its services cannot be updated now", is_refused=True)
        plan = replace(whole if is_held else plan, warnings=(*plan.warnings, *held.reasons))
        expansion = Expansion(
            id=new_id(plan.vpc_id, now),
            vpc_id=plan.vpc_id,
            state=ExpansionState.RUNNING,
            plan=plan,
            created_at=now,
            changed_at=now,
            by=by,
            request_id=request.id if request else "",
            requested_subnet=request.subnet_id if request else "",
            requested_addresses=request.addresses if request else 0,
            asked=request is not None,
        )
        if not plan.changes_anything:
            impossible = replace(expansion, state=ExpansionState.IMPOSSIBLE)
            if plan.is_for_people:
                self._report_to_people(impossible, expansions)
            else:
                self._report(impossible, expansions, REPORT_LIFETIME)
            rules = "; ".join(f"{one.candidate}: {one.rule} → {one.remedy}" for one in plan.obstacles)
            return Ruling(text=f"the VPC cannot be expanded: {rules}", is_refused=True)
        if self._context.mode is Mode.OBSERVE:
            self._report(replace(expansion, state=ExpansionState.REPORTED), expansions, PROPOSAL_LIFETIME)
            return Ruling(text="the mode is observe; Expansion Reported says what would be done", is_refused=True)
        if self._context.mode is Mode.APPROVE or is_held:
            return self._propose(replace(expansion, state=ExpansionState.PROPOSED), snapshot, expansions)
        if limit := limit_reached(plan, expansions, now, self._context.policy):
            self._report(replace(expansion, state=ExpansionState.REPORTED, note=limit), expansions, REPORT_LIFETIME)
            return Ruling(text=limit, is_refused=True)
        self._supersede(one for one in expansions if one.state is ExpansionState.PROPOSED and one.plan.subnets)
        return carried_out(self._expansions.save(expansion.moved(ExpansionState.RUNNING, now)))

    def withdraw_unneeded(self, expansions: Iterable[Expansion]) -> None:
        """End proposals that nothing needs any more, unless a person has asked for them.

        A peak passes and comes back: what was proposed within a day may be needed again.
        """
        now = self._context.clock.now()
        for one in expansions:
            is_old = now - one.created_at >= NEEDED_AGAIN_WITHIN
            if one.state is ExpansionState.PROPOSED and not one.request_id and is_old:
                self._expansions.save(one.moved(ExpansionState.EXPIRED, now, note="no subnet needs addresses any more"))

    def _supersede(self, proposals: Iterable[Expansion]) -> None:
        """End proposals that were made before the mode was enforce: to approve one would expand the VPC again."""
        for one in proposals:
            self._expansions.save(one.moved(ExpansionState.SUPERSEDED, self._context.clock.now()))

    def _report(self, expansion: Expansion, expansions: Sequence[Expansion], lifetime: timedelta) -> None:
        """Record and publish, unless the same, or nearly the same, was published within this time."""
        if any(
            one.state is expansion.state
            and expansion.created_at - one.created_at < lifetime
            and _was_reported(one.plan, expansion.plan)
            for one in expansions
        ):
            logger.info("reported before", vpc=expansion.vpc_id, state=expansion.state, plan=expansion.fingerprint)
            return
        self._outcomes.conclude(expansion)

    def _report_to_people(self, expansion: Expansion, expansions: Sequence[Expansion]) -> None:
        """Record and publish what people have to change, unless all of that was published within a week.

        It takes them days, and the subnets that are short vary meanwhile.
        """
        known = {
            obstacle.candidate
            for one in expansions
            if one.state is expansion.state and expansion.created_at - one.created_at < PROPOSAL_LIFETIME
            for obstacle in one.plan.obstacles
        }
        if known.issuperset(obstacle.candidate for obstacle in expansion.plan.obstacles):
            logger.info("reported before", vpc=expansion.vpc_id, state=expansion.state, plan=expansion.fingerprint)
        else:
            self._outcomes.conclude(expansion)

    def _propose(self, proposal: Expansion, snapshot: VpcSnapshot, expansions: Sequence[Expansion]) -> Ruling:
        """Record and publish, unless one that was proposed stands, or the same was rejected.

        What was proposed and does not stand ends.
        """
        now = proposal.created_at
        replaced: list[Expansion] = []
        for one in expansions:
            is_current = now - one.created_at < PROPOSAL_LIFETIME
            if one.state is ExpansionState.PROPOSED:
                reason = self._why_replaced(one, proposal, snapshot, expansions) if is_current else "it was too old"
                if not reason:
                    logger.info("proposed before", expansion=one.id)
                    return Ruling(text=f"{one.proposal} adds that, and is proposed")
                state = ExpansionState.SUPERSEDED if is_current else ExpansionState.EXPIRED
                replaced.append(one.moved(state, now, note=reason))
            elif one.state is ExpansionState.REJECTED and is_current and _was_rejected(one, proposal):
                logger.info("rejected before", expansion=one.id)
                return Ruling(text=f"{one.proposal} adds that, and is rejected", is_refused=True)
        for one in replaced:
            self._expansions.save(one)
        self._outcomes.conclude(proposal)
        return Ruling(text=f"{proposal.proposal} is proposed, and waits for Proposal Approved")

    def _why_replaced(
        self, proposed: Expansion, proposal: Expansion, snapshot: VpcSnapshot, expansions: Sequence[Expansion]
    ) -> str:
        """Why a proposal does not stand beside what would be proposed now; "" if it does."""
        if proposed.fingerprint == proposal.fingerprint:
            return ""
        return why_replaced(
            proposed.plan,
            proposal.plan,
            snapshot,
            self._context.policy,
            refused_of(expansions, proposal.created_at),
            at_least=bool(proposal.requested_addresses),
        )


def _was_reported(before: Plan, now: Plan) -> bool:
    if fingerprint(before) == fingerprint(now):
        return True
    if not now.changes_anything:
        return is_same_obstacle(before, now)
    return not difference(before, now)


def _was_rejected(rejected: Expansion, proposal: Expansion) -> bool:
    """Whether a person has rejected this. To a request of a person only the very same counts."""
    if proposal.request_id or rejected.fingerprint == proposal.fingerprint:
        return rejected.fingerprint == proposal.fingerprint
    return not difference(rejected.plan, proposal.plan)


def carried_out(expansion: Expansion) -> Ruling:
    """An expansion was begun for a request, and is carried on next."""
    text = f"expansion {expansion.id} is carried out; Expansion Completed or Expansion Failed follows"
    return Ruling(text=text, begun=expansion)


def limit_reached(plan: Plan, expansions: Sequence[Expansion], now: datetime, policy: Policy) -> str:
    """Why no further expansion may begin today; "" if one may.

    Counted is when expansions began, whatever became of them since. Those that only list subnets neither count nor are
    limited.
    """
    if not plan.subnets:
        return ""
    begun = sum(1 for one in expansions if one.begun_at and one.plan.subnets and now - one.begun_at < timedelta(days=1))
    most = policy.expansions_per_day
    return f"{most} expansions were begun within a day, which is the limit" if begun >= most else ""
