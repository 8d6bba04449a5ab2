"""An operator's word on one expansion: approved, rejected, retired, or turned down with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from berthmaster.capacity.ledger.expansions import (
    PROPOSAL_LIFETIME,
    Expansion,
    Expansions,
    ExpansionState,
    fingerprint,
    refused_of,
)
from berthmaster.capacity.observe import snapshot as observe
from berthmaster.capacity.observe.locate import Locator
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.progress import Progress
from berthmaster.capacity.proposals import Proposals, begun_today
from berthmaster.capacity.report.notices import Announcer
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.capacity.triggers import Decision, Verdict
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent
from berthmaster.modes import Mode
from berthmaster.telemetry import logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What a holder of the lease leaves to the next one; see `Lease`."""

    considered_at: datetime | None = None
    resumes_at: datetime | None = None


class Decisions:
    """What is done at an operator's word."""

    def __init__(
        self,
        settings: ExpandSettings,
        clients: Clients,
        clock: Clock,
        *,
        locator: Locator,
        expansions: Expansions,
        announcer: Announcer,
        progress: Progress,
        proposals: Proposals,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._locator = locator
        self._expansions = expansions
        self._announcer = announcer
        self._progress = progress
        self._proposals = proposals

    def decide(self, decision: Decision, expansions: Sequence[Expansion], deadline: datetime) -> Noted:
        """Do what an operator says of one of the VPC's expansions; InvalidEvent if it is none of them."""
        expansion = next((one for one in expansions if one.id == decision.expansion_id), None)
        if expansion is None:
            raise InvalidEvent("detail.expansion", f"{decision.expansion_id} is not known")
        match decision.verdict:
            case Verdict.APPROVED:
                return self._approve(expansion, decision, expansions, deadline)
            case Verdict.REJECTED:
                self._reject(expansion, decision)
                return Noted()
            case Verdict.RETIRED:
                return Noted(resumes_at=self._retire(expansion, decision, expansions, deadline))

    def _approve(
        self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion], deadline: datetime
    ) -> Noted:
        now = self._clock.now()
        if expansion.state.is_unfinished or expansion.state is ExpansionState.DONE:
            logger.info("approved before", expansion=expansion.id, state=expansion.state)
            return Noted()
        problem = self._why_not(expansion, decision, expansions, now)
        if not problem and not self._locator.is_managed(expansion.vpc_id):
            problem = "the VPC is no longer tagged"
        if problem:
            self._turn_down(expansion, decision, problem)
            return Noted()
        snapshot = observe.vpc(self._clients, expansion.vpc_id, now, ipam_pool=self._settings.capacity_ipam_pool)
        there = {subnet.id for subnet in snapshot.subnets}
        needed = [need for need in expansion.plan.needs if need.origin_id in there]
        afresh = plan_expansion(snapshot, needed, self._settings.policy, refused_of(expansions, now))
        if fingerprint(afresh) != expansion.fingerprint:
            self._expansions.save(expansion.moved(ExpansionState.SUPERSEDED, now, note="the VPC has changed since"))
            self._turn_down(expansion, decision, "the VPC has changed since; a new plan is proposed if one is needed")
            others = [one for one in expansions if one.id != expansion.id]
            return Noted(
                considered_at=now, resumes_at=self._proposals.put_forward(afresh, others, deadline, decision.by)
            )
        approved = expansion.moved(ExpansionState.RUNNING, now, plan=afresh, by=decision.by or expansion.by)
        resumes_at = self._progress.carry_on(self._expansions.save(approved), deadline)
        return Noted(considered_at=now, resumes_at=resumes_at)

    def _why_not(
        self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion], now: datetime
    ) -> str | None:
        if self._settings.capacity_mode is Mode.OBSERVE:
            return "the mode is observe"
        if expansion.state is not ExpansionState.PROPOSED:
            return f"it is {expansion.state}"
        if now - expansion.created_at >= PROPOSAL_LIFETIME:
            self._expansions.save(expansion.moved(ExpansionState.EXPIRED, now))
            return f"it expired after {PROPOSAL_LIFETIME.days} days"
        if decision.fingerprint and decision.fingerprint != expansion.fingerprint:
            return f"the plan is {expansion.fingerprint}, not {decision.fingerprint}"
        if any(one.state.is_unfinished for one in expansions):
            return "another expansion of the VPC is under way: approve again when it is done"
        if begun_today(expansions, now) >= self._settings.policy.expansions_per_day:
            return f"{self._settings.policy.expansions_per_day} expansions were begun within a day, the most allowed"
        return None

    def _reject(self, expansion: Expansion, decision: Decision) -> None:
        if expansion.state.is_unfinished:
            self._progress.abandon(expansion, decision.by)
            return
        if expansion.state is not ExpansionState.PROPOSED:
            self._turn_down(expansion, decision, f"it is {expansion.state}")
            return
        rejected = self._expansions.save(expansion.moved(ExpansionState.REJECTED, self._clock.now(), by=decision.by))
        self._announcer.say("Expansion Rejected", rejected)

    def _retire(
        self, expansion: Expansion, decision: Decision, expansions: Sequence[Expansion], deadline: datetime
    ) -> datetime | None:
        if expansion.state is ExpansionState.RETIRED:
            logger.info("retired before", expansion=expansion.id)
        elif self._settings.capacity_mode is Mode.OBSERVE:
            self._turn_down(expansion, decision, "the mode is observe")
        elif expansion.state not in {ExpansionState.DONE, ExpansionState.FAILED, ExpansionState.RETIRING}:
            self._turn_down(expansion, decision, f"it is {expansion.state}")
        elif any(one.state.is_unfinished and one.id != expansion.id for one in expansions):
            self._turn_down(
                expansion, decision, "another expansion of the VPC is under way: retire it when that is done"
            )
        else:
            retiring = expansion.moved(ExpansionState.RETIRING, self._clock.now(), by=decision.by)
            return self._progress.carry_on(self._expansions.save(retiring), deadline)
        return None

    def _turn_down(self, expansion: Expansion, decision: Decision, reason: str) -> None:
        logger.warning("turned down", expansion=expansion.id, verdict=decision.verdict, reason=reason)
        self._announcer.turn_down(decision, reason)
        self._announcer.say("Decision Turned Down", expansion, verdict=decision.verdict, reason=reason, by=decision.by)
