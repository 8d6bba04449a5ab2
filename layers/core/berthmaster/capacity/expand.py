"""From a trigger to an outcome: one expansion of one VPC at a time.

An event is a hint where to look. Under the VPC's lease an unfinished expansion is carried on first; otherwise the VPC
is read anew, its need is measured, and a plan is made and put forward. An operator's word goes to `Decisions`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from berthmaster.bus import Bus, Notifier
from berthmaster.capacity.decisions import Decisions, Noted
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, refused_of
from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.observe import snapshot as observe
from berthmaster.capacity.observe.locate import Locator
from berthmaster.capacity.plan.demand import assess, needs
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.progress import Progress
from berthmaster.capacity.proposals import Proposals
from berthmaster.capacity.report.notices import Announcer
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.capacity.triggers import (
    Decision,
    Request,
    Resumption,
    Shortage,
    Trigger,
    parse,
    vpc_of,
)
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.lease import Lease, Leases
from berthmaster.telemetry import logger

DEFER_SECONDS = 30
LEAST_TIME = timedelta(seconds=40)
"""Less than an expansion takes up to its first pause: the message comes back rather than die half way."""
EARLY = timedelta(seconds=5)
"""By how much a message that resumes an expansion may come before its time: clocks differ."""


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
        self._proposals = Proposals(settings, clock, self._expansions, self._announcer, self._progress)
        self._decisions = Decisions(
            settings,
            clients,
            clock,
            locator=self._locator,
            expansions=self._expansions,
            announcer=self._announcer,
            progress=self._progress,
            proposals=self._proposals,
        )

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
                if self._locator.is_managed(trigger.vpc_id):
                    self._under_lease(trigger.vpc_id, turn, trigger, body)
            case Decision() | Resumption():
                self._under_lease(vpc_of(trigger.expansion_id), turn, trigger, body)

    def _relieve(self, shortage: Shortage, turn: Turn, body: str) -> None:
        """Look into a shortage, unless that is being done: in a storm of events all but the first cost one read."""
        if self._is_looked_after(shortage.vpc_id, shortage):
            logger.info("joined: the VPC is being looked after", vpc=shortage.vpc_id, told_by=shortage.told_by)
        elif self._locator.is_managed(shortage.vpc_id):
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
            return self._decisions.decide(trigger, expansions, turn.deadline)
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
        plan = plan_expansion(snapshot, found, self._settings.policy, refused_of(expansions, now))
        by = trigger.by if isinstance(trigger, Request) else trigger.told_by
        return Noted(considered_at=now, resumes_at=self._proposals.put_forward(plan, expansions, turn.deadline, by))

    def _locate(self, shortage: Shortage) -> Shortage | None:
        located = self._locator.locate(shortage)
        if located is None:
            logger.warning("no VPC found", told_by=shortage.told_by, subnets=shortage.subnet_ids, text=shortage.text)
        return located
