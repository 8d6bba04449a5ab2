"""The transitions of a claim: when its owner is registered or deregistered, when AWS answers, and when a drain ends.

A claim changes only when its owner is registered or deregistered, or when the next owner of the same address is
registered. An event about a task that left earlier therefore finds another owner in the claim and changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from berthmaster.arn import Arn
from berthmaster.targets.model import (
    INSTANCE_PREFIX,
    Call,
    Claim,
    ClaimKey,
    ClaimState,
    Destination,
    EcsSelector,
    Endpoint,
    Kind,
    Move,
    Target,
    TargetGroup,
    TargetState,
    instance_id,
)

ABSENT = Target(TargetState.ABSENT)
RETRY_REFUSED = timedelta(minutes=1)
RETRY_FAILED = timedelta(seconds=15)
RETRY_UNSEEN_SOONEST, RETRY_UNSEEN_LATEST = timedelta(seconds=3), timedelta(minutes=1)
DRAIN_CHECK = timedelta(seconds=15)
"""When to check again a drain that should have ended."""
SHOWN = timedelta(seconds=30)
"""After this time, AWS shows what it was called for, or has not done it."""
SETTLED = timedelta(seconds=10)
"""After a deregistration was seen, how long an earlier call whose answer was lost may still have its effect."""
LOOK_AT_EARLY, LOOK_AT_INTERFACE, LOOK_AT_REFUSED = timedelta(seconds=3), timedelta(seconds=10), timedelta(seconds=30)
"""When to look again at a target that was registered early, at an interface, and at what AWS has refused."""
REGISTERED_BY_ECS = "ECS itself registers the task that has the address now"
WANTED_AGAIN = "it is wanted again once it has drained"
ADOPTED = "it is adopted"
LOST = "its address is that of others since the destination was not managed"
UNFINISHED = "an earlier invocation did not finish this"


_LEFT = frozenset({ClaimState.HANDOVER, ClaimState.DRAINING})


def key_of(destination: Destination, endpoint: Endpoint) -> ClaimKey:
    """The target that an endpoint is in a destination."""
    return ClaimKey(destination.arn, endpoint.address.ip, endpoint.port)


# Registering


def register(
    destination: Destination,
    claim: Claim | None,
    endpoint: Endpoint,
    target: Target,
    now: datetime,
    *,
    by_event: bool,
    holds_address: bool = False,
) -> Move | None:
    """Register an owner at an address; None if nothing is to be done, or if others registered the target.

    target: what the destination shows, ABSENT if it need not be asked. holds_address: whether a read of the owner's
    network interface has shown that it has the address; needed only while the target of a former owner drains.
    """
    fresh = Claim(
        key=key_of(destination, endpoint),
        owner=endpoint.owner,
        state=ClaimState.REGISTERING,
        changed_at=now,
        eni_id=endpoint.address.eni_id,
        zone=destination.body.zone_for(endpoint.address) if isinstance(destination.body, TargetGroup) else "",
        pod=endpoint.pod,
        version=endpoint.version,
        by_event=by_event,
        revision=claim.revision if claim else 0,
    )
    arrival = _Arrival(destination, fresh, endpoint, target, now, holds_address)
    if claim is None or claim.is_over:
        return arrival.unclaimed(claim)
    return arrival.next_owner(claim) if claim.owner != endpoint.owner else arrival.same_owner(claim)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An owner that is wanted at an address, and what its claim becomes. fresh: as if nobody had been there."""

    destination: Destination
    fresh: Claim
    endpoint: Endpoint
    target: Target
    now: datetime
    holds_address: bool

    def unclaimed(self, claim: Claim | None) -> Move | None:
        if claim and claim.state is ClaimState.REFUSED and claim.owner == self.endpoint.owner and self._is_later(claim):
            return None
        match self.target.state:
            case TargetState.PRESENT:
                return None
            case TargetState.DRAINING:
                return self._after_others(claim, "the address still drains")
        return self._call(claim, Call.REGISTER, self.fresh, "it runs")

    def next_owner(self, claim: Claim) -> Move:
        """The address has a new owner: the target of the former one must be deregistered first."""
        has_left = claim.state in _LEFT and claim.early_at is None
        if has_left and claim.due_at is not None:
            waiting = self._write(claim, self._waiting(claim), "the target of the former owner drains")
            return self._register_early(claim) or waiting
        former = claim.former if has_left else ""
        successor = replace(
            self.fresh,
            state=ClaimState.HANDOVER,
            former=former or claim.owner,
            zone=claim.zone,
            unshown_until=_unshown_until(claim),
        )
        return self._call(claim, Call.DEREGISTER, successor, "the address has a new owner")

    def same_owner(self, claim: Claim) -> Move | None:
        match claim.state:
            case ClaimState.REGISTERING if claim.operation:
                return None
            case ClaimState.REGISTERING:
                # What waits longest is called first.
                again = replace(self._again(claim), changed_at=claim.changed_at)
                return self._call(claim, Call.REGISTER, again, UNFINISHED)
            case ClaimState.REGISTERED:
                return self._registered(claim)
            case ClaimState.DRAINING if claim.due_at is None:
                return self._call(claim, Call.DEREGISTER, self._waiting(claim), WANTED_AGAIN)
            case ClaimState.DRAINING:
                return self._drained(claim) or self._write(claim, self._waiting(claim), WANTED_AGAIN)
        return self._end_handover(claim)

    def _registered(self, claim: Claim) -> Move | None:
        """It may have been deregistered by someone else, or be gone with the drain that it was registered during."""
        is_due = claim.due_at is not None and claim.due_at <= self.now
        match self.target.state:
            case TargetState.PRESENT if is_due:
                lasting = replace(claim, former="", due_at=None, early_at=None, changed_at=self.now)
                return self._write(claim, lasting, "it has outlasted the drain of the former owner")
            case TargetState.PRESENT:
                return None
            case TargetState.DRAINING if claim.early_at is not None:
                longer = self.now + DRAIN_CHECK if is_due else claim.due_at
                waiting = replace(claim, state=ClaimState.HANDOVER, due_at=longer, changed_at=self.now)
                return self._write(claim, waiting, "AWS did not register it while the former target drains")
            case TargetState.DRAINING:
                return self._after_others(claim, "someone deregistered it and it drains")
        again = self.fresh if is_due or claim.due_at is None else self._again(claim)
        return self._call(claim, Call.REGISTER, again, "someone deregistered it")

    def _end_handover(self, claim: Claim) -> Move | None:
        """The new owner is registered as soon as AWS accepts it, and at the latest when the drain has ended."""
        if claim.operation:
            return None
        if claim.due_at is None and retries_later(claim, self.now):
            return None
        if claim.due_at is None:
            return self._call(claim, Call.DEREGISTER, replace(claim, retry_at=None), UNFINISHED)
        return self._drained(claim)

    def _drained(self, claim: Claim) -> Move | None:
        """What follows for an owner when its target, or that of the former owner, drains; None while it must wait."""
        if claim.due_at is None:
            return None
        is_due = claim.due_at <= self.now
        match self.target.state:
            case TargetState.PRESENT if claim.early_at is not None:
                registered = replace(claim, state=ClaimState.REGISTERED, changed_at=self.now)
                return self._write(claim, registered, "AWS has registered it after all")
            case TargetState.PRESENT:
                return _registered_again(claim, self.target, self.now) if is_due or not self._is_group else None
            case TargetState.ABSENT if is_due:
                return self._call(claim, Call.REGISTER, self.fresh, "the drain has ended")
        return self._register_early(claim) or self._wait_longer(claim, is_due=is_due)

    def _wait_longer(self, claim: Claim, *, is_due: bool) -> Move | None:
        if claim.early_at is not None and self.now - claim.early_at >= SHOWN:
            without_effect = replace(claim, early_at=None, retry_at=claim.due_at)
            return self._write(claim, without_effect, "AWS answered, and did not register it")
        if is_due and claim.state is ClaimState.HANDOVER:
            longer = replace(claim, due_at=self.now + DRAIN_CHECK, changed_at=self.now)
            return self._write(claim, longer, "it still drains")
        return None

    def _register_early(self, claim: Claim) -> Move | None:
        """Register before the drain of the former owner should have ended; None if that is not safe, or was in vain.

        In Cloud Map each owner has an instance of its own. In a target group a deregistration that is still under way
        would remove the new owner, and a task that does not have the address would get the traffic of another.
        """
        if claim.due_at is None or self.target.state is TargetState.PRESENT:
            return None
        if not self._is_group:
            return self._call(claim, Call.REGISTER, self.fresh, "the instance of the former owner is deregistered")
        is_in_vain = is_tried(claim, self.now) and self.target.state is TargetState.DRAINING
        is_free = self.holds_address or has_drained(claim, self.endpoint.owner, self.target)
        if is_in_vain or not is_free or not is_settled(claim, self.now):
            return None
        early = self._early(claim, max(claim.due_at, self.now + DRAIN_CHECK))
        return self._call(claim, Call.REGISTER, early, "its interface has the address, whose former target drains")

    def _after_others(self, claim: Claim | None, reason: str) -> Move:
        """Someone else deregistered the target, which drains: for how long is unknown, at most for the whole delay."""
        if self.holds_address:
            early = self._early(claim, self.now + self.destination.body.drain)
            return self._call(claim, Call.REGISTER, early, reason)
        former = claim.owner if claim and not claim.is_over else ""
        due_at = self.now + DRAIN_CHECK
        return self._write(claim, replace(self.fresh, state=ClaimState.HANDOVER, former=former, due_at=due_at), reason)

    # Claims

    def _early(self, claim: Claim | None, due_at: datetime) -> Claim:
        former = (claim.former or claim.owner) if claim and not claim.is_over else ""
        return replace(self.fresh, former=former, due_at=due_at, early_at=self.now)

    def _again(self, claim: Claim) -> Claim:
        """The claim for another call about the same registration."""
        return replace(self.fresh, former=claim.former, due_at=claim.due_at, early_at=claim.early_at)

    def _waiting(self, claim: Claim) -> Claim:
        return replace(
            self.fresh,
            state=ClaimState.HANDOVER,
            former=claim.former or claim.owner,
            zone=claim.zone,
            due_at=claim.due_at,
            deregistered_at=claim.deregistered_at,
            unshown_until=claim.unshown_until,
        )

    @property
    def _is_group(self) -> bool:
        return self.destination.kind is Kind.TARGET_GROUP

    def _is_later(self, claim: Claim) -> bool:
        return claim.due_at is not None and claim.due_at > self.now

    def _call(self, before: Claim | None, call: Call, after: Claim, reason: str) -> Move:
        return Move(before=before, after=after, reason=reason, call=call, endpoint=self.endpoint)

    def _write(self, before: Claim | None, after: Claim, reason: str) -> Move:
        return Move(before=before, after=after, reason=reason, endpoint=self.endpoint)


def is_settled(claim: Claim, now: datetime) -> bool:
    """Whether no deregistration of its target can be under way any more, however slow AWS is."""
    return claim.deregistered_at is None or now - claim.deregistered_at >= SETTLED


def is_tried(claim: Claim, now: datetime) -> bool:
    """Whether AWS was called to register its owner while another target drained, and has not done it, or not yet."""
    return claim.early_at is not None or (claim.due_at is not None and retries_later(claim, now))


def has_drained(claim: Claim, owner: str, target: Target) -> bool:
    """Whether the target that an owner had itself is out of its destination.

    The owner may then be registered again before its drain should have ended: late traffic reaches the same task.
    """
    is_own = (claim.former or claim.owner) == owner
    return is_own and claim.due_at is not None and target.state is TargetState.ABSENT


def has_its_place(claim: Claim | None) -> bool:
    """Whether the target of a claim is one of those that AWS counts, registered or draining."""
    return claim is not None and (claim.holds_target or claim.due_at is not None) and not claim.is_over


def next_look(claim: Claim, now: datetime) -> datetime:
    """When to look again at a claim whose owner waits, or was registered while the former one drained."""
    settled_at = (claim.deregistered_at or now) + SETTLED
    due_at = claim.due_at or settled_at
    if not is_tried(claim, now):
        return max(now, min(due_at, settled_at if settled_at > now else now + LOOK_AT_INTERFACE))
    if claim.state is ClaimState.HANDOVER or claim.early_at is None:
        return max(now, min(due_at, now + LOOK_AT_REFUSED))
    shown_at = claim.early_at + LOOK_AT_EARLY
    return max(now, shown_at if shown_at > now else due_at)


# Adopting


def adopt(
    destination: Destination, claim: Claim | None, endpoint: Endpoint, target: Target, now: datetime
) -> Move | None:
    """Claim a target of an owner that runs and that somebody has registered.

    None in Cloud Map if the instance has an id that Berthmaster does not give: it could not deregister it.
    """
    if target.instance and target.instance != instance_id(endpoint.owner):
        return None
    group = destination.body
    is_outside = isinstance(group, TargetGroup) and not group.contains(endpoint.address.ip)
    adopted = Claim(
        key=key_of(destination, endpoint),
        owner=endpoint.owner,
        state=ClaimState.REGISTERED,
        changed_at=now,
        eni_id=endpoint.address.eni_id,
        zone=target.zone if is_outside else "",
        pod=endpoint.pod,
        version=endpoint.version,
        revision=claim.revision if claim else 0,
    )
    return Move(before=claim, after=adopted, reason=ADOPTED, endpoint=endpoint)


def adopt_instance(
    destination: Destination, key: ClaimKey, claim: Claim | None, target: Target, now: datetime
) -> Move | None:
    """Claim an instance that Berthmaster has registered for an ECS task, as its id says; ECS is then asked about it."""
    selector = destination.selector
    if not target.instance.startswith(INSTANCE_PREFIX) or not isinstance(selector, EcsSelector):
        return None
    task = f"task/{selector.cluster}/{target.instance.removeprefix(INSTANCE_PREFIX)}"
    owner = str(replace(Arn.parse(destination.arn), service="ecs", resource=task))
    revision = claim.revision if claim else 0
    adopted = Claim(key=key, owner=owner, state=ClaimState.REGISTERED, changed_at=now, revision=revision)
    return Move(before=claim, after=adopted, reason=ADOPTED)


def remove_abandoned(key: ClaimKey, claim: Claim | None, now: datetime) -> Move:
    """Deregister a target that no task or pod uses any more, whoever registered it."""
    left = Claim(
        key=key,
        owner=f"unknown owner of {key.ip}",
        state=ClaimState.DRAINING,
        changed_at=now,
        revision=claim.revision if claim else 0,
    )
    return Move(before=claim, after=left, reason="nothing that the tags select has its address", call=Call.DEREGISTER)


# Deregistering


def deregister(claim: Claim, owner: str, now: datetime, *, reason: str, by_event: bool) -> Move | None:
    """Deregister an owner; None if the claim has another owner by now, or if nothing is left to do."""
    if claim.owner != owner:
        return None
    left = replace(claim, changed_at=now, by_event=by_event, missing_since=None)
    match claim.state:
        case ClaimState.REGISTERING | ClaimState.REGISTERED:
            return _called_off(claim, left, reason)
        case ClaimState.HANDOVER if claim.early_at is not None:
            # AWS may have registered it, and not have shown it yet.
            return _called_off(claim, left, reason)
        case ClaimState.DRAINING if claim.due_at is None and not claim.operation and not retries_later(claim, now):
            # `changed_at` stays, so that the cool-down does not keep reconciliations from reporting repeated failures.
            again = replace(claim, retry_at=None)
            return Move(before=claim, after=again, reason=UNFINISHED, call=Call.DEREGISTER)
        case ClaimState.HANDOVER:
            # The former owner's target still drains, but nobody waits for the end of it any more.
            call = Call.DEREGISTER if claim.due_at is None else None
            draining = replace(left, state=ClaimState.DRAINING, retry_at=None)
            return Move(before=claim, after=draining, reason=reason, call=call)
        case ClaimState.REFUSED:
            return Move(before=claim, after=replace(left, state=ClaimState.TOMBSTONE, due_at=None), reason=reason)
    return None


def _called_off(claim: Claim, left: Claim, reason: str) -> Move:
    draining = replace(
        left,
        state=ClaimState.DRAINING,
        former="",
        due_at=None,
        deregistered_at=None,
        early_at=None,
        unshown_until=_unshown_until(claim),
        operation="",
    )
    return Move(before=claim, after=draining, reason=reason, call=Call.DEREGISTER)


def _unshown_until(claim: Claim) -> datetime | None:
    return claim.unshown_until if claim.early_at is None else claim.early_at + SHOWN


def retries_later(claim: Claim, now: datetime) -> bool:
    """Whether a call about it failed, or had no effect, a moment ago."""
    return claim.retry_at is not None and claim.retry_at > now


def end_drain(claim: Claim, target: Target, now: datetime) -> Move | None:
    """End a claim whose owner has left and whose target has drained; None while it drains."""
    if claim.state is not ClaimState.DRAINING or claim.due_at is None or claim.due_at > now or claim.operation:
        return None
    if target.state is TargetState.PRESENT:
        return _registered_again(claim, target, now)
    if target.state is TargetState.DRAINING:
        return None
    return Move(before=claim, after=_ended(claim, now), reason="it has drained")


def _registered_again(claim: Claim, target: Target, now: datetime) -> Move:
    """AWS showed that the target was deregistered, and it is registered, so someone else registered it since.

    Unless it has the id of our own instance: a registration that was running in Cloud Map when the deregistration was
    called may end after it.
    """
    if target.instance == instance_id(claim.former or claim.owner):
        again = replace(claim, due_at=None, changed_at=now)
        return Move(before=claim, after=again, reason="its registration ended late", call=Call.DEREGISTER)
    return Move(before=claim, after=_ended(claim, now), reason="someone else registered the address")


def give_up(claim: Claim, now: datetime, *, reason: str) -> Move:
    """End a claim without a call: its target belongs to someone else now."""
    return Move(before=claim, after=replace(_ended(claim, now), missing_since=None), reason=reason)


def _ended(claim: Claim, now: datetime) -> Claim:
    return replace(claim, state=ClaimState.TOMBSTONE, due_at=None, early_at=None, changed_at=now)


# Calls that were left

RECENT = timedelta(seconds=30)
"""What was intended longer ago is not called for before its owner has been looked at again."""


def awaited_call(claim: Claim, now: datetime) -> Move | None:
    """The call that a claim on a target group has awaited for a moment, since AWS's rate did not allow it earlier.

    None for what is registered while a former target drains: only who reads the interface may call.
    """
    is_busy = claim.busy_until is not None and claim.busy_until > now
    if is_busy or retries_later(claim, now) or now - claim.changed_at > RECENT:
        return None
    if claim.state is ClaimState.REGISTERING and claim.early_at is None:
        return Move(before=claim, after=claim, reason=UNFINISHED, call=Call.REGISTER)
    if claim.awaits_deregistration or claim.awaits_handover:
        return Move(before=claim, after=replace(claim, retry_at=None), reason=UNFINISHED, call=Call.DEREGISTER)
    return None


# Answers of AWS


def after_call(move: Move, destination: Destination, now: datetime) -> Claim:
    """The claim after AWS has done what the move called for."""
    done = replace(move.after, busy_until=None, busy_by="", operation="", retry_at=None)
    if move.call is Call.DEREGISTER:
        return replace(done, due_at=now + destination.body.drain, deregistered_at=now, unshown_until=None)
    return replace(done, state=ClaimState.REGISTERED) if move.call is Call.REGISTER else done


def is_conclusive(move: Move, now: datetime) -> bool:
    """Whether a target that AWS does not show as registered was deregistered by the move.

    What was registered while another target drained may not be shown yet: the drain that is shown is then that of the
    other one, and AWS may have answered a deregistration of what it did not know.
    """
    return move.after.unshown_until is None or move.after.unshown_until <= now


def after_no_effect(move: Move, now: datetime) -> Claim:
    """The claim after AWS has answered a deregistration, and does not show that it was carried out.

    The target may get traffic, so it is tried again soon, and then after as long as it has been tried for.
    """
    wait = min(max(now - move.after.changed_at, RETRY_UNSEEN_SOONEST), RETRY_UNSEEN_LATEST)
    return replace(released(move.after), retry_at=now + wait)


def after_refusal(move: Move, now: datetime) -> Claim:
    """The claim after AWS has refused its target: it is tried again later, or when another has drained there."""
    refused = replace(released(move.after), operation="")
    if refused.early_at is not None and refused.due_at is not None and refused.due_at > now:
        return replace(refused, state=ClaimState.HANDOVER, early_at=None, retry_at=refused.due_at)
    return replace(refused, state=ClaimState.REFUSED, former="", due_at=now + RETRY_REFUSED, early_at=None)


def released(claim: Claim, operation: str = "") -> Claim:
    """The claim when its invocation makes no more calls about it; operation: the one that AWS has begun."""
    return replace(claim, busy_until=None, busy_by="", operation=operation or claim.operation)


def after_operation(claim: Claim, *, succeeded: bool, destination: Destination, now: datetime) -> Claim:
    """The claim after its Cloud Map operation has ended."""
    if claim.state is ClaimState.REGISTERING:
        state = ClaimState.REGISTERED if succeeded else ClaimState.REFUSED
        due_at = None if succeeded else now + RETRY_REFUSED
        return replace(claim, operation="", changed_at=now, state=state, due_at=due_at)
    if succeeded:
        due_at = now + destination.body.drain
        return replace(claim, operation="", changed_at=now, due_at=due_at, deregistered_at=now, retry_at=None)
    return replace(claim, operation="", retry_at=now + RETRY_FAILED)
