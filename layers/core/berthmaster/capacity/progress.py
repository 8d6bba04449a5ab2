"""Take an expansion as far as one invocation can, and make sure that it is continued.

It is built, or undone, under the lease of its VPC. Once its subnets are proved, workloads are given them under a lease
of their own, by `wire`, and the VPC is free for other plans; a retirement needs both leases.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from berthmaster.capacity.act.attempt import RETRY_DELAY, Attempt, InUse, NotManaged, NotYet
from berthmaster.capacity.act.block import Block, Taken
from berthmaster.capacity.act.canary import Canary
from berthmaster.capacity.act.expansion import Expanding
from berthmaster.capacity.act.retirement import DRAIN_DELAY, Retiring
from berthmaster.capacity.act.workload_wiring import WorkloadWiring, ended_early
from berthmaster.capacity.context import Busy, ExpandContext
from berthmaster.capacity.ledger.expansions import Expansion, ExpansionState, workloads_of
from berthmaster.capacity.observe.locate import is_managed
from berthmaster.capacity.observe.network import subnets_of
from berthmaster.capacity.observe.use import read_use
from berthmaster.capacity.outcomes import Outcomes
from berthmaster.capacity.report import notices
from berthmaster.capacity.triggers import RESUME, RESUME_WIRING
from berthmaster.errors import Refused, is_denied
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.switch import Stopped
from berthmaster.telemetry import logger

GIVE_UP_AFTER = timedelta(hours=2)
"""An expansion without progress for so long fails, so that the VPC is free for others."""

PERMISSION_DELAY = timedelta(minutes=2)
"""How often a call is tried that AWS denies."""
ABANDONED = "abandoned by"
"""How the note of an expansion begins that an operator stopped."""
_LIMIT = "LimitExceeded"
"""How AWS's codes for a quota end, such as CidrLimitExceeded."""


class Progress:
    """Works on running and retiring expansions."""

    def __init__(self, context: ExpandContext) -> None:
        self._context = context
        self._clock = context.clock
        self._expansions = context.expansions
        self._outcomes = Outcomes(context)

    def carry_on(self, expansion: Expansion, invocation: Invocation) -> datetime | None:
        """Work on an expansion until it ends, is wiring, or AWS needs time.

        Then a message resumes it, at the time returned. If the automation is paused meanwhile, the watch resumes it
        after the pause.
        """
        attempt, after = self._begin(expansion, invocation.deadline), expansion

        def work() -> None:
            nonlocal after
            if reason := self._why_given_up(expansion):
                self._give_up(expansion, attempt, reason)
                return
            after = self._attempt(expansion, attempt, invocation)
            self._conclude(after)
            if after.state is ExpansionState.DRAINING:
                raise NotYet("its subnets are being drained", DRAIN_DELAY)

        delay = self._delay_of(work, [expansion], attempt)
        return None if delay is None else self._resume_after(self._latest(after), delay)

    def wire(self, expansions: Sequence[Expansion], invocation: Invocation) -> datetime | None:
        """Give workloads the subnets of all expansions of a VPC that are wiring, oldest first; as `carry_on`.

        To be called under the lease of the VPC's workloads.
        """
        attempt = self._begin(expansions[0], invocation.deadline)
        ec2, vpc_id = self._context.clients.ec2, attempt.vpc_id
        wiring = WorkloadWiring(attempt, self._expansions, lambda: subnets_of(ec2, [vpc_id]))

        def work() -> None:
            going_on = []
            for one in expansions:
                if reason := self._why_given_up(one):
                    self._give_up(one, attempt, reason)
                else:
                    going_on.append(one)
            wired = wiring.carry_out(going_on)
            for ended in wired.ended:
                self._outcomes.conclude(ended)
            if wired.waiting:
                raise NotYet(
                    f"{len(wired.waiting)} workloads deploy or wait: {', '.join(wired.waiting[:5])}", wired.delay
                )

        delay = self._delay_of(work, expansions, attempt)
        return None if delay is None else self._resume_wiring(expansions[0], delay)

    def _delay_of(
        self, work: Callable[[], None], expansions: Sequence[Expansion], attempt: Attempt
    ) -> timedelta | None:
        """Do some work on expansions; returns after what time to go on, None if no message is to be sent for that."""
        ids = [one.id for one in expansions]
        try:
            work()
        except NotYet as wait:
            logger.info("expansion waits", expansions=ids, reason=str(wait), seconds=wait.delay.seconds)
            return wait.delay
        except Stopped as stop:
            for one in self._unfinished(expansions):
                self.report_stopped(one, str(stop))
        except (NotManaged, Taken) as change:
            for one in self._unfinished(expansions):
                self._give_up(one, attempt, str(change))
        except InUse as use:
            self._keep(self._latest(expansions[0]), str(use), in_use=use.in_use, can_drain=use.can_drain)
        except ClientError as error:
            if not is_denied(error):
                raise
            return self._await_permission(self._latest(expansions[0]), error)
        except Refused as refusal:
            Canary(attempt).sweep()
            self._outcomes.conclude(self._refused(self._latest(expansions[0]), attempt, refusal))
        return None

    def _conclude(self, expansion: Expansion) -> None:
        """Save an expansion as an attempt has left it; if its subnets are proved, workloads are given them next."""
        if expansion.state is ExpansionState.WIRING:
            self.hand_on(self._expansions.save(expansion))
        else:
            self._outcomes.conclude(expansion)

    def _resume_after(self, expansion: Expansion, delay: timedelta) -> datetime | None:
        """Have a message resume it; returns when, if the VPC waits for that."""
        at = self._context.queue.send(RESUME, {"expansion": expansion.id}, delay)
        return None if expansion.state is ExpansionState.DRAINING else at

    def look_again(self, expansion: Expansion) -> None:
        """Look at subnets that are being drained when other work on the VPC is done."""
        self._resume_after(expansion, DRAIN_DELAY)

    def report_stopped(self, expansion: Expansion, reason: str) -> None:
        """Say once for each pause that an expansion stopped where it was."""
        logger.warning("expansion stopped", expansion=expansion.id, reason=reason)
        if expansion.stopped_because != reason:
            self._expansions.save(replace(expansion, stopped_because=reason))
            self._context.notices.publish([notices.paused(expansion, reason)])

    def hand_on(self, expansion: Expansion) -> None:
        """Have a message carry an expansion on at once; to be called when the lease that this needs is released."""
        if expansion.state is ExpansionState.WIRING:
            self._resume_wiring(expansion, timedelta())
        else:
            self._context.queue.send(RESUME, {"expansion": expansion.id}, timedelta())

    def ensure_wiring(self, expansions: Sequence[Expansion]) -> None:
        """Have the wiring of a VPC's expansions continued, if a run has died that was to see to it."""
        wiring = [one for one in expansions if one.state is ExpansionState.WIRING]
        if wiring:
            lease = self._context.leases.look(wiring[0].lease)
            if lease is None or not lease.is_in_progress(self._clock.now()):
                self.hand_on(wiring[-1])

    def _resume_wiring(self, expansion: Expansion, delay: timedelta) -> datetime:
        return self._context.queue.send(RESUME_WIRING, {"expansion": expansion.id}, delay)

    @contextmanager
    def workloads_lease(self, vpc_id: str, invocation: Invocation) -> Iterator[None]:
        """Change workloads of a VPC alone, whatever is wiring them; Busy if another invocation does."""
        now, resource = self._clock.now(), workloads_of(vpc_id)
        lease = self._context.leases.acquire(resource, owner=invocation.id, now=now, deadline=invocation.deadline)
        if lease is None:
            raise Busy(f"another invocation changes workloads of {vpc_id}")
        try:
            yield
        finally:
            self._context.leases.release(lease, considered_at=None, resumes_at=lease.resumes_at)

    def abandon(self, expansion: Expansion, by: str, invocation: Invocation) -> None:
        """Stop an expansion as it is, because an operator wants that; Busy if an invocation is wiring it."""
        note = f"{ABANDONED} {by or 'an operator'}"
        if expansion.state is not ExpansionState.WIRING:
            self._give_up(expansion, self._begin(expansion, invocation.deadline), note)
            return
        with self.workloads_lease(expansion.vpc_id, invocation):
            latest = self._latest(expansion)
            if latest.state is ExpansionState.WIRING:
                self._give_up(latest, self._begin(latest, invocation.deadline), note)

    def _await_permission(self, expansion: Expansion, error: ClientError) -> timedelta:
        """Try again until it is granted or the expansion is overdue; people are notified once."""
        note = f"AWS denies a call: {error}"
        if expansion.note != note:
            self._expansions.save(replace(expansion, note=note))
            self._context.notices.publish([notices.denied(expansion, str(error))])
        logger.warning("expansion waits for a permission", expansion=expansion.id, error=str(error))
        return PERMISSION_DELAY

    def _give_up(self, expansion: Expansion, attempt: Attempt, note: str) -> None:
        """Attempts that died may have left a test interface, which no later one would delete."""
        Canary(attempt).sweep()
        if expansion.state.is_being_undone:
            Retiring(attempt, self._expansions, expansion).restore()
            self._keep(self._latest(expansion), note)
            return
        self._outcomes.conclude(self._failed(expansion, attempt, note))

    def _why_given_up(self, expansion: Expansion) -> str:
        """Why an expansion is not continued; "" if it is. A retirement was requested, and goes on in observe."""
        if not expansion.state.is_being_undone and self._context.mode is Mode.OBSERVE:
            return "stopped where it was: the mode is observe"
        if expansion.state is ExpansionState.DRAINING:
            return ""
        limit = self._clock.now() - GIVE_UP_AFTER
        if expansion.changed_at < limit and self._context.switch.resumed_at() < limit:
            why = f": {expansion.note}" if expansion.note else ""
            return f"no progress since {expansion.changed_at:%Y-%m-%d %H:%M} UTC{why}"
        return ""

    def _begin(self, expansion: Expansion, deadline: datetime) -> Attempt:
        return Attempt.beginning(
            self._context.clients,
            self._clock,
            self._context.switch,
            vpc_id=expansion.vpc_id,
            expansion_id=expansion.id,
            deadline=deadline,
            is_managed=lambda: (
                # What it made itself, Berthmaster may remove without the tag.
                expansion.state.is_being_undone or is_managed(self._context.clients.ec2, expansion.vpc_id)
            ),
        )

    def _attempt(self, expansion: Expansion, attempt: Attempt, invocation: Invocation) -> Expansion:
        if not expansion.state.is_being_undone:
            return Expanding(attempt, self._expansions).carry_out(expansion)
        try:
            with self.workloads_lease(expansion.vpc_id, invocation):
                return self._undo(expansion, attempt)
        except Busy as busy:
            raise NotYet(str(busy), RETRY_DELAY) from busy

    def _undo(self, expansion: Expansion, attempt: Attempt) -> Expansion:
        snapshot = read_use(
            self._context.clients, expansion.vpc_id, self._clock.now(), may_begin=lambda: attempt.has_time
        )
        others = self._expansions.of_vpc(expansion.vpc_id)
        retired = [one for one in others if one.state is ExpansionState.RETIRED and one.association_id]
        retiring = Retiring(attempt, self._expansions, expansion, caller_roles=self._context.policy.caller_roles)
        return retiring.undo(snapshot, retired)

    def _keep(
        self, expansion: Expansion, reason: str, *, in_use: tuple[str, ...] = (), can_drain: bool = False
    ) -> None:
        """What was changed for draining is undone by then, except that services do not list the subnets any more."""
        if expansion.unwired:
            names = ", ".join(label.partition(" ")[2] for label in expansion.unwired)
            reason += f"; these services were deployed without its subnets: {names}"
        kept = expansion.moved(
            ExpansionState.DONE if expansion.proved else ExpansionState.FAILED,
            self._clock.now(),
            note=f"not retired: {reason}",
            kept_because=reason,
            in_use=in_use,
            can_drain=can_drain and not expansion.drain,
            drain=False,
            draining_since=None,
            is_emptying=False,
            unwired=(),
            deployed_before={},
        )
        self._outcomes.conclude(kept)

    def _failed(self, expansion: Expansion, attempt: Attempt, note: str) -> Expansion:
        """Nothing is undone: what was created can be retired, and the next plan uses the subnets that were tested.

        The record of it is final, so what an attempt that died has associated is looked up now.
        """
        return expansion.moved(
            ExpansionState.FAILED,
            self._clock.now(),
            note=note,
            association_id=Block(attempt).own_in_the_end(expansion),
            **ended_early(expansion, note),
        )

    def _refused(self, expansion: Expansion, attempt: Attempt, refusal: Refused) -> Expansion:
        """Failed; if the block was refused, the next plan does without it."""
        logger.error("AWS refused", expansion=expansion.id, operation=refusal.operation, code=refusal.code)
        block = expansion.plan.block
        # A quota says nothing about the block.
        is_block_refused = refusal.operation == "AssociateVpcCidrBlock" and not refusal.code.endswith(_LIMIT)
        return expansion.moved(
            ExpansionState.FAILED,
            self._clock.now(),
            note=f"AWS refused: {refusal}",
            association_id=Block(attempt).own_in_the_end(expansion),
            refused=(block.cidr,) if block and is_block_refused else (),
        )

    def _unfinished(self, expansions: Iterable[Expansion]) -> list[Expansion]:
        """Those that an attempt has not ended, as it saved them."""
        latest = map(self._latest, expansions)
        return [one for one in latest if one.state.is_unfinished or one.state.is_being_undone]

    def _latest(self, expansion: Expansion) -> Expansion:
        """As an attempt saved it before it ended."""
        return self._expansions.get(expansion.id) or expansion
