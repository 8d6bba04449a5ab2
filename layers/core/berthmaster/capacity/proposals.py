"""What becomes of a plan: it is reported, proposed to an operator or carried out, depending on the mode."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.capacity.context import ExpandContext, Ruling
from berthmaster.capacity.ledger.expansions import PROPOSAL_LIFETIME, Expansion, ExpansionState, new_id
from berthmaster.capacity.model import Plan, Policy
from berthmaster.capacity.outcomes import Outcomes
from berthmaster.modes import Mode
from berthmaster.telemetry import logger

REPORT_LIFETIME = timedelta(days=1)
"""How long people are not notified again of the same obstacle or limit."""

_BEGUN = frozenset(
    {
        ExpansionState.RUNNING,
        ExpansionState.DONE,
        ExpansionState.FAILED,
        ExpansionState.RETIRING,
        ExpansionState.RETIRED,
    }
)


class Proposals:
    """Handles each new plan, and does not repeat what was reported, proposed or rejected before."""

    def __init__(self, context: ExpandContext) -> None:
        self._context = context
        self._expansions = context.expansions
        self._outcomes = Outcomes(context)

    def submit(self, plan: Plan, expansions: Sequence[Expansion], by: str, request_id: str = "") -> Ruling:
        """Do with a plan what the mode says. expansions: the VPC's, for comparison. by, request_id: see `Expansion`."""
        now = self._context.clock.now()
        expansion = Expansion(
            id=new_id(plan.vpc_id, now),
            vpc_id=plan.vpc_id,
            state=ExpansionState.RUNNING,
            plan=plan,
            created_at=now,
            changed_at=now,
            by=by,
            request_id=request_id,
        )
        if not plan.changes_anything:
            self._report(replace(expansion, state=ExpansionState.IMPOSSIBLE), expansions, REPORT_LIFETIME)
            rules = "; ".join(f"{one.candidate}: {one.rule}" for one in plan.obstacles)
            return Ruling(text=f"the VPC cannot be expanded: {rules}", is_refused=True)
        if self._context.mode is Mode.OBSERVE:
            self._report(replace(expansion, state=ExpansionState.REPORTED), expansions, PROPOSAL_LIFETIME)
            return Ruling(text="the mode is observe; Expansion Reported says what would be done", is_refused=True)
        if self._context.mode is Mode.APPROVE:
            return self._propose(replace(expansion, state=ExpansionState.PROPOSED), expansions)
        if limit := limit_reached(expansions, now, self._context.policy):
            self._report(replace(expansion, state=ExpansionState.REPORTED, note=limit), expansions, REPORT_LIFETIME)
            return Ruling(text=limit, is_refused=True)
        self._supersede(one for one in expansions if one.state is ExpansionState.PROPOSED)
        return carried_out(self._expansions.save(expansion.moved(ExpansionState.RUNNING, now)))

    def _supersede(self, proposals: Iterable[Expansion]) -> None:
        """End proposals that were made before the mode was enforce: to approve one would expand the VPC again."""
        for one in proposals:
            self._expansions.save(one.moved(ExpansionState.SUPERSEDED, self._context.clock.now()))

    def _report(self, expansion: Expansion, expansions: Sequence[Expansion], lifetime: timedelta) -> None:
        """Record and publish, unless the same was published within this time."""
        if any(
            one.state is expansion.state
            and one.fingerprint == expansion.fingerprint
            and expansion.created_at - one.created_at < lifetime
            for one in expansions
        ):
            logger.info("reported before", vpc=expansion.vpc_id, state=expansion.state, plan=expansion.fingerprint)
            return
        self._outcomes.conclude(expansion)

    def _propose(self, proposal: Expansion, expansions: Sequence[Expansion]) -> Ruling:
        """Record and publish, unless the same is proposed or was rejected; older proposals end."""
        now = proposal.created_at
        for one in expansions:
            is_current = now - one.created_at < PROPOSAL_LIFETIME
            if one.fingerprint == proposal.fingerprint and is_current:
                if one.state in {ExpansionState.PROPOSED, ExpansionState.REJECTED}:
                    logger.info("proposed before", expansion=one.id, state=one.state)
                    is_rejected = one.state is ExpansionState.REJECTED
                    return Ruling(text=f"{one.proposal} is the same, and is {one.state}", is_refused=is_rejected)
            elif one.state is ExpansionState.PROPOSED:
                ended = ExpansionState.SUPERSEDED if is_current else ExpansionState.EXPIRED
                self._expansions.save(one.moved(ended, now))
        self._outcomes.conclude(proposal)
        return Ruling(text=f"{proposal.proposal} is proposed, and waits for Proposal Approved")


def carried_out(expansion: Expansion) -> Ruling:
    """An expansion was begun for a request, and is carried on next."""
    text = f"expansion {expansion.id} is carried out; Expansion Completed or Expansion Failed follows"
    return Ruling(text=text, begun=expansion)


def limit_reached(expansions: Sequence[Expansion], now: datetime, policy: Policy) -> str:
    """Why no further expansion may begin today; "" if one may. Those that only wired subnets do not count."""
    begun = sum(
        1
        for one in expansions
        if one.state in _BEGUN and one.plan.subnets and now - (one.begun_at or one.changed_at) < timedelta(days=1)
    )
    most = policy.expansions_per_day
    return f"{most} expansions were begun within a day, which is the limit" if begun >= most else ""
