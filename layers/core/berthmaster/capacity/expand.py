"""From an event to an outcome: one expansion of one VPC at a time.

An event only says where to look. Under the lease of its VPC, an unfinished expansion is continued first; otherwise
`Planning` reads the VPC and submits a plan. Requests about an expansion go to `Decisions`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.approval import Decision
from berthmaster.capacity.act.retirement import DRAIN_DELAY
from berthmaster.capacity.context import Busy, ExpandContext, Handover, Ruling
from berthmaster.capacity.decisions import Decisions
from berthmaster.capacity.ledger.expansions import Expansion, ExpansionState, expansion_of, vpc_of, workloads_of
from berthmaster.capacity.model.shortage import Shortage, Shortages
from berthmaster.capacity.model.tags import MANAGED, MANAGED_TAG
from berthmaster.capacity.observe.locate import Locator, is_managed
from berthmaster.capacity.observe.network import associations_of, one_vpc, subnets_of
from berthmaster.capacity.outcomes import Outcomes
from berthmaster.capacity.planning import Planning
from berthmaster.capacity.progress import Progress
from berthmaster.capacity.proposals import Proposals
from berthmaster.capacity.repeated import begun_for, ruling_on_repeated
from berthmaster.capacity.reply import Reply
from berthmaster.capacity.report import notices
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.capacity.triggers import ExpandRequest, Resumption, Retirement, VpcRequest, read
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.deferral import EARLY, Deferrals, Turn
from berthmaster.errors import InvalidEvent
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Lease
from berthmaster.modes import Mode
from berthmaster.notices import NotPublished
from berthmaster.own_queue import LONGEST_DELAY
from berthmaster.requests import RETRIED_AFTER, Request, Unreadable, not_done
from berthmaster.switch import SwitchRequest
from berthmaster.telemetry import logger

DEFERRED_BY = timedelta(seconds=30)
DEFERRED_FOR = timedelta(hours=1)
"""A request that has waited for its VPC for so long is refused."""
LEAST_TIME = timedelta(seconds=105)
"""With less time left in the two minutes of an invocation, no work is begun but goes to the end of the queue: a request
that arrives meanwhile does not wait for all of it."""
LEAST_FOR_REQUEST = timedelta(seconds=40)
"""To read a VPC, to decide and to answer takes less."""
WITHOUT_TIME = timedelta(seconds=1)

type Work = Shortage | VpcRequest | Resumption
"""Triggers about one VPC."""


class Expand:
    """What capacity_expand does with one message."""

    def __init__(self, settings: ExpandSettings, clients: Clients, clock: Clock) -> None:
        context = ExpandContext.of(settings, clients, clock)
        self._context = context
        self._clock = clock
        self._locator = Locator(clients)
        self._leases = context.leases
        self._deferrals = Deferrals(self._leases, context.queue, clock)
        self._outcomes = Outcomes(context)
        self._progress = Progress(context)
        proposals = Proposals(context)
        self._planning = Planning(context, proposals)
        self._decisions = Decisions(context, self._progress, proposals)

    def urgency(self, body: str) -> int:
        """The place of a message among those received with it: pauses and resumes, then requests, then the rest."""
        try:
            trigger = read(body)
        except InvalidEvent:
            return 2
        if isinstance(trigger, SwitchRequest):
            return 0
        return 1 if isinstance(trigger, Request) else 2

    def handle(self, body: str, invocation: Invocation) -> None:
        """Do what one event asks for; InvalidEvent if it is not valid and no operator has sent it."""
        trigger = read(body)
        if isinstance(trigger, Request):
            self._answer(trigger, body, invocation)
            return
        reason = self._context.switch.reason()
        if reason:
            self._drop(trigger, reason, body, invocation)
        elif self._is_late(invocation, LEAST_TIME):
            # A message that failed would be received again only after the queue's visibility timeout, 12 minutes.
            logger.info("no time left in this invocation", left=trigger)
            self._context.queue.defer(body, WITHOUT_TIME)
        elif isinstance(trigger, Resumption):
            self._work(trigger, invocation)
        else:
            self._check_each(trigger.each if isinstance(trigger, Shortages) else (trigger,), body, invocation)

    def _is_late(self, invocation: Invocation, least: timedelta) -> bool:
        return invocation.time_left(self._clock.now()) < least

    def _drop(self, trigger: Shortage | Shortages | Resumption, reason: str, body: str, invocation: Invocation) -> None:
        """The automation is off or paused: the watch ends what was begun, and finds shortages again.

        It does not run while the mode is off, so that then the message of a resumption is kept.
        """
        if isinstance(trigger, Shortage | Shortages):
            logger.info("shortage ignored", reason=reason, left=trigger)
            return
        logger.info("expansion not resumed", reason=reason, expansion=trigger.expansion_id)
        expansion = self._context.expansions.get(trigger.expansion_id)
        if expansion is None or not (expansion.state.is_unfinished or expansion.state.is_being_undone):
            return
        if self._context.mode is Mode.OFF:
            self._keep_for_later(expansion, body, invocation)
        else:
            self._progress.report_stopped(expansion, reason)

    def _keep_for_later(self, expansion: Expansion, body: str, invocation: Invocation) -> None:
        """Try again in a while; the time until then does not count as time without progress."""
        if turn := self._deferrals.begin(body, invocation):
            self._context.switch.leave_unfinished(f"expansion {expansion.id}")
            self._context.expansions.save(replace(expansion, changed_at=self._clock.now()))
            turn.defer(LONGEST_DELAY)

    # Requests

    def _answer(self, request: Request, body: str, invocation: Invocation) -> None:
        """Answer a request within a minute. If AWS fails at it, it is tried again while there is time for that."""
        reply = Reply(request, self._context.notices)
        turn: Turn | None = None
        try:
            match request:
                case Unreadable():
                    reply.give(request.answer())
                case SwitchRequest():
                    reply.give(self._context.switch.apply(request))
                case ExpandRequest() | Decision() | Retirement():
                    if turn := self._deferrals.begin(body, invocation):
                        self._grant(request, turn, reply, invocation)
        except Exception as error:
            if reply.is_given:
                # What was begun is on record, and continued by the watch.
                if turn:
                    turn.end()
                raise
            self._retry(reply, body, turn, error)

    def _grant(self, request: VpcRequest, turn: Turn, reply: Reply, invocation: Invocation) -> None:
        """Carry a request out, refuse it, or let it wait until its VPC is free."""
        if reason := self._context.switch.reason():
            reply.refuse(reason)
        elif self._is_late(invocation, LEAST_FOR_REQUEST):
            turn.defer(WITHOUT_TIME)
            return
        else:
            try:
                self._work(request, invocation, reply)
            except Busy as busy:
                self._wait(reply, turn, busy)
                return
        turn.end()

    def _wait(self, reply: Reply, turn: Turn, busy: Busy) -> None:
        waited = self._clock.now() - turn.since
        minutes = DEFERRED_FOR // timedelta(minutes=1)
        if waited >= DEFERRED_FOR:
            reply.refuse(f"{busy}, and {minutes} minutes have passed since the request: send it again later")
            turn.end()
            return
        logger.info("request deferred", reason=str(busy))
        if not turn.is_notified:
            seconds = DEFERRED_BY // timedelta(seconds=1)
            reply.wait(f"{busy}, so it is tried every {seconds} seconds for {minutes} minutes, and answered then")
        turn.defer(DEFERRED_BY, is_notified=True)

    def _retry(self, reply: Reply, body: str, turn: Turn | None, error: Exception) -> None:
        request = reply.request
        logger.warning("request failed", request=request.detail_type, subject=request.subject, error=repr(error))
        if request.is_retried(self._clock.now()):
            if turn:
                turn.defer(RETRIED_AFTER)
            else:
                self._context.queue.defer(body, RETRIED_AFTER)
        elif isinstance(error, NotPublished):
            raise error
        else:
            reply.give(not_done(request, error))
            if turn:
                turn.end()

    # Work on a VPC

    def _work(self, trigger: VpcRequest | Resumption, invocation: Invocation, reply: Reply | None = None) -> None:
        """reply: to answer with, if the trigger is a request."""
        match trigger:
            case ExpandRequest():
                if is_managed(self._context.clients.ec2, trigger.vpc_id):
                    self._under_lease(trigger.vpc_id, invocation, trigger, reply)
                elif reply:
                    reply.refuse(f"detail.vpc: {trigger.vpc_id} does not exist, or has no tag {MANAGED_TAG}={MANAGED}")
            case Decision():
                self._under_lease(vpc_of(expansion_of(trigger.proposal)), invocation, trigger, reply)
            case Resumption() if trigger.is_wiring:
                self._wire(vpc_of(trigger.expansion_id), invocation)
            case Retirement() | Resumption():
                self._under_lease(vpc_of(trigger.expansion_id), invocation, trigger, reply)

    def _check_each(self, shortages: Sequence[Shortage], body: str, invocation: Invocation) -> None:
        """Check each VPC of an event; those for which no time is left when the event is received again."""
        for one in shortages:
            if not one.cause.is_shortage:
                self._context.notices.publish([notices.diagnosis(one)])
        failures = Failures()
        for number, located in enumerate(self._locator.locate(one for one in shortages if one.cause.is_shortage)):
            if number and self._is_late(invocation, LEAST_TIME):
                logger.info("no time left in this invocation", left=located)
                self._context.queue.defer(body, WITHOUT_TIME)
                break
            with failures.collect("shortage not checked", vpc=located.vpc_id):
                self._check(located, invocation)
        failures.raise_all("not every VPC of the event was checked")

    def _check(self, shortage: Shortage, invocation: Invocation) -> None:
        """Check a shortage, unless that is being done: of a burst of events, all but the first cost two reads."""
        if self._is_covered(shortage):
            logger.info("shortage is being handled", vpc=shortage.vpc_id, source=shortage.source)
        elif is_managed(self._context.clients.ec2, shortage.vpc_id):
            self._under_lease(shortage.vpc_id, invocation, shortage)

    def _is_covered(self, shortage: Shortage) -> bool:
        """Whether an invocation works on the VPC, will resume that, or has read the VPC since the shortage."""
        lease = self._leases.look(shortage.vpc_id)
        return lease is not None and (lease.is_in_progress(self._clock.now()) or lease.considered_at >= shortage.time)

    def _under_lease(self, vpc_id: str, invocation: Invocation, trigger: Work, reply: Reply | None = None) -> None:
        """Work on a VPC alone. If another invocation does, a request waits: Busy.

        A shortage is being handled then, and the watch finds what that misses.
        """
        lease = self._leases.acquire(vpc_id, owner=invocation.id, now=self._clock.now(), deadline=invocation.deadline)
        if lease is None:
            if reply:
                raise Busy(f"another invocation works on {vpc_id}")
            logger.info("VPC is being worked on", vpc=vpc_id)
            return
        handover = Handover(resumes_at=lease.resumes_at)
        try:
            ruling = self._rule(lease, invocation, trigger)
            # What is refused changes nothing about an expansion that waits.
            resumes_at = lease.resumes_at if ruling.is_refused else ruling.resumes_at
            handover = Handover(considered_at=ruling.considered_at, resumes_at=resumes_at)
            if reply:
                reply.rule(ruling, self._clock.now())
            elif ruling.begun:
                # What else waits on the VPC still does while subnets are drained.
                resumes_at = self._progress.carry_on(ruling.begun, invocation) or ruling.resumes_at
                handover = Handover(considered_at=ruling.considered_at, resumes_at=resumes_at)
        finally:
            self._leases.release(lease, considered_at=handover.considered_at, resumes_at=handover.resumes_at)
        if reply and ruling.begun:
            # Other requests of the batch do not wait for the work; its message needs the lease.
            self._progress.hand_on(ruling.begun)

    def _wire(self, vpc_id: str, invocation: Invocation) -> None:
        """Give workloads of a VPC the subnets of its expansions; only one message at a time leads to that."""
        now = self._clock.now()
        lease = self._leases.acquire(workloads_of(vpc_id), owner=invocation.id, now=now, deadline=invocation.deadline)
        if lease is None:
            # Whoever wires sends a message; after a retirement the watch does.
            logger.info("workloads of the VPC are being changed", vpc=vpc_id)
            return
        resumes_at: datetime | None = lease.resumes_at
        try:
            if lease.resumes_at <= now + EARLY:
                resumes_at = None
                wiring = [one for one in self._context.expansions.of_vpc(vpc_id) if one.state is ExpansionState.WIRING]
                if wiring:
                    resumes_at = self._progress.wire(wiring[::-1], invocation)
        finally:
            self._leases.release(lease, considered_at=None, resumes_at=resumes_at)

    def _rule(self, lease: Lease, invocation: Invocation, trigger: Work) -> Ruling:
        expansions = self._outcomes.publish_pending(self._context.expansions.of_vpc(lease.resource))
        if isinstance(trigger, Retirement | Resumption) and trigger.expansion_id not in {one.id for one in expansions}:
            ec2 = self._context.clients.ec2
            subnets, vpc = subnets_of(ec2, [lease.resource]), one_vpc(ec2, lease.resource)
            associations = associations_of(vpc) if vpc else ()
            expansions = self._outcomes.record_found(lease.resource, subnets, associations, expansions)
        self._progress.ensure_wiring(expansions)
        if isinstance(trigger, Decision):
            return self._decisions.decide(trigger, expansions, invocation)
        if isinstance(trigger, Retirement):
            return self._decisions.retire(trigger, expansions)
        if isinstance(trigger, ExpandRequest) and (begun := begun_for(trigger, expansions)):
            return replace(ruling_on_repeated(trigger, begun), resumes_at=lease.resumes_at)
        unfinished = next((one for one in expansions if one.state.keeps_vpc), None)
        if unfinished and isinstance(trigger, ExpandRequest):
            raise Busy(f"expansion {unfinished.id} is in progress")
        if isinstance(trigger, Resumption) and (draining := _draining(trigger, expansions)):
            return self._go_on_draining(draining, unfinished, lease)
        if unfinished:
            return self._go_on(unfinished, lease)
        if isinstance(trigger, Resumption):
            logger.info("expansion has ended", expansion=trigger.expansion_id)
            return Ruling()
        return self._planning.consider(lease.resource, expansions, trigger, invocation)

    def _go_on(self, unfinished: Expansion, lease: Lease) -> Ruling:
        if lease.resumes_at > self._clock.now() + EARLY:
            logger.info("expansion will be resumed", expansion=unfinished.id, at=str(lease.resumes_at))
            return Ruling(resumes_at=lease.resumes_at)
        return Ruling(begun=unfinished)

    def _go_on_draining(self, draining: Expansion, unfinished: Expansion | None, lease: Lease) -> Ruling:
        """Look whether its subnets are empty, unless other work on the VPC is in progress."""
        if unfinished:
            self._progress.look_again(draining)
            return Ruling(resumes_at=lease.resumes_at)
        if draining.is_emptying and self._clock.now() + EARLY < draining.changed_at + DRAIN_DELAY:
            # Another message looks at them: whatever comes twice would do so for hours.
            logger.info("subnets were looked at", expansion=draining.id, at=str(draining.changed_at))
            return Ruling(resumes_at=lease.resumes_at)
        return Ruling(begun=draining)


def _draining(trigger: Resumption, expansions: Sequence[Expansion]) -> Expansion | None:
    """The expansion to be resumed, if its subnets are being drained."""
    return next(
        (one for one in expansions if one.id == trigger.expansion_id and one.state is ExpansionState.DRAINING), None
    )
