"""From a trigger to an outcome: one expansion of one VPC at a time.

An event is a hint where to look. Under the VPC's lease an unfinished expansion is carried on first; otherwise the VPC
is read anew, its need is measured, and a plan is made and reported, proposed or carried out, as the mode says.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from berthmaster.bus import Bus, Notifier
from berthmaster.capacity import observe
from berthmaster.capacity.announce import Announcer
from berthmaster.capacity.demand import assess, needs
from berthmaster.capacity.history import History
from berthmaster.capacity.locate import Locator
from berthmaster.capacity.model import Plan
from berthmaster.capacity.plan import plan_expansion
from berthmaster.capacity.progress import Progress
from berthmaster.capacity.record import PROPOSAL_LIFETIME, Expansion, Expansions, State, fingerprint, new_id
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.capacity.triggers import (
    Decision,
    Request,
    Resumption,
    Shortage,
    Trigger,
    Verdict,
    parse,
    vpc_of,
)
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent
from berthmaster.lease import Lease, Leases
from berthmaster.modes import Mode
from berthmaster.telemetry import logger

REFUSAL_LIFETIME = timedelta(days=7)
"""How long a block that AWS refused for an unknown reason is not tried again."""
TOLD_LIFETIME = timedelta(days=1)
"""How long people are not told again that the same thing stands in the way."""
DEFER_SECONDS = 30
LEAST_TIME = timedelta(seconds=40)
"""Less than an expansion takes up to its first pause: the message comes back rather than die half way."""


EARLY = timedelta(seconds=5)
"""By how much a message that resumes an expansion may come before its time: clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What a holder of the lease leaves to the next one; see `Lease`."""

    considered_at: datetime | None = None
    resumes_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message's turn: who works on it and until when."""

    owner: str
    deadline: datetime


class Expand:
    """What capacity_expand does with one message."""

    def __init__(self, settings: ExpandSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._locator = Locator(clients)
        self._leases = Leases(clients.dynamodb, settings.capacity_table)
        self._expansions = Expansions(clients.dynamodb, settings.capacity_table)
        self._history = History(clients.dynamodb, settings.capacity_table)
        self._announcer = Announcer(
            Bus(clients, settings.event_bus), Notifier(clients, settings.topic_arn), settings.event_bus
        )
        self._progress = Progress(settings, clients, clock, self._expansions, self._announcer)

    def handle(self, body: str, turn: Turn) -> None:
        """Do what one event asks for; InvalidEvent if it can never be done."""
        if turn.deadline - self._clock.now() < LEAST_TIME:
            raise TimeoutError("no time left in this invocation")
        trigger = parse(body)
        match trigger:
            case Shortage() if not trigger.cause.cured_by_room:
                self._announcer.name_cause(trigger)
            case Shortage():
                shortage = self._locate(trigger)
                if shortage:
                    self._relieve(shortage, turn, body)
            case Request():
                if self._is_managed(trigger.vpc_id):
                    self._under_lease(trigger.vpc_id, turn, trigger, body)
            case Decision() | Resumption():
                self._under_lease(vpc_of(trigger.expansion_id), turn, trigger, body)

    def _relieve(self, shortage: Shortage, turn: Turn, body: str) -> None:
        """Look into a shortage, unless that is being done: in a storm of events all but the first cost one read."""
        if self._is_looked_after(shortage.vpc_id, shortage):
            logger.info("joined: the VPC is being looked after", vpc=shortage.vpc_id, told_by=shortage.told_by)
        elif self._is_managed(shortage.vpc_id):
            self._under_lease(shortage.vpc_id, turn, shortage, body)

    def _under_lease(self, vpc_id: str, turn: Turn, trigger: Trigger, body: str) -> None:
        lease = self._leases.acquire(vpc_id, owner=turn.owner, now=self._clock.now(), deadline=turn.deadline)
        if lease is None:
            self._stand_back(vpc_id, trigger, body)
            return
        noted = Noted()
        try:
            noted = self._with_lease(lease, turn, trigger, body)
        finally:
            self._leases.release(lease, considered_at=noted.considered_at, resumes_at=noted.resumes_at)

    def _is_looked_after(self, vpc_id: str, shortage: Shortage) -> bool:
        """Whether somebody works on the VPC, will go on with it, or has looked at it since the shortage."""
        lease = self._leases.look(vpc_id)
        return lease is not None and (lease.is_looked_after(self._clock.now()) or lease.considered_at >= shortage.time)

    def _stand_back(self, vpc_id: str, trigger: Trigger, body: str) -> None:
        """Defer an operator's word; a shortage is being looked after, and the watch sees what is missed."""
        if isinstance(trigger, Decision | Request):
            self._defer(vpc_id, body)
        else:
            logger.info("joined: the VPC is being worked on", vpc=vpc_id)

    def _defer(self, vpc_id: str, body: str) -> None:
        self._clients.sqs.send_message(
            QueueUrl=self._settings.capacity_queue_url, MessageBody=body, DelaySeconds=DEFER_SECONDS
        )
        logger.info("deferred: the VPC is being worked on", vpc=vpc_id)

    def _with_lease(self, lease: Lease, turn: Turn, trigger: Trigger, body: str) -> Noted:
        vpc_id = lease.resource
        expansions = self._expansions.of_vpc(vpc_id)
        if isinstance(trigger, Decision):
            return self._decide(trigger, expansions, turn)
        unfinished = next((one for one in expansions if one.state.is_unfinished), None)
        if unfinished and isinstance(trigger, Request):
            self._defer(vpc_id, body)
            return Noted(resumes_at=lease.resumes_at)
        if unfinished and lease.resumes_at > self._clock.now() + EARLY:
            logger.info("joined: the expansion will be resumed", expansion=unfinished.id, at=str(lease.resumes_at))
            return Noted(resumes_at=lease.resumes_at)
        if unfinished:
            return Noted(resumes_at=self._progress.carry_on(unfinished, turn.deadline))
        if isinstance(trigger, Resumption):
            logger.info("nothing left to carry on", expansion=trigger.expansion_id)
            return Noted()
        return self._consider(vpc_id, expansions, turn, trigger)

    # A need

    def _consider(self, vpc_id: str, expansions: list[Expansion], turn: Turn, trigger: Shortage | Request) -> Noted:
        now = self._clock.now()
        snapshot = observe.vpc(self._clients, vpc_id, now, ipam_pool=self._settings.capacity_ipam_pool)
        found = needs(
            assess(snapshot, self._history.load(now)),
            self._settings.policy,
            services=snapshot.services,
            reported=dict.fromkeys(trigger.subnet_ids, trigger.cause) if isinstance(trigger, Shortage) else None,
            requested={trigger.subnet_id: trigger.addresses}
            if isinstance(trigger, Request) and trigger.addresses
            else None,
        )
        if not found:
            logger.info("no need confirmed", vpc=vpc_id)
            return Noted(considered_at=now)
        refused = [cidr for one in expansions if now - one.created_at < REFUSAL_LIFETIME for cidr in one.refused]
        plan = plan_expansion(snapshot, found, self._settings.policy, refused)
        by = trigger.by if isinstance(trigger, Request) else trigger.told_by
        return Noted(considered_at=now, resumes_at=self._propose_or_begin(plan, expansions, turn, by))

    def _propose_or_begin(self, plan: Plan, expansions: list[Expansion], turn: Turn, by: str) -> datetime | None:
        """Do what the mode says; returns when an expansion that was begun will be resumed."""
        now = self._clock.now()
        mode = self._settings.capacity_mode
        expansion = Expansion(
            id=new_id(plan.vpc_id, now),
            vpc_id=plan.vpc_id,
            state=State.RUNNING,
            plan=plan,
            created_at=now,
            changed_at=now,
            by=by,
        )
        if not plan.changes_anything:
            self._tell_once(replace(expansion, state=State.IMPOSSIBLE), expansions, TOLD_LIFETIME)
        elif mode is Mode.OBSERVE:
            self._tell_once(replace(expansion, state=State.REPORTED), expansions, PROPOSAL_LIFETIME)
        elif mode is Mode.APPROVE:
            self._propose(replace(expansion, state=State.PROPOSED), expansions)
        elif _begun_today(expansions, now) >= self._settings.policy.expansions_per_day:
            capped = f"{self._settings.policy.expansions_per_day} expansions were begun within a day, the most allowed"
            self._tell_once(replace(expansion, state=State.REPORTED, note=capped), expansions, TOLD_LIFETIME)
        else:
            return self._progress.carry_on(self._expansions.save(expansion), turn.deadline)
        return None

    def _tell_once(self, expansion: Expansion, expansions: list[Expansion], lifetime: timedelta) -> None:
        """Record and announce, unless people were told the same not long ago."""
        if any(
            one.state is expansion.state
            and one.fingerprint == expansion.fingerprint
            and expansion.created_at - one.created_at < lifetime
            for one in expansions
        ):
            logger.info("told before", vpc=expansion.vpc_id, state=expansion.state, plan=expansion.fingerprint)
            return
        self._announcer.announce(expansion)
        self._expansions.save(expansion)

    def _propose(self, proposal: Expansion, expansions: list[Expansion]) -> None:
        now = proposal.created_at
        for one in expansions:
            if one.fingerprint == proposal.fingerprint and now - one.created_at < PROPOSAL_LIFETIME:
                if one.state in {State.PROPOSED, State.REJECTED}:
                    logger.info("proposed before", expansion=one.id, state=one.state)
                    return
            elif one.state is State.PROPOSED:
                over = State.EXPIRED if now - one.created_at >= PROPOSAL_LIFETIME else State.SUPERSEDED
                self._expansions.save(one.moved(over, now))
        self._announcer.announce(proposal)
        self._expansions.save(proposal)

    # An operator's word

    def _decide(self, decision: Decision, expansions: list[Expansion], turn: Turn) -> Noted:
        expansion = next((one for one in expansions if one.id == decision.expansion_id), None)
        if expansion is None:
            raise InvalidEvent("detail.expansion", f"{decision.expansion_id} is not known")
        match decision.verdict:
            case Verdict.APPROVED:
                return self._approve(expansion, decision, expansions, turn)
            case Verdict.REJECTED:
                self._reject(expansion, decision)
                return Noted()
            case Verdict.RETIRED:
                return Noted(resumes_at=self._retire(expansion, decision, expansions, turn))

    def _approve(self, expansion: Expansion, decision: Decision, expansions: list[Expansion], turn: Turn) -> Noted:
        now = self._clock.now()
        if expansion.state.is_unfinished or expansion.state is State.DONE:
            logger.info("approved before", expansion=expansion.id, state=expansion.state)
            return Noted()
        problem = self._why_not(expansion, decision, expansions, now)
        if not problem and not self._is_managed(expansion.vpc_id):
            problem = "the VPC is no longer tagged"
        if problem:
            self._turn_down(expansion, decision, problem)
            return Noted()
        snapshot = observe.vpc(self._clients, expansion.vpc_id, now, ipam_pool=self._settings.capacity_ipam_pool)
        refused = [cidr for one in expansions if now - one.created_at < REFUSAL_LIFETIME for cidr in one.refused]
        there = {subnet.id for subnet in snapshot.subnets}
        needed = [need for need in expansion.plan.needs if need.origin_id in there]
        afresh = plan_expansion(snapshot, needed, self._settings.policy, refused)
        if fingerprint(afresh) != expansion.fingerprint:
            self._expansions.save(expansion.moved(State.SUPERSEDED, now, note="the VPC has changed since"))
            self._turn_down(expansion, decision, "the VPC has changed since; a new plan is proposed if one is needed")
            others = [one for one in expansions if one.id != expansion.id]
            return Noted(considered_at=now, resumes_at=self._propose_or_begin(afresh, others, turn, decision.by))
        approved = expansion.moved(State.RUNNING, now, plan=afresh, by=decision.by or expansion.by)
        resumes_at = self._progress.carry_on(self._expansions.save(approved), turn.deadline)
        return Noted(considered_at=now, resumes_at=resumes_at)

    def _why_not(
        self, expansion: Expansion, decision: Decision, expansions: list[Expansion], now: datetime
    ) -> str | None:
        if self._settings.capacity_mode is Mode.OBSERVE:
            return "the mode is observe"
        if expansion.state is not State.PROPOSED:
            return f"it is {expansion.state}"
        if now - expansion.created_at >= PROPOSAL_LIFETIME:
            self._expansions.save(expansion.moved(State.EXPIRED, now))
            return f"it expired after {PROPOSAL_LIFETIME.days} days"
        if decision.fingerprint and decision.fingerprint != expansion.fingerprint:
            return f"the plan is {expansion.fingerprint}, not {decision.fingerprint}"
        if any(one.state.is_unfinished for one in expansions):
            return "another expansion of the VPC is under way: approve again when it is done"
        if _begun_today(expansions, now) >= self._settings.policy.expansions_per_day:
            return f"{self._settings.policy.expansions_per_day} expansions were begun within a day, the most allowed"
        return None

    def _reject(self, expansion: Expansion, decision: Decision) -> None:
        if expansion.state.is_unfinished:
            self._progress.abandon(expansion, decision.by)
            return
        if expansion.state is not State.PROPOSED:
            self._turn_down(expansion, decision, f"it is {expansion.state}")
            return
        rejected = self._expansions.save(expansion.moved(State.REJECTED, self._clock.now(), by=decision.by))
        self._announcer.say("Expansion Rejected", rejected)

    def _retire(
        self, expansion: Expansion, decision: Decision, expansions: list[Expansion], turn: Turn
    ) -> datetime | None:
        if expansion.state is State.RETIRED:
            logger.info("retired before", expansion=expansion.id)
        elif self._settings.capacity_mode is Mode.OBSERVE:
            self._turn_down(expansion, decision, "the mode is observe")
        elif expansion.state not in {State.DONE, State.FAILED, State.RETIRING}:
            self._turn_down(expansion, decision, f"it is {expansion.state}")
        elif any(one.state.is_unfinished and one.id != expansion.id for one in expansions):
            self._turn_down(
                expansion, decision, "another expansion of the VPC is under way: retire it when that is done"
            )
        else:
            retiring = expansion.moved(State.RETIRING, self._clock.now(), by=decision.by)
            return self._progress.carry_on(self._expansions.save(retiring), turn.deadline)
        return None

    def _turn_down(self, expansion: Expansion, decision: Decision, reason: str) -> None:
        logger.warning("turned down", expansion=expansion.id, verdict=decision.verdict, reason=reason)
        self._announcer.turn_down(decision, reason)
        self._announcer.say("Decision Turned Down", expansion, verdict=decision.verdict, reason=reason, by=decision.by)

    # Where

    def _locate(self, shortage: Shortage) -> Shortage | None:
        located = self._locator.locate(shortage)
        if located is None:
            logger.warning("no VPC found", told_by=shortage.told_by, subnets=shortage.subnet_ids, text=shortage.text)
        return located

    def _is_managed(self, vpc_id: str) -> bool:
        managed = self._locator.is_managed(vpc_id)
        if not managed:
            logger.info("left alone: the VPC is not tagged", vpc=vpc_id)
        return managed


def _begun_today(expansions: list[Expansion], now: datetime) -> int:
    """Expansions that added something; wiring alone needs no breaker."""
    begun = {State.RUNNING, State.DONE, State.FAILED, State.RETIRING, State.RETIRED}
    return sum(
        1 for one in expansions if one.state in begun and one.plan.subnets and now - one.changed_at < timedelta(days=1)
    )
