"""The transitions of a claim: when its owner is registered or deregistered, when AWS answers, and when a drain ends.

A claim changes only when its owner is registered or deregistered, or when the next owner of the same address is
registered. An event about a task that left earlier therefore finds another owner in the claim and changes nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.targets.model import (
    Call,
    Claim,
    ClaimKey,
    ClaimState,
    Destination,
    Endpoint,
    Move,
    Target,
    TargetState,
    instance_id,
)

ABSENT = Target(TargetState.ABSENT)
RETRY_REFUSED = timedelta(minutes=1)
RETRY_FAILED = timedelta(seconds=15)
RETRY_UNSEEN_SOONEST, RETRY_UNSEEN_LATEST = timedelta(seconds=3), timedelta(minutes=1)
DRAIN_CHECK = timedelta(seconds=15)
"""When to check again a drain that should have ended."""
REGISTERED_BY_ECS = "ECS itself registers the task that has the address now"
UNFINISHED = "an earlier invocation did not finish this"


def key_of(destination: Destination, endpoint: Endpoint) -> ClaimKey:
    """The target that an endpoint is in a destination."""
    return ClaimKey(destination.arn, endpoint.address.ip, endpoint.port)


# Registering


def register(
    key: ClaimKey, claim: Claim | None, endpoint: Endpoint, target: Target, now: datetime, *, by_event: bool
) -> Move | None:
    """Register an owner at an address; None if nothing is to be done, or if others registered the target.

    target: what the destination shows, ABSENT if it need not be asked.
    """
    fresh = Claim(
        key=key,
        owner=endpoint.owner,
        state=ClaimState.REGISTERING,
        changed_at=now,
        eni_id=endpoint.address.eni_id,
        pod=endpoint.pod,
        version=endpoint.version,
        by_event=by_event,
        revision=claim.revision if claim else 0,
    )
    if claim is None or claim.state is ClaimState.TOMBSTONE:
        return _unclaimed(claim, fresh, endpoint, target, now)
    if claim.owner != endpoint.owner:
        return _next_owner(claim, fresh, endpoint, target, now)
    return _same_owner(claim, fresh, endpoint, target, now)


def _same_owner(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    match claim.state:
        case ClaimState.REGISTERING if claim.operation:
            return None
        case ClaimState.REGISTERING:
            return Move(before=claim, after=fresh, reason=UNFINISHED, call=Call.REGISTER, endpoint=endpoint)
        case ClaimState.REGISTERED if target.state is TargetState.PRESENT:
            return None
        case ClaimState.REGISTERED | ClaimState.DRAINING:
            return _restore(claim, fresh, endpoint, target, now)
        case ClaimState.HANDOVER:
            return _end_handover(claim, fresh, endpoint, target, now)
        case ClaimState.REFUSED if claim.due_at is None or claim.due_at <= now:
            return _unclaimed(claim, fresh, endpoint, target, now)
    return None


def _unclaimed(claim: Claim | None, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    if target.state is TargetState.PRESENT:
        return None
    if target.state is TargetState.DRAINING:
        waiting = replace(fresh, state=ClaimState.HANDOVER, due_at=now + DRAIN_CHECK)
        return Move(before=claim, after=waiting, reason="the address still drains", endpoint=endpoint)
    return Move(before=claim, after=fresh, reason="it runs", call=Call.REGISTER, endpoint=endpoint)


def _next_owner(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    """The address has a new owner: the target of the former one must drain first."""
    successor = replace(fresh, state=ClaimState.HANDOVER, former=claim.former or claim.owner)
    match claim.state:
        case ClaimState.REFUSED:
            return _unclaimed(claim, fresh, endpoint, target, now)
        case ClaimState.HANDOVER | ClaimState.DRAINING if claim.due_at is not None:
            waiting = replace(successor, due_at=claim.due_at)
            return Move(before=claim, after=waiting, reason="the target of the former owner drains", endpoint=endpoint)
        case _:
            return Move(
                before=claim,
                after=successor,
                reason="the address has a new owner",
                call=Call.DEREGISTER,
                endpoint=endpoint,
            )


def has_drained(claim: Claim, owner: str, target: Target) -> bool:
    """Whether the target that an owner had itself is out of its destination.

    The owner may then be registered again before its drain should have ended: late traffic reaches the same task.
    """
    is_own = (claim.former or claim.owner) == owner
    return is_own and claim.due_at is not None and target.state is TargetState.ABSENT


def _restore(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move:
    """The target is wanted but was deregistered: by someone else, or because tags changed."""
    if claim.state is ClaimState.DRAINING and has_drained(claim, endpoint.owner, target):
        return Move(before=claim, after=fresh, reason="it is wanted again", call=Call.REGISTER, endpoint=endpoint)
    if claim.state is ClaimState.DRAINING and (claim.due_at is None or claim.due_at > now):
        former = claim.former or claim.owner
        waiting = replace(fresh, state=ClaimState.HANDOVER, former=former, due_at=claim.due_at)
        return Move(
            before=claim,
            after=waiting,
            reason="it is wanted again once it has drained",
            call=Call.DEREGISTER if claim.due_at is None else None,
            endpoint=endpoint,
        )
    if claim.state is ClaimState.DRAINING and target.state is TargetState.PRESENT:
        return _registered_again(claim, target, now)
    if target.state is TargetState.DRAINING:
        waiting = replace(fresh, state=ClaimState.HANDOVER, former=claim.owner, due_at=now + DRAIN_CHECK)
        return Move(before=claim, after=waiting, reason="someone deregistered it and it drains", endpoint=endpoint)
    return Move(before=claim, after=fresh, reason="someone deregistered it", call=Call.REGISTER, endpoint=endpoint)


def _end_handover(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    """The new owner is registered once nothing is registered at the address any more."""
    if claim.operation:
        return None
    if claim.due_at is None and retries_later(claim, now):
        return None
    if claim.due_at is None:
        return Move(
            before=claim,
            after=replace(claim, retry_at=None),
            reason=UNFINISHED,
            call=Call.DEREGISTER,
            endpoint=endpoint,
        )
    if claim.due_at > now and not has_drained(claim, endpoint.owner, target):
        return None
    match target.state:
        case TargetState.ABSENT:
            return Move(before=claim, after=fresh, reason="the drain has ended", call=Call.REGISTER, endpoint=endpoint)
        case TargetState.DRAINING:
            longer = replace(claim, due_at=now + DRAIN_CHECK, changed_at=now)
            return Move(before=claim, after=longer, reason="it still drains", endpoint=endpoint)
        case TargetState.PRESENT:
            return _registered_again(claim, target, now)


# Deregistering


def deregister(claim: Claim, owner: str, now: datetime, *, reason: str, by_event: bool) -> Move | None:
    """Deregister an owner; None if the claim has another owner by now, or if nothing is left to do."""
    if claim.owner != owner:
        return None
    left = replace(claim, changed_at=now, by_event=by_event, missing_since=None)
    match claim.state:
        case ClaimState.REGISTERING | ClaimState.REGISTERED:
            return Move(
                before=claim,
                after=replace(left, state=ClaimState.DRAINING, due_at=None, operation=""),
                reason=reason,
                call=Call.DEREGISTER,
            )
        case ClaimState.DRAINING if claim.due_at is None and not claim.operation and not retries_later(claim, now):
            # `changed_at` stays, so that the cool-down does not keep reconciliations from reporting repeated failures.
            again = replace(claim, retry_at=None)
            return Move(before=claim, after=again, reason=UNFINISHED, call=Call.DEREGISTER)
        case ClaimState.HANDOVER:
            # The former owner's target still drains, but nobody waits for the end of it any more.
            call = Call.DEREGISTER if claim.due_at is None else None
            return Move(before=claim, after=replace(left, state=ClaimState.DRAINING), reason=reason, call=call)
        case ClaimState.REFUSED:
            return Move(before=claim, after=replace(left, state=ClaimState.TOMBSTONE, due_at=None), reason=reason)
    return None


def retries_later(claim: Claim, now: datetime) -> bool:
    """Whether its deregistration failed in Cloud Map, or had no effect, a moment ago."""
    return claim.retry_at is not None and claim.retry_at > now


def end_drain(claim: Claim, target: Target, now: datetime) -> Move | None:
    """End a claim whose owner has left and whose target has drained; None while it drains."""
    if claim.state is not ClaimState.DRAINING or claim.due_at is None or claim.due_at > now or claim.operation:
        return None
    if target.state is TargetState.PRESENT:
        return _registered_again(claim, target, now)
    if target.state is TargetState.DRAINING:
        return None
    gone = replace(claim, state=ClaimState.TOMBSTONE, due_at=None, changed_at=now)
    return Move(before=claim, after=gone, reason="it has drained")


def _registered_again(claim: Claim, target: Target, now: datetime) -> Move:
    """AWS showed that the target was deregistered, and it is registered, so someone else registered it since.

    Unless it has the id of our own instance: a registration that was running in Cloud Map when the deregistration was
    called may end after it.
    """
    if target.instance == instance_id(claim.former or claim.owner):
        again = replace(claim, due_at=None, changed_at=now)
        return Move(before=claim, after=again, reason="its registration ended late", call=Call.DEREGISTER)
    gone = replace(claim, state=ClaimState.TOMBSTONE, due_at=None, changed_at=now)
    return Move(before=claim, after=gone, reason="someone else registered the address")


def give_up(claim: Claim, now: datetime, *, reason: str) -> Move:
    """End a claim without a call: its target belongs to someone else now."""
    gone = replace(claim, state=ClaimState.TOMBSTONE, due_at=None, changed_at=now, missing_since=None)
    return Move(before=claim, after=gone, reason=reason)


# Answers of AWS


def after_call(move: Move, destination: Destination, now: datetime) -> Claim:
    """The claim after AWS has done what the move called for."""
    done = replace(move.after, busy_until=None, busy_by="", operation="", retry_at=None)
    if move.call is Call.DEREGISTER:
        return replace(done, due_at=now + destination.body.drain)
    if move.call is Call.REGISTER:
        return replace(done, state=ClaimState.REGISTERED, due_at=None)
    return done


def after_no_effect(move: Move, now: datetime) -> Claim:
    """The claim after AWS has answered a deregistration, and does not show that it was carried out.

    The target may get traffic, so it is tried again soon, and then after as long as it has been tried for.
    """
    wait = min(max(now - move.after.changed_at, RETRY_UNSEEN_SOONEST), RETRY_UNSEEN_LATEST)
    return replace(released(move.after), retry_at=now + wait)


def after_refusal(move: Move, now: datetime) -> Claim:
    """The claim after AWS has refused to register its target."""
    return replace(
        move.after,
        state=ClaimState.REFUSED,
        busy_until=None,
        busy_by="",
        due_at=now + RETRY_REFUSED,
        operation="",
    )


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
        return replace(claim, operation="", changed_at=now, due_at=now + destination.body.drain, retry_at=None)
    return replace(claim, operation="", retry_at=now + RETRY_FAILED)
